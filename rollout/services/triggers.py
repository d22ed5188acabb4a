"""Triggers: considered when something went wrong, and carried out once.

Everything happens under the rollout's lock, which whoever holds, rolls back or switches
off takes first too. So of all that arises at once, one thing after the other is looked
at; a trigger fires at most once about a subject, and a second look finds nothing new.
"""

import json
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import Max

from portal import clock
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain import freezes as frozen
from rollout.domain import triggers as domain
from rollout.domain.eprocess import threshold
from rollout.domain.evaluations import Evaluation as Judged
from rollout.domain.freezes import Scope
from rollout.domain.stages import StageState
from rollout.domain.switch import SwitchState
from rollout.domain.triggers import Action, Facts, Firing, Outcome, TriggerKind
from rollout.domain.verbs import Verb
from rollout.models import (
    OPEN_STATES,
    Attempt,
    Evaluation,
    Rollout,
    RolloutKind,
    Run,
    Stage,
    Switch,
    Trigger,
    TriggerFiring,
)
from rollout.services import (
    configuration,
    facts,
    freezes,
    rollbacks,
    rollouts,
    stages,
    switch,
)
from rollout.services.consequences import announce_firing

CONSIDER_EVALUATION_JOB = "rollout.jobs.consider_triggers_of_evaluation"


