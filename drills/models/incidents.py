"""Incidents, and the signs that have not become one yet."""

from itertools import pairwise

from django.db import models
from django.db.models import F, Q

from drills.domain.incidents import ACTIVE, OVER, Kind, Milestones, State
from drills.domain.incidents import Severity as Severities
from drills.domain.roles import IncidentRole
from drills.models.matrix import SEVERITIES, MatrixRow
from portal.models import Person
from portal.models.choices import choices, is_known
from portal.models.tracked import Tracked
from rollout.models import Rollout, Run, Stage, TriggerFiring

# What has been reached in each state, and what has not; a cancelled one may have come
# as far as being mitigated.
_REACHED = (
    "acknowledged_at",
    "mitigated_at",
    "resolved_at",
    "reviewed_at",
    "closed_at",
)
_IN_ORDER = ("opened_at", *_REACHED)
_STATES = {
    State.OPEN: 0,
    State.ACKNOWLEDGED: 1,
    State.MITIGATED: 2,
    State.RESOLVED: 3,
    State.REVIEWED: 4,
    State.CLOSED: 5,
}


def _reached(state: State) -> Q:
    if state == State.CANCELLED:
        nothing_later = {f"{name}__isnull": True for name in _REACHED[2:]}
        skips_nothing = Q(mitigated_at=None) | Q(acknowledged_at__isnull=False)
        return Q(state=state, cancelled_at__isnull=False, **nothing_later) & (
            skips_nothing
        )
    isnull = {
        f"{name}__isnull": number >= _STATES[state]
        for number, name in enumerate(_REACHED)
    }
    return Q(state=state, cancelled_at__isnull=True, **isnull)


def _in_order() -> Q:
    """No milestone is before the one ahead of it."""
    found = Q()
    for earlier, later in pairwise(_IN_ORDER):
        found &= Q(**{f"{later}__isnull": True}) | Q(**{f"{later}__gte": F(earlier)})
    cancelled = Q(cancelled_at__isnull=True) | Q(cancelled_at__gte=F("opened_at"))
    return found & cancelled


def _states() -> Q:
    found = _reached(State.OPEN)
    for state in State:
        found |= _reached(state)
    return found


class Incident(Tracked):
    """Something has gone wrong: what, how bad, who works on it, how far they are.

    The same subject (`fingerprint`) has one active incident. What it is about and its
    kind never change.
    """

    operational_fields = frozenset({"seen", "last_seen_at"})

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="incidents")
    kind = models.CharField(max_length=5, choices=choices(Kind))
    state = models.CharField(max_length=15, choices=choices(State), default=State.OPEN)
    is_over = models.BooleanField(default=False, editable=False)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    title = models.CharField(max_length=200)
    says = models.TextField()

    cause = models.CharField(max_length=60)
    gate = models.CharField(max_length=1, blank=True)
    stage = models.ForeignKey(
        Stage, models.PROTECT, related_name="incidents", null=True, blank=True
    )
    configuration = models.CharField(
        max_length=71, blank=True, help_text="The fingerprint under which it happened."
    )
    fingerprint = models.CharField(
        max_length=71,
        help_text="Over rollout, kind, cause, gate, stage, configuration.",
    )
    previous = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        help_text="The last one about the same subject.",
    )
    row = models.ForeignKey(
        MatrixRow, models.PROTECT, related_name="incidents", null=True, blank=True
    )
    row_version = models.PositiveIntegerField(null=True, blank=True)
    steps = models.JSONField(default=list, help_text="The row's diagnosis, as it was.")

    opened_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    commander = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    scribe = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )
    communications = models.ForeignKey(
        Person, models.PROTECT, related_name="+", null=True, blank=True
    )

    began_at = models.DateTimeField(help_text="When it happened, as far as is known.")
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    mitigated_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    chapter = models.PositiveIntegerField(default=0, help_text="Moves so far.")
    reopened = models.PositiveIntegerField(default=0, help_text="How often.")
    seen = models.PositiveBigIntegerField(default=0, help_text="Signs of it so far.")
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["is_over", "-pk"]
        constraints = [
            is_known("kind", Kind, name="incident_kind_is_known"),
            is_known("state", State, name="incident_state_is_known"),
            models.CheckConstraint(
                name="incident_severity_is_known",
                condition=Q(severity__in=[each.value for each in Severities]),
            ),
            models.UniqueConstraint(
                name="a_subject_has_one_active_incident",
                fields=["fingerprint"],
                condition=Q(state__in=list(ACTIVE)),
            ),
            models.CheckConstraint(
                name="an_incident_has_the_milestones_of_its_state", condition=_states()
            ),
            models.CheckConstraint(
                name="milestones_are_in_order", condition=_in_order()
            ),
            models.CheckConstraint(
                name="an_incident_is_over_when_its_state_says_so",
                condition=Q(is_over=True, state__in=list(OVER))
                | Q(is_over=False) & ~Q(state__in=list(OVER)),
            ),
            models.CheckConstraint(
                name="an_incident_names_the_version_of_its_row",
                condition=Q(row=None, row_version=None)
                | Q(row__isnull=False, row_version__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["is_over", "-id"], name="incident_open_first"),
            models.Index(
                fields=["rollout", "severity", "-id"],
                name="incident_not_over",
                condition=Q(is_over=False),
            ),
            models.Index(fields=["rollout", "-id"], name="incident_of_rollout"),
            models.Index(fields=["kind", "-id"], name="incident_by_kind"),
            models.Index(fields=["fingerprint", "-id"], name="incident_before"),
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}: {self.title}"

    @property
    def milestones(self) -> Milestones:
        """What it has reached, and when."""
        return Milestones(
            opened_at=self.opened_at,
            acknowledged_at=self.acknowledged_at,
            mitigated_at=self.mitigated_at,
            resolved_at=self.resolved_at,
            reviewed_at=self.reviewed_at,
            closed_at=self.closed_at,
            cancelled_at=self.cancelled_at,
        )

    def who(self, role: IncidentRole) -> Person | None:
        """Who has this role now."""
        return getattr(self, role.value)


class Sighting(models.Model):
    """A sign that was noticed and has not been added to an incident yet; operational.

    Whoever notices writes a row and waits for nobody. A worker takes the rows of a
    subject together and removes them; what they tell of is evidence elsewhere.
    """

    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=5, choices=choices(Kind))
    cause = models.CharField(max_length=60)
    gate = models.CharField(max_length=1, blank=True)
    stage = models.ForeignKey(
        Stage, models.PROTECT, related_name="+", null=True, blank=True
    )
    configuration = models.CharField(max_length=71, blank=True)
    fingerprint = models.CharField(max_length=71)
    run = models.ForeignKey(
        Run, models.PROTECT, related_name="+", null=True, blank=True
    )
    firing = models.ForeignKey(
        TriggerFiring, models.PROTECT, related_name="+", null=True, blank=True
    )
    says = models.CharField(max_length=500)
    began_at = models.DateTimeField()
    noticed_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["fingerprint", "id"], name="sighting_subject")]

    def __str__(self) -> str:
        return f"{self.cause}: {self.says}"
