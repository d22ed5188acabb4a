"""The tables that every part shares."""

from portal.models.actors import Actor, ActorKind, Authentication
from portal.models.approvals import Approval
from portal.models.checkpoints import Checkpoint, LedgerNode, SealerKey
from portal.models.endpoints import Endpoint
from portal.models.idempotency import IdempotencyKey
from portal.models.jobs import Heartbeat, Job
from portal.models.ledger import LedgerEntry
from portal.models.notifications import Delivery, DeliveryAttempt, Notification
from portal.models.people import Person, RoleGrant
from portal.models.second_factors import RecoveryCode, SecondFactor
from portal.models.tokens import ApiToken
from portal.models.tracked import (
    Evidence,
    SilentChange,
    Tracked,
    name_versions,
    version_digest,
)

__all__ = [
    "Actor",
    "ActorKind",
    "ApiToken",
    "Approval",
    "Authentication",
    "Checkpoint",
    "Delivery",
    "DeliveryAttempt",
    "Endpoint",
    "Evidence",
    "Heartbeat",
    "IdempotencyKey",
    "Job",
    "LedgerEntry",
    "LedgerNode",
    "Notification",
    "Person",
    "RecoveryCode",
    "RoleGrant",
    "SealerKey",
    "SecondFactor",
    "SilentChange",
    "Tracked",
    "name_versions",
    "version_digest",
]
