"""What a stage's runs say: the facts that are judged, read from the tables."""

import json
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from portal import clock
from portal.errors import Conflict
from portal.services.reading import read_once
from rollout.domain import snapshots as compiled
from rollout.domain.bucketing import BUCKETS
from rollout.domain.canary import Facts
from rollout.domain.criteria import Criteria
from rollout.domain.decisions import Reason
from rollout.domain.evaluations import Mode
from rollout.domain.evidence import RunFacts, outcomes_of
from rollout.domain.gates import Gate, GateStatus
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.sample_ratio import SampleRatio
from rollout.domain.schemas import GATE_LETTERS
from rollout.domain.stages import StagePlan
from rollout.models import Attempt, Decision, Evaluation, FailureReview, Run
from rollout.services import snapshots

UNKNOWN = "unknown"
NO_CLASS = "no query class"  # as a sentence names it
# Decisions younger than this may still have older ones behind them, uncommitted.
SETTLING = timedelta(seconds=5)
MOST_UNREVIEWED = 100  # of one look; whoever reviews them sees the next ones
MOST_DECISIONS = 50_000  # of one look at the sample ratio; the next one goes on

_FIELDS = (
    *("run_id", "attempt__number", "start_order", "fingerprint", "status", "gates"),
    *("created_at", "finished_at", "no_web", "cause", "kind"),
    "decision__context__asked__query_class",
)


class Gathered(NamedTuple):
    """The criteria and facts of an attempt, and up to where the ratio was counted."""

    criteria: Criteria
    facts: Facts
    ratio_upto: UUID | None


def gather(attempt: Attempt, *, missing: list[str]) -> Gathered:
    """Everything that an attempt is judged by, now.

    Costs at most `max_runs` of this attempt and as many of earlier ones with the same
    fingerprint, never what lies behind. What comes after `max_runs` promotes nobody
    any more; it is watched for late degradation (`rollout/services/watch.py`).
    """
    plan = StagePlan.from_json(attempt.stage.plan)
    fingerprint, unversioned = fingerprints(attempt)
    rows = [
        *_earlier(attempt, (fingerprint, unversioned), plan.max_runs),
        *attempt.runs.order_by("start_order").values_list(*_FIELDS)[: plan.max_runs],
    ]
    ratio, upto = _ratio(attempt)
    facts = Facts(
        runs=[_run(row, fingerprint, unversioned) for row in rows],
        now=clock.now(),
        fingerprint=fingerprint,
        attempt=attempt.number,
        ratio=ratio,
        missing=missing,
    )
    return Gathered(Criteria.of(plan), facts, upto)


def later(attempt: Attempt, *, after: int, most: int) -> list[RunFacts]:
    """The live runs of an attempt that started after its run of that number."""
    fingerprint, unversioned = fingerprints(attempt)
    found = attempt.runs.filter(kind=RunKind.LIVE, start_order__gt=after)
    rows = found.order_by("start_order").values_list(*_FIELDS)[:most]
    return [_run(row, fingerprint, unversioned) for row in rows]


@read_once
def fingerprints(attempt: Attempt) -> tuple[str, str]:
    """The fingerprint of what runs now, and that of runs whose version is not known.

    The version of the research system is the one that was reported last, by whichever
    admitted run. A run that hangs before it reports has none; it is a run of the
    configuration all the same, or hanging would hide it.
    """
    rollout_id = attempt.stage.rollout_id
    content = snapshots.loaded(snapshots.active(rollout_id)).content
    told = Run.objects.filter(rollout_id=rollout_id, attempt__isnull=False)
    newest = told.exclude(system_version=UNKNOWN).order_by("-pk")
    version = newest.values_list("system_version", flat=True).first() or UNKNOWN
    key = attempt.stage.key
    return (
        compiled.fingerprint(content, stage_key=key, system_version=version),
        compiled.fingerprint(content, stage_key=key, system_version=UNKNOWN),
    )


@read_once
def latest(attempt: Attempt) -> Evaluation | None:
    """What was said last of an attempt."""
    return attempt.evaluations.filter(mode=Mode.LIVE).order_by("-number").first()


def is_ratio_off(evaluation: Evaluation) -> bool:
    """Whether too many or too few units were in the canary for its coverage."""
    ratio, _ = _known_ratio(evaluation)
    return ratio is not None and ratio.is_alarm()


def check_own(evaluation: Evaluation, attempt: Attempt) -> None:
    """Refuse an evaluation of another configuration than the one that runs."""
    current, _ = fingerprints(attempt)
    if evaluation.attempt_id != attempt.pk or evaluation.fingerprint != current:
        raise Conflict(
            "This evaluation is of another configuration "
            f"({evaluation.fingerprint[:19]}…) than the one that runs "
            f"({current[:19]}…); its evidence does not count here.",
            code="FOREIGN_FINGERPRINT",
            evaluated=evaluation.fingerprint,
            current=current,
        )


