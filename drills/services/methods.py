"""The methods of the scenarios: steps by their names, through the acts people use too.

Each looks at what came of it in the tables, and at what callers are told over HTTP.
"""

from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings

from drills.domain.incidents import Kind
from drills.domain.scenarios import SUMMARY, Step
from drills.models import Incident
from drills.services.rehearsals import Method, Rehearsal, Seen
from portal import clock
from rollout.domain.directives import DirectiveKind, DirectiveState
from rollout.domain.fallback import SUMMARY_PATH
from rollout.domain.runs import FINAL, RunStage, RunStatus
from rollout.domain.triggers import TriggerKind
from rollout.domain.watchdog import CAUSE, CHECKPOINT_JSON, CHECKPOINT_TEXT
from rollout.models import (
    Advance,
    Directive,
    FallbackOffer,
    Reconciliation,
    Routing,
    RunTimeout,
    Switch,
    TriggerFiring,
)
from rollout.services import directives, fallback, rollbacks, switch, vault

HTTP_TIMEOUT_S = 10.0
ANSWERS_AGAIN_S = 10.0
WATCHDOG_SLACK = timedelta(seconds=15)
SHOWN = 5


# Pause and resume


def _ask(r: Rehearsal, kind: DirectiveKind) -> Directive:
    found: Directive = r.act(directives.issue, r.twin.key, r.drill.run_id, kind)
    return found


def _is_acknowledged(directive: Directive) -> bool:
    directive.refresh_from_db()
    return directive.state == DirectiveState.ACKNOWLEDGED


def pause(r: Rehearsal, step: Step) -> Seen:
    asked = _ask(r, DirectiveKind.PAUSE)
    r.wait_for(
        lambda: _is_acknowledged(asked) and r.run.status == RunStatus.PAUSED,
        step.target_s,
    )
    run = r.run
    took = (asked.ended_at or clock.now()) - asked.issued_at
    r.known["time_left"] = run.time_left
    is_well = asked.state == DirectiveState.ACKNOWLEDGED and run.time_left is not None
    return Seen(
        is_well and run.status == RunStatus.PAUSED,
        f"The directive is {asked.state} after {took.total_seconds():.1f} s; the run "
        f"is {run.status} in {run.stage}, its timer has {_seconds(run.time_left)} "
        "left.",
        {"directive": str(asked.pk), "acknowledged_s": took.total_seconds()},
    )


def kill(r: Rehearsal, step: Step) -> Seen:
    code = r.process.kill()
    run = r.run
    return Seen(
        not r.process.is_running and run.status == RunStatus.PAUSED,
        f"The process has ended (signal {-code if code else 'none'}); the run is "
        f"{run.status}.",
        {"exit": code},
    )


def restart(r: Rehearsal, step: Step) -> Seen:
    left = r.run.time_left
    asked = _ask(r, DirectiveKind.RESUME)
    pid = r.process.start()

    def has_resumed() -> bool:
        is_going = r.run.status in (RunStatus.RUNNING, RunStatus.COMPLETED)
        return _is_acknowledged(asked) and is_going

    r.wait_for(has_resumed, step.target_s)
    run = r.run
    is_kept = left is not None and left == r.known["time_left"]
    took = (asked.ended_at or clock.now()) - asked.issued_at
    return Seen(
        has_resumed() and is_kept,
        f"Process {pid}: the directive is {asked.state} after "
        f"{took.total_seconds():.1f} s, the run is {run.status}. Its timer had "
        f"{_seconds(r.known['time_left'])} left when it was paused, and "
        f"{_seconds(left)} when it went on.",
        {"process": pid, "resumed_s": took.total_seconds()},
    )


def complete(r: Rehearsal, step: Step) -> Seen:
    r.wait_for(lambda: r.run.status in FINAL, step.target_s)
    run = r.run
    return Seen(
        run.status == RunStatus.COMPLETED,
        f"The run is {run.status}{f' ({run.cause})' if run.cause else ''}, with "
        f"{run.manifest_revision} revisions and {run.artifacts.count()} artifacts.",
        {"status": run.status, "manifest_revision": run.manifest_revision},
    )


# Emergency disable


def engage_switch(r: Rehearsal, step: Step) -> Seen:
    before = Switch.objects.get(rollout=r.twin).epoch
    r.known["stage"] = r.run.stage
    engaged: Switch = r.act(switch.engage, r.twin.key)
    return Seen(
        engaged.is_engaged and engaged.epoch > before,
        f"The switch is {engaged.state}; epoch {before} → {engaged.epoch}.",
        {"epoch": engaged.epoch, "engaged_at": engaged.changed_at.isoformat()},
    )


