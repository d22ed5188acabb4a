"""The tables of a rollout."""

from rollout.models.agents import Agent
from rollout.models.artifacts import Artifact, Origin
from rollout.models.broadcasts import Broadcast
from rollout.models.changes import Change, ChangeComment
from rollout.models.clients import EdgeClient, FlagUse
from rollout.models.contents import Content, VaultUse
from rollout.models.decisions import Decision
from rollout.models.directives import Directive
from rollout.models.evaluations import Evaluation, FailureReview
from rollout.models.fallback import FallbackOffer, Routing
from rollout.models.flags import Flag, Rule, Segment
from rollout.models.freezes import Freeze, OnCall
from rollout.models.rollbacks import Reconciliation, Rollback
from rollout.models.rollouts import Rollout, RolloutKind
from rollout.models.runs import (
    Advance,
    DocumentKind,
    Run,
    RunDocument,
    RunEvent,
    Standing,
)
from rollout.models.scans import Allowance, Finding, PendingScan, Scan
from rollout.models.snapshots import Snapshot
from rollout.models.stages import OPEN_STATES, Attempt, Stage
from rollout.models.switch import Switch
from rollout.models.timeouts import RunTimeout
from rollout.models.triggers import Symptom, Trigger, TriggerFiring, Watch

__all__ = [
    "OPEN_STATES",
    "Advance",
    "Agent",
    "Allowance",
    "Artifact",
    "Attempt",
    "Broadcast",
    "Change",
    "ChangeComment",
    "Content",
    "Decision",
    "Directive",
    "DocumentKind",
    "EdgeClient",
    "Evaluation",
    "FailureReview",
    "FallbackOffer",
    "Finding",
    "Flag",
    "FlagUse",
    "Freeze",
    "OnCall",
    "Origin",
    "PendingScan",
    "Reconciliation",
    "Rollback",
    "Rollout",
    "RolloutKind",
    "Routing",
    "Rule",
    "Run",
    "RunDocument",
    "RunEvent",
    "RunTimeout",
    "Scan",
    "Segment",
    "Snapshot",
    "Stage",
    "Standing",
    "Switch",
    "Symptom",
    "Trigger",
    "TriggerFiring",
    "VaultUse",
    "Watch",
]
