"""Boxes on the start page: are we safe, and where are we?"""

from typing import Any
from uuid import uuid4

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from portal import clock
from portal.dashboard import Panel, register
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May, roles_that
from portal.models import Actor, Approval
from portal.panels import MOST_NEEDS, NEEDS, SHOWN_BY_APPS, TROUBLES, Need
from portal.services.access import may
from portal.services.reading import read_once
from portal.sessions import actor_of
from portal.since import ROUTINE
from rollout.admin.change_acts import is_author, may_approve
from rollout.admin.evaluations import weakest_of
from rollout.admin.fallback import TAKEN
from rollout.admin.proposing import page_of
from rollout.admin.stages import next_step, progress_of
from rollout.domain import configuration as configurations
from rollout.domain.agents import AgentStanding
from rollout.domain.changes import PENDING, ChangeState
from rollout.domain.directives import DirectiveState, Proof
from rollout.domain.exposure import Risk
from rollout.domain.runs import RunStatus
from rollout.domain.stages import StagePlan, StageState
from rollout.domain.verbs import Verb
from rollout.models import (
    OPEN_STATES,
    Attempt,
    Change,
    Directive,
    FallbackOffer,
    Rollout,
    RolloutKind,
    Run,
    Stage,
    Switch,
)
from rollout.services import agents, changes, clients, configuration, readiness
from rollout.services.evidence import latest
from rollout.services.stages import open_attempt
from rollout.services.switch import RELEASE

SHOWN_RUNS = 6
SHOWN_AGENTS, MOST_AGENTS = 8, 200


def switches(request: HttpRequest) -> dict[str, Any]:
    """The emergency switch, large."""
    found = clients.with_clients(
        Switch.objects.select_related("rollout", "changed_by").filter(
            rollout__kind=RolloutKind.LIVE
        )
    )
    admitting = set(
        Stage.objects.filter(state__in=OPEN_STATES, is_admitting=True).values_list(
            "rollout_id", flat=True
        )
    )
    actor = actor_of(request)
    asked = {
        int(each.subject_id): each
        for each in Approval.objects.filter(
            act=RELEASE, state=ApprovalState.PENDING
        ).select_related("requester")
    }
    return {
        "switches": [
            {
                "switch": each,
                "is_on": each.rollout_id in admitting,
                "asked": asked.get(each.pk),
            }
            for each in found
        ],
        "confirms": " or ".join(roles_that(May.CONFIRM_EXPOSURE)),
        "troubles": [trouble for source in TROUBLES for trouble in source(request)],
        "may_engage": may(actor, May.ENGAGE_SWITCH),
        "may_request": may(actor, May.REQUEST_EXPOSURE),
    }


def stages(request: HttpRequest) -> dict[str, Any]:
    """The stages of each rollout as a line, and what the next step lacks."""
    found = Rollout.objects.filter(kind=RolloutKind.LIVE)
    rollouts = []
    for rollout in found.select_related("switch").prefetch_related("stages"):
        line: list[Stage] = list(rollout.stages.all())
        opened = next((s for s in line if s.state in OPEN_STATES), None)
        ready = next((s for s in line if s.state == StageState.READY), None)
        rollouts.append(
            {
                "rollout": rollout,
                "stages": line,
                "open": opened,
                "attempt": open_attempt(opened) if opened else None,
                "next": next_step(opened) if opened else None,
                "ready": ready,
            }
        )
    return {"rollouts": rollouts}


