"""Judging the evidence of a stage, and doing what the verdict says."""

import json
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction

from portal import clock
from portal.domain.canonical import canonical, digest
from portal.domain.roles import May
from portal.models import Actor
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import evaluations as domain
from rollout.domain.evaluations import Mode
from rollout.domain.judgements import Verdict
from rollout.domain.promotion import CURRENT, live_rule
from rollout.domain.stages import Act, StageState, after
from rollout.domain.verbs import Verb
from rollout.models import OPEN_STATES, Attempt, Evaluation, RolloutKind, Stage
from rollout.services import (
    endings,
    evidence,
    promotions,
    readiness,
    rollbacks,
    snapshots,
    stages,
    triggers,
)
from rollout.services.evidence import Gathered

EVERY = timedelta(seconds=30)  # a run that is open for too long ends without a report
NAME = "evaluations"
_HOLDS = (Verdict.HOLD, Verdict.INCONCLUSIVE)
_PROVEN = (Verdict.PROMOTE, Verdict.AWAIT_APPROVAL)


def sweep() -> None:
    """Have every open stage judged: time alone can settle a run that hangs."""
    heartbeats.beat(NAME)
    for stage_id in Stage.objects.filter(
        state__in=OPEN_STATES, rollout__kind=RolloutKind.LIVE
    ).values_list("pk", flat=True):
        endings.ask_to_judge(stage_id)


@transaction.atomic
def evaluate(stage_id: int, *, by: Actor, reason: str) -> Evaluation | None:
    """Judge a stage that is open, keep the judgement if it says something new, and act.

    Nothing is evaluated twice: the same prefix with the same verdict is no news. The
    verdict is carried out in the same transaction: roll back, hold, or find promotable.
    """
    stage = stages.locked(stage_id)
    require(by, May.HOLD, rollout=stage.rollout.key)
    attempt = stages.open_attempt(stage)
    if attempt is None or stage.state not in OPEN_STATES:
        return None
    gathered = evidence.gather(attempt, missing=readiness.lacking(stage))
    shadows = [rule for rule in CURRENT if rule != live_rule(gathered.criteria)]
    live, *others = domain.evaluate(
        stage.key, gathered.facts, gathered.criteria, shadows=_usable(shadows, gathered)
    )
    last = evidence.latest(attempt)
    if last is not None and not _is_news(last, live, gathered):
        if last.verdict in _PROVEN:  # what stood in its way may be gone by now
            _carry_out(stage, last, by=by)
        return last
    kept = _keep(attempt, live, gathered, by=by)
    for shadow in others:
        _keep(attempt, shadow, gathered, by=by)
    record(
        Verb.STAGE_EVALUATED,
        stage,
        by=by,
        reason=reason,
        attempt=attempt.number,
        verdict=kept.verdict,
        says=kept.sentence,
        digest=kept.digest,
        fingerprint=kept.fingerprint,
    )
    _carry_out(stage, kept, by=by)
    suspicion = triggers.suspicion_in(live)
    if suspicion.suspicion or suspicion.ratio_alarm:
        enqueue(triggers.CONSIDER_EVALUATION_JOB, evaluation_id=kept.pk)
    return kept


def loaded(evaluation: Evaluation) -> domain.Evaluation:
    """An evaluation as it was judged, with its facts."""
    return domain.Evaluation.from_json(json.loads(evaluation.body))


def recompute(evaluation: Evaluation) -> list[str]:
    """Where an evaluation comes out differently today; empty if nowhere.

    What was stored is checked against its digest, and its columns against its text.
    """
    if digest(evaluation.body.encode()) != evaluation.digest:
        return ["/digest"]
    again = loaded(evaluation)
    columns = {
        "/verdict": str(again.judgement.verdict) == evaluation.verdict,
        "/rule": again.judgement.rule == evaluation.rule,
        "/fingerprint": again.facts.fingerprint == evaluation.fingerprint,
        "/prefix": len(again.judgement.prefix) == evaluation.judged_runs,
    }
    untrue = [name for name, holds in columns.items() if not holds]
    return [*untrue, *again.differences()]