def decide_again(r: Rehearsal, step: Step) -> Seen:
    run_id = f"{r.drill.run_id}-new"
    asked = dict(r.run.decision.context["asked"])
    asked = {**asked, "run_id": run_id, "targetingKey": run_id}
    answer = _post(r, "/api/v1/decisions", asked, key=f"decide-{run_id}")
    said = (answer.get("workflow"), answer.get("reason"))
    return Seen(
        said == ("standard", "KILL_SWITCH"),
        f"A new run was told {said[0] or answer}, because of {said[1]}.",
        {"answer": {"workflow": said[0], "reason": said[1]}},
    )


def _post(r: Rehearsal, path: str, said: dict[str, Any], *, key: str) -> dict[str, Any]:
    """What a service is answered, as it is answered from outside."""
    answer = httpx.post(
        f"{settings.INTERNAL_URL}{path}",
        json=said,
        headers={
            "Authorization": f"Bearer {r.process.token}",
            "Idempotency-Key": key,
        },
        timeout=HTTP_TIMEOUT_S,
    )
    found = answer.json()
    return found if isinstance(found, dict) else {}


def refuse_advance(r: Rehearsal, step: Step) -> Seen:
    engaged_at = Switch.objects.get(rollout=r.twin).changed_at

    def refused() -> Advance | None:
        asked = Advance.objects.filter(run=r.run, asked_at__gt=engaged_at)
        return asked.filter(code="DISABLED").order_by("pk").first()

    found = r.wait_for(refused, step.target_s)
    if not found:
        return Seen(False, "The run has not asked, or was not refused.")
    # It asks again and again; whoever ignores the answer reports another stage soon.
    deadline = clock.now() + timedelta(seconds=ANSWERS_AGAIN_S)

    def has_gone_on() -> bool:
        return r.run.stage != found.from_stage or r.run.status in FINAL

    r.wait_for(lambda: has_gone_on() or clock.now() > deadline, ANSWERS_AGAIN_S)
    run = r.run
    allowed = Advance.objects.filter(
        run=run, asked_at__gt=engaged_at, is_allowed=True
    ).count()
    if has_gone_on():
        return Seen(
            False,
            f"It was refused {found.to_stage} ({found.code}) and went on all the same: "
            f"the run is {run.status} in {run.stage}. The switch was ignored.",
        )
    return Seen(
        not allowed,
        f"It was refused {found.to_stage} ({found.code}), and stays in {run.stage}.",
        {"refused": found.to_stage, "stage": run.stage},
    )


def roll_back(r: Rehearsal, step: Step) -> Seen:
    stage = r.run.attempt.stage
    rollback = r.act(rollbacks.roll_back, stage.pk)
    if rollback is None:
        return Seen(False, "The stage was not open any more.")

    def report() -> Reconciliation | None:
        return Reconciliation.objects.filter(rollback=rollback).first()

    found = r.wait_for(
        lambda: report() if r.run.status in FINAL else None, step.target_s
    )
    stage.refresh_from_db()
    run = r.run
    if not found:
        return Seen(
            False, f"There is no reconciliation; the run is {run.status} ({run.cause})."
        )
    return Seen(
        found.is_clean and run.status == RunStatus.CANCELLED,
        f"Stage {stage.key} is {stage.state.replace('_', ' ')}; the run is "
        f"{run.status} ({run.cause}); {len(found.missing)} things are missing.",
        {"counts": found.counts, "missing": found.missing[:SHOWN]},
    )


# Fallback


def fail_gate(r: Rehearsal, step: Step) -> Seen:
    r.wait_for(lambda: r.run.status in FINAL, step.target_s)
    run = r.run
    offers = list(FallbackOffer.objects.filter(run=run))
    gate = run.gates.get("B") or {}
    return Seen(
        run.status == RunStatus.FAILED and [o.gate_id for o in offers] == ["B"],
        f"Gate B is {gate.get('status', 'not run')}; the run is {run.status}, with "
        f"{len(offers)} offer{'s' if len(offers) != 1 else ''}.",
        {"gate": gate, "offers": [each.gate_id for each in offers]},
    )


def check_summary(r: Rehearsal, step: Step) -> Seen:
    r.act(fallback.offer_fallback, r.twin.key, r.drill.run_id)
    offers = list(FallbackOffer.objects.filter(run=r.run).select_related("summary"))
    written = r.run.artifacts.filter(path=SUMMARY_PATH)
    found = b"".join(vault.read(offers[0].summary.digest))
    is_same = found == SUMMARY
    return Seen(
        is_same and len(offers) == 1 and written.count() == 1,
        f"The summary has {len(found)} bytes and is "
        f"{'exactly what it has to be' if is_same else 'something else'}; offered "
        f"again, there is {len(offers)} offer with {written.count()} summary.",
        {"digest": offers[0].summary.digest},
    )


