"""What can have been done, in the past tense: the verbs of the ledger."""

from enum import StrEnum


class Verb(StrEnum):
    """Acts on what every part of the portal shares."""

    PERSON_INVITED = "portal.person.invited"
    PERSON_DEACTIVATED = "portal.person.deactivated"
    PERSON_SIGNED_IN = "portal.person.signed_in"
    PASSWORD_CHANGED = "portal.person.password_changed"
    ROLE_GRANTED = "portal.role.granted"
    ROLE_REVOKED = "portal.role.revoked"
    TOKEN_CREATED = "portal.token.created"
    TOKEN_ROTATED = "portal.token.rotated"
    TOKEN_REVOKED = "portal.token.revoked"
    APPROVAL_REQUESTED = "portal.approval.requested"
    APPROVAL_CONFIRMED = "portal.approval.confirmed"
    APPROVAL_REJECTED = "portal.approval.rejected"
    APPROVAL_WITHDRAWN = "portal.approval.withdrawn"
    APPROVAL_VOIDED = "portal.approval.voided"
    APPROVAL_EXPIRED = "portal.approval.expired"
    JOB_DIED = "portal.job.died"
    JOB_REQUEUED = "portal.job.requeued"
    ENDPOINT_CREATED = "portal.endpoint.created"
    ENDPOINT_EDITED = "portal.endpoint.edited"
    ENDPOINT_ROTATED = "portal.endpoint.secret_rotated"
    ENDPOINT_DISABLED = "portal.endpoint.disabled"
    ENDPOINT_FAILED = "portal.endpoint.failed"
    ENDPOINT_ENABLED = "portal.endpoint.enabled"
    ENDPOINT_TESTED = "portal.endpoint.tested"
    DELIVERY_REPEATED = "portal.delivery.repeated"