def runs(request: HttpRequest) -> dict[str, Any]:
    """Open runs by status, and the newest runs."""
    open_now = dict(
        Run.objects.filter(finished_at=None)
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    newest = Run.objects.order_by("-pk")[:SHOWN_RUNS]
    return {
        "counts": [
            (status, open_now.get(status, 0))
            for status in (RunStatus.CREATED, RunStatus.RUNNING, RunStatus.PAUSED)
        ],
        "newest": newest,
        "overdue": Directive.objects.filter(
            state=DirectiveState.ISSUED,
            due_at__lt=clock.now(),
            run__rollout__kind=RolloutKind.LIVE,
        ).select_related("run")[:SHOWN_RUNS],
        "contradicted": Directive.objects.filter(
            proof=Proof.CONTRADICTED,
            run__finished_at=None,
            run__rollout__kind=RolloutKind.LIVE,
        )
        .select_related("run")
        .order_by("-id")[:SHOWN_RUNS],
    }


def fallbacks(request: HttpRequest) -> dict[str, Any]:
    """Offers that nobody has taken yet, with one click each."""
    waiting = _waiting_offers()
    may_take = may(actor_of(request), May.TAKE_FALLBACK)
    return {
        "waiting": [
            {
                "run": offer.run,
                "gate_id": offer.gate_id,
                "reason": offer.reason,
                "offered_at": offer.offered_at,
                "button": _take_button(offer) if may_take else None,
            }
            for offer in waiting[:SHOWN_RUNS]
        ],
        "has_more": len(waiting) > SHOWN_RUNS,
    }


@read_once
def _waiting_offers() -> list[FallbackOffer]:
    """Those that wait longest, and one more if there are more than are shown: what
    comes later stands below, so that no button moves under a finger."""
    waiting = FallbackOffer.objects.filter(
        run__awaits_fallback=True, run__rollout__kind=RolloutKind.LIVE
    ).select_related("run")
    return list(waiting.order_by("run_id")[: SHOWN_RUNS + 1])


def _take_button(offer: FallbackOffer) -> dict[str, str]:
    return {
        "url": reverse("admin:rollout_run_take_fallback", args=[offer.run_id]),
        "title": "Take the fallback",
        "at_once": TAKEN,
        "once": uuid4().hex,
    }


def agents_heard(request: HttpRequest) -> dict[str, Any]:
    """The agents beside installations, those that are not well first."""
    found = [
        {"agent": agent, "standing": agents.standing_of(agent)}
        for agent in agents.known().order_by("seen_at")[:MOST_AGENTS]
    ]
    worst = list(AgentStanding)
    found.sort(key=lambda each: worst.index(each["standing"]))
    return {"agents": found[:SHOWN_AGENTS]}


def evidence(request: HttpRequest) -> dict[str, Any]:
    """Per gate, what the runs of the running attempt prove."""
    running = Attempt.objects.filter(
        ended_at=None,
        stage__state__in=OPEN_STATES,
        stage__rollout__kind=RolloutKind.LIVE,
    ).select_related("stage")
    return {"stages": [_evidence_of(attempt) for attempt in running]}


def _evidence_of(attempt: Attempt) -> dict[str, Any]:
    evaluation = latest(attempt)
    return {
        "stage": attempt.stage,
        "progress": progress_of(attempt, StagePlan.from_json(attempt.stage.plan)),
        "evaluation": evaluation,
        "charts": weakest_of(evaluation)
        if evaluation and evaluation.judged_runs
        else [],
    }


def requests_without_a_workflow(request: HttpRequest) -> list[Need]:
    """In one line, how many requests wait for the standard workflow."""
    waiting = len(_waiting_offers())
    if not waiting:
        return []
    many = f"more than {SHOWN_RUNS}" if waiting > SHOWN_RUNS else str(waiting)
    return [Need("#fallbacks", f"Fallbacks that wait to be taken: {many}", "")]


def failures_to_review(actor: Actor) -> list[Need]:
    """Hard gates that failed for good, which nobody has looked at yet."""
    if not may(actor, May.WORK_INCIDENT):
        return []
    opened = Stage.objects.filter(
        state__in=OPEN_STATES, rollout__kind=RolloutKind.LIVE
    ).select_related("rollout")
    checks = [(stage, readiness.failures_reviewed(stage)) for stage in opened]
    return [
        Need(check.link, f"Review failures · {stage.name}", check.says)
        for stage, check in checks
        if not check.is_met
    ]


def changes_of_others(actor: Actor) -> list[Need]:
    """Changes that this person could approve."""
    waiting = _pending_changes(state=ChangeState.OPEN, risk__gt=Risk.SAFER)
    candidates = [
        change
        for change in waiting
        if may_approve(change, actor) and not is_author(change, actor)
    ]
    moved = _moved(candidates)
    return [
        Need(
            url=page_of(change),
            title=f"Approve a change · {change.title}",
            says=f"{change.author} proposes: {change.reason}",
        )
        for change in candidates
        if change not in moved
    ]


def own_changes(actor: Actor) -> list[Need]:
    """This person's changes that can go on, or cannot without this person."""
    mine = list(_pending_changes(author_person=actor.person_behind))
    moved = _moved(mine)
    found = []
    for change in mine:
        if change.state == ChangeState.BLOCKED:
            says = "Your change is blocked", change.blocked_because
        elif change in moved:
            says = "Renew your change", "The configuration has changed since."
        elif change.state == ChangeState.APPROVED:
            says = "Apply your change", f"{change.approver} has approved it."
        elif change.state == ChangeState.OPEN and change.risk == Risk.SAFER:
            says = "Apply your change", "Nobody else is needed."
        else:
            continue
        title = f"{says[0]} · {change.title}"
        found.append(Need(url=page_of(change), title=title, says=says[1]))
    return found


def _pending_changes(**those: object) -> QuerySet[Change]:
    found = Change.objects.filter(
        expires_at__gt=clock.now(), **{"state__in": PENDING, **those}
    )
    return found.select_related("rollout", "author", "approver")[:MOST_NEEDS]


def _moved(candidates: list[Change]) -> list[Change]:
    """Those that rest on another configuration than that of now."""
    rollouts = {change.rollout_id: change.rollout for change in candidates}
    now = {
        pk: configurations.digest(configuration.read(rollout))
        for pk, rollout in rollouts.items()
    }
    return [c for c in candidates if c.base_digest != now[c.rollout_id]]


def stages_on_hold(request: HttpRequest) -> list[Need]:
    """Stages that stand still until two people agree to go on."""
    held = Stage.objects.filter(
        state=StageState.HOLDING, rollout__kind=RolloutKind.LIVE
    )
    return [
        Need(
            reverse("admin:rollout_stage_change", args=[each.pk]),
            f"{each.name} is on hold",
            "",
        )
        for each in held
    ]


NEEDS += [changes_of_others, own_changes, failures_to_review]
TROUBLES += [stages_on_hold, requests_without_a_workflow]
SHOWN_BY_APPS.update({changes.APPROVE, changes.APPROVE_LOW_RISK})
ROUTINE.update(
    {
        Verb.RUN_DECIDED,
        Verb.MANIFEST_RECEIVED,
        Verb.GATES_RECEIVED,
        Verb.EVENTS_RECEIVED,
        Verb.ARTIFACT_STORED,
        Verb.ARTIFACT_SCANNED,
        Verb.RUN_ADVANCED,
        Verb.STAGE_EVALUATED,
    }
)
register(Panel(10, "rollout/panels/switches.html", switches))
register(Panel(20, "rollout/panels/stages.html", stages, width="wide"))
register(Panel(30, "rollout/panels/runs.html", runs))
register(Panel(32, "rollout/panels/fallbacks.html", fallbacks))
register(Panel(33, "rollout/panels/agents.html", agents_heard))
register(Panel(35, "rollout/panels/evidence.html", evidence, width="wide"))
