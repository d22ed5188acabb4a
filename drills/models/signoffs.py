"""Signatures under evidence packs, delegations, and what was opened by them."""

from django.db import models
from django.db.models import F, Q

from drills.domain.delegations import LONGEST
from drills.domain.signoffs import (
    VALID_FOR,
    Cause,
    SigningRole,
    Verdict,
)
from drills.models.packs import EvidencePack
from portal.models import Approval, Person, RoleGrant
from portal.models.choices import choices, is_known
from portal.models.tracked import Evidence, Tracked
from rollout.models import Attempt


class Delegation(Tracked):
    """Somebody may sign for another person, as what that person is, until then."""

    role = models.CharField(max_length=10, choices=choices(SigningRole))
    giver = models.ForeignKey(Person, models.PROTECT, related_name="delegations")
    receiver = models.ForeignKey(Person, models.PROTECT, related_name="+")
    reason = models.TextField()
    given_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("role", SigningRole, name="delegated_role_is_known"),
            models.CheckConstraint(
                name="nobody_delegates_to_themselves",
                condition=~Q(giver=F("receiver")),
            ),
            models.CheckConstraint(
                name="a_delegation_lasts_a_fortnight_at_most",
                condition=Q(until__gt=F("given_at"))
                & Q(until__lte=F("given_at") + LONGEST),
            ),
            models.CheckConstraint(
                name="an_ended_delegation_names_somebody",
                condition=Q(ended_at=None, ended_by=None)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["receiver", "until"],
                name="delegation_on",
                condition=Q(ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.giver} to {self.receiver}"


class Signoff(Evidence):
    """A person's judgement of one pack, bound to its hash; never changed.

    Whether it counts is worked out when it is used (`drills/services/standings.py`).
    """

    pack = models.ForeignKey(EvidencePack, models.PROTECT, related_name="signoffs")
    role = models.CharField(max_length=10, choices=choices(SigningRole))
    verdict = models.CharField(max_length=20, choices=choices(Verdict))
    signer = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="signoffs")
    name = models.CharField(max_length=200, help_text="Of the signer, as it was then.")
    grant = models.ForeignKey(RoleGrant, models.PROTECT, related_name="+")
    delegation = models.ForeignKey(
        Delegation, models.PROTECT, related_name="signoffs", null=True, blank=True
    )
    giver = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    rubric = models.JSONField(help_text="What was said of each item.")
    note = models.TextField(blank=True)
    statement = models.TextField(help_text="What was shown and signed, to the byte.")
    statement_digest = models.CharField(max_length=71)
    pack_hash = models.CharField(max_length=71)
    authenticated_by = models.CharField(max_length=20)
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            is_known("role", SigningRole, name="signing_role_is_known"),
            is_known("verdict", Verdict, name="signoff_verdict_is_known"),
            models.UniqueConstraint(
                name="a_pack_is_signed_once_in_each_role", fields=["pack", "role"]
            ),
            models.UniqueConstraint(
                name="nobody_signs_a_pack_twice", fields=["pack", "person"]
            ),
            models.UniqueConstraint(
                name="nobody_has_a_pack_signed_for_them_twice",
                fields=["pack", "giver"],
                condition=Q(giver__isnull=False),
            ),
            models.CheckConstraint(
                name="a_delegated_signature_names_its_giver",
                condition=Q(delegation=None, giver=None)
                | Q(delegation__isnull=False, giver__isnull=False)
                & ~Q(giver=F("person")),
            ),
            models.CheckConstraint(
                name="a_signature_counts_a_fortnight_at_most",
                condition=Q(expires_at__gt=F("signed_at"))
                & Q(expires_at__lte=F("signed_at") + VALID_FOR),
            ),
        ]
        indexes = [models.Index(fields=["person", "-id"], name="signoff_of_person")]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.name} as {self.role}"


class SignoffLapse(Evidence):
    """A signature was found stale; from then on it is, whatever happens later."""

    signoff = models.OneToOneField(Signoff, models.PROTECT, related_name="lapse")
    cause = models.CharField(max_length=20, choices=choices(Cause))
    says = models.TextField()
    differences = models.JSONField(default=list)
    noticed_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [is_known("cause", Cause, name="lapse_cause_is_known")]

    def __str__(self) -> str:
        return f"{self.signoff} is stale: {self.cause}"


class Availability(Evidence):
    """Option C was opened for general use: on which signatures, by whom.

    It is in force for as long as the attempt goes on; going back ends it.
    """

    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="availabilities")
    pack = models.ForeignKey(EvidencePack, models.PROTECT, related_name="+")
    architect = models.ForeignKey(Signoff, models.PROTECT, related_name="+")
    qa = models.ForeignKey(Signoff, models.PROTECT, related_name="+")
    approval = models.OneToOneField(Approval, models.PROTECT, related_name="+")
    snapshot = models.CharField(max_length=71)
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "availability"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"general availability of {self.attempt.stage.rollout}"
