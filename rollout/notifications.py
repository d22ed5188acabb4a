"""What this app tells of: which verbs of its ledger lines are events."""

from typing import Any

from portal.domain.notifications import Severity
from portal.services.notifications import Event, Place, register
from rollout.domain.runs import RunKind
from rollout.domain.verbs import Verb
from rollout.models import Rollout, RolloutKind, Run, TriggerFiring


def _within(rollout: Rollout) -> Place:
    return Place(rollout.key, rollout.kind == RolloutKind.LIVE)


def _place(subject: Any, details: dict[str, Any]) -> Place:
    """Switch, stage, change and freeze know their rollout."""
    return _within(subject.rollout)


def _place_of_run(run: Run, details: dict[str, Any]) -> Place:
    place = _within(run.rollout)
    return Place(place.rollout, place.is_live and run.kind != RunKind.DRILL)


def _place_of_firing(firing: TriggerFiring, details: dict[str, Any]) -> Place:
    return _within(firing.stage.rollout)


_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
_CHANGE = ("risk", "digest")
# Verb, name, severity, meaning, and the details of the line that go out.
_TOLD: list[tuple[Verb, str, Severity, str, tuple[str, ...]]] = [
    (
        Verb.SWITCH_ENGAGED,
        "switch.engaged",
        _CRITICAL,
        "Option C is off everywhere.",
        ("epoch", "affected"),
    ),
    (
        Verb.SWITCH_RELEASED,
        "switch.released",
        _WARNING,
        "Two people have released the switch.",
        ("epoch",),
    ),
    (
        Verb.STAGE_STARTED,
        "stage.started",
        _INFO,
        "Two people have started a stage.",
        ("attempt", "fingerprint"),
    ),
    (
        Verb.STAGE_PROMOTABLE,
        "stage.promotable",
        _INFO,
        "The runs of a stage prove what its plan demands.",
        ("evaluation",),
    ),
    (
        Verb.STAGE_PROMOTED,
        "stage.promoted",
        _INFO,
        "The rollout goes on to the next stage.",
        ("to", "attempt", "is_by_plan", "evaluation"),
    ),
    (
        Verb.STAGE_HELD,
        "stage.held",
        _WARNING,
        "Promotion and widening stop.",
        ("is_admitting",),
    ),
    (
        Verb.STAGE_RESUMED,
        "stage.resumed",
        _INFO,
        "Two people let a held stage go on.",
        (),
    ),
    (
        Verb.STAGE_DISABLED,
        "stage.disabled",
        _INFO,
        "A stage that is not open is set aside.",
        (),
    ),
    (
        Verb.STAGE_ENABLED,
        "stage.enabled",
        _INFO,
        "Two people put a stage back that was set aside.",
        (),
    ),
    (
        Verb.STAGE_ROLLED_BACK,
        "stage.rolled_back",
        _CRITICAL,
        "The rollout goes back to its last stable stage.",
        ("to", "trigger", "evaluation"),
    ),
    (
        Verb.STAGE_DEGRADED_LATE,
        "stage.degraded_late",
        _CRITICAL,
        "A stage that was proven has become worse since.",
        ("attempt", "gate", "run", "floor"),
    ),
    (
        Verb.CHANGE_APPROVED,
        "change.approved",
        _INFO,
        "Another person has approved a change.",
        _CHANGE,
    ),
    (
        Verb.CHANGE_REJECTED,
        "change.rejected",
        _INFO,
        "Somebody has said no to a change.",
        (),
    ),
    (
        Verb.CHANGE_APPLIED,
        "change.applied",
        _INFO,
        "A change counts from now on.",
        (*_CHANGE, "revision", "author", "approver"),
    ),
    (
        Verb.CHANGE_BLOCKED,
        "change.blocked",
        _WARNING,
        "A scheduled change could not be applied.",
        ("code",),
    ),
    (
        Verb.FREEZE_BEGUN,
        "freeze.begun",
        _INFO,
        "Expansion, or every change that takes approval, is stopped.",
        ("scope", "until"),
    ),
    (
        Verb.FREEZE_LIFTED,
        "freeze.lifted",
        _INFO,
        "A freeze has ended early.",
        (),
    ),
]
for _verb, _name, _severity, _meaning, _facts in _TOLD:
    register(
        _verb,
        Event(
            name=_name,
            meaning=_meaning,
            severity=_severity,
            facts=_facts,
            place=_place,
        ),
    )
register(
    Verb.TRIGGER_FIRED,
    Event(
        name="trigger.fired",
        meaning="A trigger has fired about a run, an evaluation or a watch.",
        severity=_WARNING,
        facts=("trigger", "stage", "attempt", "subject", "action", "outcome"),
        place=_place_of_firing,
    ),
)
register(
    Verb.RUN_FELL_BACK,
    Event(
        name="run.fell_back",
        meaning="A run goes on with the standard workflow.",
        severity=_WARNING,
        facts=("failure", "gate"),
        place=_place_of_run,
    ),
)
register(
    Verb.RUN_TIMED_OUT,
    Event(
        name="run.timed_out",
        meaning="The watchdog has ended a run that hung.",
        severity=_WARNING,
        facts=("failure", "timeout_s"),
        place=_place_of_run,
    ),
)