@transaction.atomic
def consider_run(run_pk: int, *, by: Actor, reason: str) -> list[TriggerFiring]:
    """Have fire what fires about a run of an attempt that is open.

    The runs of a drill's twin have only the twin's own triggers fire.
    """
    found = Run.objects.select_related("attempt", "rollout").filter(pk=run_pk)
    run = found.first()
    if run is None or run.attempt is None or run.kind != run.rollout.kind_of_runs:
        return []
    stage = stages.locked(run.attempt.stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    run.refresh_from_db()
    attempt = stages.open_attempt(stage)
    if attempt is None or attempt.pk != run.attempt_id:
        return []
    kinds = {each.kind for each in live(stage.rollout)}
    known = facts.of_run(run, attempt, kinds=kinds)
    return _consider(stage, attempt, f"run {run.run_id}", known, by=by, run=run)


@transaction.atomic
def consider_evaluation(
    evaluation_id: int, *, by: Actor, reason: str
) -> list[TriggerFiring]:
    """Have fire what fires about an evaluation.

    The evaluation has rolled back or held already, by itself and whatever the triggers
    say; they tell of it, and can go further.
    """
    found = Evaluation.objects.select_related("attempt").get(pk=evaluation_id)
    stage = stages.locked(found.stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    if stage.rollout.kind != RolloutKind.LIVE:
        return []
    judged = Judged.from_json(json.loads(found.body))
    known = replace(suspicion_in(judged), now=clock.now())
    subject = f"evaluation {found.pk}"
    return _consider(stage, found.attempt, subject, known, by=by, evaluation=found)


@transaction.atomic
def consider_verification(
    rollout_key: str, verification: str, says: str, *, by: Actor, reason: str
) -> list[TriggerFiring]:
    """Have fire what fires when a verification failed; `verification` names it."""
    require(by, May.HOLD, rollout=rollout_key)
    rollout = rollouts.locked(rollouts.find(rollout_key).pk)
    stage = rollout.stages.filter(state__in=OPEN_STATES).first()
    if stage is None:
        return []
    stage = stages.locked(stage.pk)
    known = Facts(now=clock.now(), failed_verification=says)
    return _of_open(stage, f"verification {verification}", known, by=by)


@transaction.atomic
def consider_degradation(
    stage_id: int, subject: str, says: str, *, by: Actor, reason: str
) -> list[TriggerFiring]:
    """Have fire what fires when the watch over a stage has raised its alarm."""
    stage = stages.locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    known = Facts(now=clock.now(), degradation=says)
    return _of_open(stage, subject, known, by=by)


def suspicion_in(judged: Judged) -> Facts:
    """What an evaluation says against its stage."""
    alarm, ratio = judged.judgement.alarm, judged.facts.ratio
    is_against = alarm.suspicions and (
        alarm.log_max >= threshold(judged.criteria.alpha_rollback)
    )
    is_off = ratio is not None and ratio.is_alarm()
    share = "The share of units in the canary is not the one that its coverage says."
    return Facts(
        now=judged.facts.now,
        suspicion=judged.judgement.sentence if is_against else "",
        ratio_alarm=share if is_off else "",
    )


def live(rollout: Rollout, kind: TriggerKind | None = None) -> list[domain.Trigger]:
    """The triggers of a rollout that count now."""
    found = rollout.triggers.filter(is_live=True, **({"kind": kind} if kind else {}))
    return [_loaded(each) for each in found]


def _loaded(row: Trigger) -> domain.Trigger:
    return domain.Trigger.from_json(row.key, configuration.of_trigger(row))


def _open_attempt(stage: Stage) -> Attempt | None:
    """The attempt about which triggers may fire, if there is one."""
    is_live = stage.rollout.kind == RolloutKind.LIVE
    return stages.open_attempt(stage) if is_live else None


def _of_open(
    stage: Stage, subject: str, known: Facts, *, by: Actor
) -> list[TriggerFiring]:
    attempt = _open_attempt(stage)
    return _consider(stage, attempt, subject, known, by=by) if attempt else []


def _consider(
    stage: Stage,
    attempt: Attempt,
    subject: str,
    known: Facts,
    *,
    by: Actor,
    run: Run | None = None,
    evaluation: Evaluation | None = None,
) -> list[TriggerFiring]:
    """Let the triggers of a locked stage fire about a subject; the strongest acts."""
    rows = {row.key: row for row in stage.rollout.triggers.filter(is_live=True)}
    about = TriggerFiring.objects.filter(trigger__in=rows.values())
    rests = timedelta(seconds=max((row.cooldown_s for row in rows.values()), default=0))
    counted = about.filter(outcome__in=domain.COUNTED, at__gt=known.now - rests)
    last = counted.values_list("trigger__key").annotate(last=Max("at")).order_by()
    fires = domain.consider(
        map(_loaded, rows.values()),
        known,
        fired=dict(
            about.filter(subject=subject)
            .order_by("pk")
            .values_list("trigger__key", "outcome")
        ),
        last=dict(last),
    )
    found = []
    for each in fires:
        outcome = each.outcome
        if outcome is None:
            is_done = _act(stage, attempt, each, evaluation, by=by)
            outcome = Outcome.DONE if is_done else Outcome.ALREADY
            _freeze(stage.rollout, each, by=by)
        firing = TriggerFiring(
            trigger=rows[each.trigger.key],
            trigger_digest=each.trigger.digest,
            stage=stage,
            attempt=attempt,
            subject=subject,
            run=run,
            evaluation=evaluation,
            says=each.says,
            facts=known.to_json(),
            action=each.action,
            outcome=outcome,
            at=known.now,
        )
        firing.save()
        if outcome in domain.COUNTED:
            announce_firing(firing, by=by)
        record(
            Verb.TRIGGER_FIRED,
            firing,
            by=by,
            reason=each.says,
            trigger=each.trigger.key,
            digest=each.trigger.digest,
            stage=stage.key,
            attempt=attempt.number,
            subject=subject,
            action=each.action,
            outcome=outcome,
            facts=known.to_json(),
        )
        found.append(firing)
    return found


def _act(
    stage: Stage,
    attempt: Attempt,
    firing: Firing,
    evaluation: Evaluation | None,
    *,
    by: Actor,
) -> bool:
    """Do what a trigger does; whether there was anything left to do."""
    rollout, why = stage.rollout, firing.says
    if firing.action == Action.NOTIFY:
        return True
    if firing.action == Action.SWITCH_OFF:
        state = Switch.objects.get(rollout=rollout).state
        switch.engage(rollout.key, by=by, reason=why)
        return state != SwitchState.ENGAGED
    current = stages.open_attempt(stage)
    if current is None or current.pk != attempt.pk:
        return False
    if firing.action == Action.ROLL_BACK:
        key = firing.trigger.key
        return bool(
            rollbacks.roll_back(
                stage.pk, by=by, reason=why, trigger=key, evaluation=evaluation
            )
        )
    was_holding = stage.state == StageState.HOLDING
    stages.hold(stage.pk, by=by, reason=why, keeps_admitting=stage.is_admitting)
    return not was_holding


def _freeze(rollout: Rollout, firing: Firing, *, by: Actor) -> None:
    """What undid `NO_WEB` may be in the configuration: nothing is changed for a day.

    A rollback restores, and freezes expansion; the firing is the exception report.
    """
    if firing.trigger.kind != TriggerKind.WEB_EXPOSED or firing.action == Action.NOTIFY:
        return
    now = clock.now()
    until = now + frozen.AFTER_ROLLBACK
    freezes.begin(rollout, Scope.CHANGES, until, now=now, by=by, reason=firing.says)
