"""May more be exposed? Every part that has a say registers its check.

A check is asked each time anew, also at the moment when a promotion is applied. Apps to
the right register theirs (drills, verification, incidents) when they are loaded.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from portal import clock
from portal.models import LedgerEntry
from rollout.domain.readiness import Check, Light, light_until, missing
from rollout.domain.stages import StageState
from rollout.domain.verbs import Verb
from rollout.models import OnCall, Stage
from rollout.services import evidence, freezes, stages

ON_CALL_WARNS_S = 2 * 3600
Ask = Callable[[Stage], Check]
PassOver = Callable[[Stage], dict[str, str]]  # the key of a check, and by what
_checks: dict[str, Ask] = {}
_passed_over: list[PassOver] = []


def register(name: str, ask: Ask) -> None:
    """Add a check that every stage has to pass before it moves on."""
    _checks[name] = ask


def checks(stage: Stage) -> list[Check]:
    """Every check but the statistics, in the order in which they were registered."""
    return [ask(stage) for ask in _checks.values()]


def pass_over(source: PassOver) -> None:
    """Let people pass over checks that `source` names, with by what."""
    _passed_over.append(source)


def checks_for_people(stage: Stage) -> list[Check]:
    """The same checks, for an act of two people: what they have broken the glass for
    is amber instead of red, and says so. A plan that goes on by itself asks `checks`.
    """
    passed = {key: by for source in _passed_over for key, by in source(stage).items()}
    found = []
    for key, ask in _checks.items():
        check = ask(stage)
        if key in passed and not check.is_met:
            says = f"passed over by {passed[key]}: {check.says}"
            check = replace(check, light=Light.AMBER, says=says)
        found.append(check)
    return found


def lacking(stage: Stage) -> list[str]:
    """What is in the way, each a sentence; the hold that a stage is on comes first."""
    held = on_hold(stage)
    return missing([*([held] if held else []), *checks(stage)])


def on_hold(stage: Stage) -> Check | None:
    """The hold that a stage is on, if it is; its state, not a check of any part."""
    if stage.state != StageState.HOLDING:
        return None
    held = LedgerEntry.objects.filter(
        subject_type=stage._meta.label_lower,
        subject_id=str(stage.pk),
        verb=Verb.STAGE_HELD,
    ).first()
    because = f" by {held.actor_name}: {held.reason}" if held else ""
    return Check(
        name="Hold",
        light=Light.RED,
        says=f"the stage is on hold{because}",
        since=held.at if held else None,
        remedy="Ask to end the hold",
        link=f"/admin/rollout/stage/{stage.pk}/act/request_resume/",
    )


def failures_reviewed(stage: Stage) -> Check:
    """No hard gate has failed for good without somebody having looked at it."""
    say = partial(Check, name="Failures reviewed")
    attempt = stages.open_attempt(stage)
    if attempt is None:
        says = "nothing to review, for the stage is not open"
        return say(light=Light.GREY, says=says)
    open_ones = evidence.unreviewed(attempt)
    if not open_ones and not evidence.is_reviewed(attempt):
        says = "nothing to review, for no hard gate of this attempt has failed for good"
        return say(light=Light.GREY, says=says)
    if not open_ones:
        return say(
            light=Light.GREEN,
            says="every hard-gate failure of this attempt has been looked at",
        )
    run, gate = open_ones[0]
    more = f" and {_how_many(open_ones[1:])} more" if open_ones[1:] else ""
    return say(
        light=Light.RED,
        says=f"gate {gate} of {run.run_id}{more} failed and nobody has looked at it",
        remedy="Review the failure",
        link=f"/admin/rollout/run/{run.pk}/act/review_{gate}/",
    )


def _how_many(others: list) -> str:
    """So many, as far as they were looked for."""
    is_cut = len(others) >= evidence.MOST_UNREVIEWED - 1
    return f"at least {len(others)}" if is_cut else str(len(others))


def on_call(stage: Stage) -> Check:
    """Somebody has confirmed to be on call, and may still work on incidents."""
    say = partial(
        Check,
        name="On call",
        remedy="Confirm that you are on call",
        link=f"/admin/rollout/rollout/{stage.rollout_id}/act/confirm_on_call/",
    )
    now = clock.now()
    if found := freezes.on_call_now(stage.rollout_id):
        newest = found[0]
        light = light_until(newest.until, now=now, warn_s=ON_CALL_WARNS_S)
        check = say(
            light=light,
            says=f"{newest.person} is on call",
            since=newest.confirmed_at,
            expires_at=newest.until,
        )
        return replace(check, remedy="") if light == Light.GREEN else check
    last = (
        OnCall.objects.filter(rollout_id=stage.rollout_id)
        .select_related("person")
        .order_by("-until")
        .first()
    )
    if last is None:
        return say(light=Light.RED, says="nobody has confirmed to be on call")
    says = f"{last.person} was on call"
    if last.until > now:
        says += ", but may not work on incidents any more"
    return say(
        light=Light.RED, says=says, since=last.confirmed_at, expires_at=last.until
    )


def no_freeze(stage: Stage) -> Check:
    """Nothing is frozen."""
    frozen = freezes.on(stage.rollout_id)
    if not frozen:
        return Check(name="No freeze", light=Light.GREEN, says="nothing is frozen")
    first = frozen[0]
    return Check(
        name="No freeze",
        light=Light.RED,
        says=f"frozen by {first.owner}: {first.reason}",
        expires_at=first.expires_at,
        remedy="Lift the freeze" if first.expires_at else "Remove its cause",
        link=first.link,
    )


def switch_released(stage: Stage) -> Check:
    """The emergency switch is released."""
    switch = stage.rollout.switch
    if not switch.is_engaged:
        return Check(
            name="Switch released", light=Light.GREEN, says="Option C is not off"
        )
    return Check(
        name="Switch released",
        light=Light.RED,
        says=f"the switch is engaged: {switch.reason}",
        since=switch.changed_at,
        remedy="Ask for the release",
        link=f"/admin/rollout/switch/{switch.pk}/change/",
    )


for _name, _ask in {
    "failures": failures_reviewed,
    "on_call": on_call,
    "freeze": no_freeze,
    "switch": switch_released,
}.items():
    register(_name, _ask)