@read_once
def unreviewed(attempt: Attempt) -> list[tuple[Run, str]]:
    """Hard gates of this attempt that failed for good and nobody has looked at.

    The first ones, `MOST_UNREVIEWED` at most: a stage that fails and fails must not
    cost more with every run.
    """
    is_open = Q()
    for letter in GATE_LETTERS:
        seen = FailureReview.objects.filter(run=OuterRef("pk"), gate=letter)
        is_open |= _has_failed(letter) & ~Exists(seen)
    runs = attempt.runs.filter(is_open, kind=RunKind.LIVE).order_by("start_order")
    found = list(runs.only("run_id", "gates", "attempt")[:MOST_UNREVIEWED])
    reviews = FailureReview.objects.filter(run__in=[run.pk for run in found])
    seen = set(reviews.values_list("run_id", "gate"))
    return [
        (run, letter)
        for run in found
        for letter, gate in sorted(run.gates.items())
        if gate["status"] == GateStatus.FAIL
        and gate["confirmed_by"]
        and (run.pk, letter) not in seen
    ][:MOST_UNREVIEWED]


@read_once
def is_reviewed(attempt: Attempt) -> bool:
    """Whether somebody has looked at a failure of this attempt."""
    return FailureReview.objects.filter(run__attempt=attempt).exists()


def _has_failed(letter: str) -> Q:
    """The gate of that letter has failed for good."""
    failed = Q(**{f"gates__{letter}__status": str(GateStatus.FAIL)})
    return failed & ~Q(**{f"gates__{letter}__confirmed_by": ""})


def _earlier(attempt: Attempt, fingerprints: tuple[str, str], most: int) -> list[tuple]:
    """Runs of earlier attempts at this stage with the same configuration, in order.

    Those that hung before they told their version are among them: were they left out,
    starting again would keep what passed and forget what hung. One read for each
    fingerprint, in the order of the index, so that a million of them cost what `most`
    do.
    """
    rows = [
        row
        for fingerprint in {*fingerprints}
        for row in Run.objects.filter(
            fingerprint=fingerprint, attempt_id__lt=attempt.pk
        )
        .order_by("attempt_id", "start_order")
        .values_list("attempt_id", "start_order", "attempt__stage_id", *_FIELDS)[:most]
    ]
    rows.sort(key=lambda row: row[:2])
    return [row[3:] for row in rows[:most] if row[2] == attempt.stage_id]


def _run(row: tuple, fingerprint: str, unversioned: str) -> RunFacts:
    (run_id, attempt, order, own, status, gates, opened, ended, *rest) = row
    no_web, cause, kind, query_class = rest
    status = RunStatus(status)
    judged = {
        letter: Gate(
            GateStatus(raw["status"]),
            raw["reported"],
            raw["retries"],
            tuple(raw["drift"]),
            raw["confirmed_by"],
        )
        for letter, raw in gates.items()
    }
    return RunFacts(
        run_id=run_id,
        attempt=attempt,
        start_order=order,
        fingerprint=fingerprint if own == unversioned else own,
        query_class=query_class or NO_CLASS,
        status=status,
        opened_at=opened,
        finished_at=ended,
        gates=outcomes_of(judged, is_final=ended is not None),
        no_web=no_web,
        cause=cause,
        kind=RunKind(kind),
    )


def _ratio(attempt: Attempt) -> tuple[SampleRatio | None, UUID | None]:
    """The sample ratio, gone on with from the last evaluation of this attempt."""
    last = latest(attempt)
    known, upto = _known_ratio(last)
    fresh = Decision.objects.filter(
        attempt=attempt,
        is_first_seen=True,
        reason__in=[Reason.ADMITTED, Reason.OUT_OF_COVERAGE],
        decided_at__lt=clock.now() - SETTLING,
    ).order_by("id")
    if upto is not None:
        fresh = fresh.filter(id__gt=upto)
    seen = list(fresh.values_list("id", flat=True)[:MOST_DECISIONS])
    if not seen:
        return known, upto
    ratio = known or SampleRatio()
    by_snapshot = (
        fresh.filter(id__lte=seen[-1])
        .order_by("snapshot__revision")
        .values_list("snapshot__revision", "snapshot__body")
        .annotate(inside=Count("pk", filter=Q(reason=Reason.ADMITTED)), all=Count("pk"))
    )
    for _, body, inside, everybody in by_snapshot:
        share = _share(json.loads(body), attempt.stage.key)
        ratio = ratio.after(share / BUCKETS, inside=inside, outside=everybody - inside)
    return ratio, seen[-1]


def _known_ratio(last: Evaluation | None) -> tuple[SampleRatio | None, UUID | None]:
    if last is None or last.ratio_upto is None:
        return None, None
    facts = json.loads(last.body)["facts"]["ratio"]
    if facts is None:
        return None, None
    numbers = {name: float(facts[name]) for name in ("log_before", "log_e", "log_max")}
    return SampleRatio(**{**facts, **numbers}), last.ratio_upto


def _share(content: dict[str, Any], key: str) -> int:
    return next(stage["share"] for stage in content["stages"] if stage["key"] == key)