def recompute_all(stage: Stage | None = None) -> Iterator[tuple[Evaluation, list[str]]]:
    """Every evaluation with its differences, in constant memory."""
    found = Evaluation.objects.order_by("pk").select_related("attempt", "stage")
    if stage is not None:
        found = found.filter(stage=stage)
    for evaluation in found.iterator(chunk_size=50):
        yield evaluation, recompute(evaluation)


def backtest(stage: Stage, version: str) -> Iterator[tuple[Evaluation, str]]:
    """What another rule would have said of every past evaluation of a stage."""
    rule = domain.rule_of(version)
    past = stage.evaluations.filter(mode=Mode.LIVE).order_by("pk")
    for evaluation in past.iterator(chunk_size=50):
        tried = domain.tried(loaded(evaluation), rule)
        yield evaluation, str(tried.judgement.verdict)


def _usable(shadows: list, gathered: Gathered) -> list:
    """A rule of planned looks has nothing to say of a plan without any."""
    return [rule for rule in shadows if gathered.criteria.looks is not None]


def _is_news(last: Evaluation, live: domain.Evaluation, gathered: Gathered) -> bool:
    judgement = live.judgement
    return (
        last.verdict != str(judgement.verdict)
        or last.fingerprint != gathered.facts.fingerprint
        or last.sentence != judgement.sentence
        or loaded(last).judgement.to_json() != judgement.to_json()
    )


def _keep(
    attempt: Attempt, made: domain.Evaluation, gathered: Gathered, *, by: Actor
) -> Evaluation:
    body = canonical(made.to_json())
    last = attempt.evaluations.filter(mode=made.mode).order_by("-number").first()
    kept = Evaluation(
        stage=attempt.stage,
        attempt=attempt,
        number=last.number + 1 if last else 1,
        mode=made.mode,
        verdict=made.judgement.verdict,
        sentence=made.judgement.sentence,
        rule=made.judgement.rule,
        fingerprint=made.facts.fingerprint,
        judged_runs=len(made.judgement.prefix),
        ratio_upto=gathered.ratio_upto,
        body=body.decode(),
        digest=digest(body),
        evaluated_by=by,
        evaluated_at=clock.now(),
    )
    kept.save()
    return kept


def _carry_out(stage: Stage, kept: Evaluation, *, by: Actor) -> None:
    """Roll back before hold, hold before approval, approval before going on."""
    verdict, state = Verdict(kept.verdict), StageState(stage.state)
    if verdict == Verdict.ROLL_BACK:
        rollbacks.roll_back(
            stage.pk,
            by=by,
            reason=kept.sentence,
            trigger="statistics",
            evaluation=kept,
        )
    elif verdict in _HOLDS and state != StageState.HOLDING:
        _move(stage, Act.HOLD, Verb.STAGE_HELD, kept, by=by)
    elif verdict in _PROVEN:
        if state == StageState.RUNNING:
            _move(stage, Act.FIND_PROMOTABLE, Verb.STAGE_PROMOTABLE, kept, by=by)
        if verdict == Verdict.PROMOTE and promotions.is_due(stage):
            promotions.promote_by_plan(stage.pk, by=by, reason=kept.sentence)
    elif verdict == Verdict.COLLECT and state == StageState.PROMOTABLE:
        _move(stage, Act.FIND_WANTING, Verb.STAGE_FOUND_WANTING, kept, by=by)


def _move(stage: Stage, act: Act, verb: Verb, kept: Evaluation, *, by: Actor) -> None:
    stage.state = after(StageState(stage.state), act)
    stage.save_as(by, reason=kept.sentence)
    snapshot = snapshots.publish(stage.rollout, by=by, reason=kept.sentence)
    record(
        verb,
        stage,
        by=by,
        reason=kept.sentence,
        evaluation=kept.digest,
        snapshot=snapshot.digest,
    )