def take_offer(r: Rehearsal, step: Step) -> Seen:
    run_id = r.drill.run_id
    _post(
        r,
        f"/api/v1/runs/{run_id}/fallback-offer/take",
        {"reason": r.reason, "standard_run_id": f"{run_id}-standard"},
        key=f"take-{run_id}",
    )
    routing = Routing.objects.filter(offer__run=r.run).first()
    if routing is None:
        return Seen(False, "The offer was not taken.")
    return Seen(
        routing.workflow == r.twin.fallback_workflow and not r.run.awaits_fallback,
        f"The request is with the workflow {routing.workflow}, as run "
        f"{routing.standard_run_id}.",
        {"workflow": routing.workflow, "standard_run_id": routing.standard_run_id},
    )


# Timeout


def hang(r: Rehearsal, step: Step) -> Seen:
    def is_silent() -> bool:
        return not r.process.is_running or r.run.status in FINAL

    r.wait_for(is_silent, step.target_s)
    run = r.run
    r.known["times_out_at"] = run.times_out_at
    return Seen(
        is_silent() and run.status == RunStatus.RUNNING and run.stage == RunStage.WAVE1,
        f"The process is silent; the run is {run.status} in {run.stage}, and would "
        f"time out at {run.times_out_at:%H:%M:%S} UTC."
        if run.times_out_at
        else f"The run is {run.status} in {run.stage} ({run.cause}).",
        {"stage": run.stage},
    )


def time_out(r: Rehearsal, step: Step) -> Seen:
    r.wait_for(lambda: r.run.status in FINAL, step.target_s)
    run = r.run
    ended = RunTimeout.objects.filter(run=run).first()
    if ended is None:
        return Seen(False, f"The watchdog has not ended it: the run is {run.status}.")
    due = r.known["times_out_at"]
    late = ended.at - due
    return Seen(
        run.cause == CAUSE and timedelta(0) <= late <= WATCHDOG_SLACK,
        f"The run is {run.status} ({run.cause}); its limit of {ended.timeout_s} s was "
        f"over, and {late.total_seconds():.1f} s later the watchdog ended it.",
        {"timeout_s": ended.timeout_s, "late_s": late.total_seconds()},
    )


def check_checkpoint(r: Rehearsal, step: Step) -> Seen:
    run = r.run
    found = {
        path: run.artifacts.filter(path=path).order_by("-version").first()
        for path in (CHECKPOINT_TEXT, CHECKPOINT_JSON)
    }
    missing = [path for path, artifact in found.items() if artifact is None]
    if missing:
        return Seen(False, f"Missing: {', '.join(missing)}.")
    kept = found[CHECKPOINT_JSON]
    stage = vault.read_object(kept.digest, kept.size).get("stage")
    return Seen(
        stage == RunStage.WAVE1,
        f"Both are there, and name the stage {stage}.",
        {path: artifact.digest for path, artifact in found.items()},
    )


def find_incident(r: Rehearsal, step: Step) -> Seen:
    def found() -> tuple[list[Incident], list[TriggerFiring]] | None:
        fired = list(
            TriggerFiring.objects.filter(
                run=r.run, trigger__kind=TriggerKind.RUN_HUNG
            ).select_related("trigger")
        )
        opened = list(Incident.objects.filter(rollout=r.twin))
        return (opened, fired) if opened and fired else None

    both = r.wait_for(found, step.target_s)
    if not both:
        count = Incident.objects.filter(rollout=r.twin).count()
        return Seen(False, f"{count} incidents; the trigger for hangs has not fired.")
    opened, fired = both
    return Seen(
        len(opened) == 1 and opened[0].kind == Kind.DRILL,
        f"{len(opened)} incident: {opened[0]} ({opened[0].kind}). Trigger "
        f"{fired[0].trigger.key}: {fired[0].action.replace('_', ' ')}, "
        f"{fired[0].outcome}.",
        {"incidents": [each.pk for each in opened], "firing": fired[0].pk},
    )


def _seconds(time: timedelta | None) -> str:
    return "no time" if time is None else f"{time.total_seconds():.1f} s"


STEPS: dict[str, Method] = {
    each.__name__: each
    for each in (
        pause,
        kill,
        restart,
        complete,
        engage_switch,
        decide_again,
        refuse_advance,
        roll_back,
        fail_gate,
        check_summary,
        take_offer,
        hang,
        time_out,
        check_checkpoint,
        find_incident,
    )
}
