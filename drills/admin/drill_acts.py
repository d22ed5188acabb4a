"""What can be done with drills: only what makes sense now is offered."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from drills.admin.drill_forms import (
    AttachForm,
    ChecklistForm,
    LogForm,
    ObservationForm,
    ScheduleForm,
    StartForm,
)
from drills.admin.runbook_forms import FollowForm
from drills.domain import drills as domain
from drills.domain.drills import UNDER_WAY, VALID_FOR, Means, State
from drills.domain.scenarios import PLANS, Plan
from drills.models import Drill
from drills.services import drills, hand_logs, obstacles, runbook_uses, schedules
from drills.services.hand_logs import Upload
from portal.admin.acts import Act, Done
from portal.domain.roles import May
from portal.models import Actor

Said = dict[str, Any]


def _page_of(drill: Drill) -> str:
    return reverse("admin:drills_drill_change", args=[drill.pk])


def _start(plan: Plan) -> Act:
    def perform(_: None, actor: Actor, said: Said) -> Done:
        stage = said["stage"]
        drill = drills.start(
            stage.rollout.key if stage else said["rollout"].key,
            plan.scenario,
            by=actor,
            reason=said["reason"],
            stage_key=stage.key if stage else "",
        )
        return Done(f"{drill} begins; its steps tick off here.", _page_of(drill))

    return Act(
        name=str(plan.scenario),
        title=f"Drill: {plan.title}",
        may=May.CONDUCT_DRILL,
        perform=perform,
        form=StartForm,
        is_on_list=True,
        effects=lambda _: [
            plan.proves,
            "A worker makes a twin of the rollout and drives a real process on it; "
            "nothing of the live rollout is touched, and nothing counts as evidence.",
            f"You are its conductor; it counts for {VALID_FOR.days} days once another "
            "person has confirmed it.",
        ],
    )


def _practise(drill: Drill, actor: Actor, said: Said) -> Done:
    use = runbook_uses.start_in_drill(
        said["runbook"], drill.pk, by=actor, reason=said["reason"]
    )
    page = reverse("admin:drills_runbookuse_change", args=[use.pk])
    return Done(f"You practise {use.runbook.title!r}.", page)


def _log(_: None, actor: Actor, said: Said) -> Done:
    stage = said["stage"]
    drill = hand_logs.log(
        stage.rollout.key if stage else said["rollout"].key,
        said["scenario"],
        said["steps"],
        _uploads(said["files"]),
        started_at=said["started_at"],
        ended_at=said["ended_at"],
        by=actor,
        reason=said["reason"],
        stage_key=stage.key if stage else "",
        environment=said["environment"],
    )
    return Done(f"{drill} is logged; it is {drill.state}.", _page_of(drill))


def _uploads(files: list[Any]) -> list[Upload]:
    return [Upload(each.name, each.chunks()) for each in files]


def _attach(drill: Drill, actor: Actor, said: Said) -> str:
    made = hand_logs.attach(
        drill.pk, _uploads(said["files"]), by=actor, reason=said["reason"]
    )
    return f"{len(made)} artifacts are kept; they are being scanned."


def _pull(_: None, actor: Actor, said: Said) -> str:
    obstacles.pull(by=actor, reason=said["reason"])
    return "All drills stop; none begins until the lever is released."


def _release(_: None, actor: Actor, said: Said) -> str:
    obstacles.release(by=actor, reason=said["reason"])
    return "Drills may begin again."


def _stop(drill: Drill, actor: Actor, said: Said) -> str:
    drills.stop(drill.pk, by=actor, reason=said["reason"])
    return "It stops, and puts back what it has changed."


def _note(drill: Drill, actor: Actor, said: Said) -> str:
    item = said.get("item", "")
    drills.note(drill.pk, said["reason"], by=actor, reason="noted", item=item)
    return "It is written down."


def _observe(drill: Drill, actor: Actor, said: Said) -> str:
    drills.observe(drill.pk, said["reason"], by=actor, reason=said["reason"])
    return "You have confirmed it as its observer."


def _plan(_: None, actor: Actor, said: Said) -> str:
    schedule = schedules.plan(
        said["rollout"].key,
        said["scenario"],
        said["every_days"],
        by=actor,
        reason=said["reason"],
        starts_by_itself=said["starts_by_itself"],
    )
    return f"{schedule}; due on {schedule.next_at:%Y-%m-%d}."


def _cannot_observe(drill: Drill, actor: Actor) -> bool:
    conductor = drill.conductor.person_behind
    is_own = conductor is not None and conductor == actor.person_behind
    return drill.state != State.PASSED or drill.observer is not None or is_own


def _unless(holds: Callable[[Drill], bool]) -> Callable[[Drill, Actor], bool]:
    return lambda drill, actor: not holds(drill)


ACTS = (
    *(_start(plan) for plan in PLANS.values()),
    Act(
        name="log",
        title="Log a drill by hand",
        may=May.WORK_INCIDENT,
        perform=_log,
        form=LogForm,
        is_on_list=True,
        effects=lambda _: [
            "You are its conductor. The verdict follows from the steps.",
            "It counts only with captured artifacts, a clean scan, and an observer.",
        ],
    ),
    Act(
        name="pull_lever",
        title="Stop all drills",
        may=May.HOLD,
        perform=_pull,
        is_on_list=True,
        is_dangerous=True,
        effects=lambda _: [
            "The safety lever: every drill stops within seconds and puts back what it "
            "has changed; none begins until somebody releases the lever.",
            *(f"{each} stops." for each in drills.under_way()[:20]),
        ],
    ),
    Act(
        name="release_lever",
        title="Let drills begin again",
        may=May.CONDUCT_DRILL,
        perform=_release,
        is_on_list=True,
    ),
    Act(
        name="stop",
        title="Stop this drill",
        may=May.HOLD,
        perform=_stop,
        is_dangerous=True,
        hidden=_unless(lambda drill: drill.state in UNDER_WAY),
        effects=lambda drill: ["It ends within seconds, aborted; its twin is closed."],
    ),
    Act(
        name="observe",
        title="Confirm as its observer",
        may=May.OBSERVE_DRILL,
        perform=_observe,
        form=ObservationForm,
        hidden=_cannot_observe,
        effects=lambda drill: [
            "You say that it went as this page says; then it counts, for "
            f"{domain.VALID_FOR.days} days from its end.",
        ],
    ),
    Act(
        name="note",
        title="Add an observation",
        may=May.OBSERVE_DRILL,
        perform=_note,
        form=ObservationForm,
    ),
    Act(
        name="answer",
        title="Answer the checklist",
        may=May.OBSERVE_DRILL,
        perform=_note,
        form=ChecklistForm,
        effects=lambda drill: ["Answering again adds; the newest counts."],
    ),
    Act(
        name="practise_runbook",
        title="Practise a runbook",
        may=May.OBSERVE_DRILL,
        perform=_practise,
        form=FollowForm,
        hidden=_unless(lambda drill: not drill.observer),
        effects=lambda drill: ["Its steps are yours to tick off on their own page."],
    ),
    Act(
        name="attach",
        title="Add artifacts",
        may=May.WORK_INCIDENT,
        perform=_attach,
        form=AttachForm,
        hidden=_unless(lambda drill: drill.means == Means.HAND and not drill.observer),
    ),
)
SCHEDULE_ACTS = (
    Act(
        name="plan",
        title="Plan a drill",
        may=May.CONDUCT_DRILL,
        perform=_plan,
        form=ScheduleForm,
        is_on_list=True,
        effects=lambda _: ["It takes the place of the scenario's present plan."],
    ),
)
