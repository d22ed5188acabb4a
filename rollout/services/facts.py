"""What is known about a run that triggers look at, read from the tables.

Every look costs a bounded number of rows, whatever the rollout's history.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from portal import clock
from rollout.domain import symptoms, triggers
from rollout.domain.gates import GateStatus, parseable_rate
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.stages import OnHardGateFailure, StagePlan
from rollout.domain.symptoms import SymptomKind
from rollout.domain.triggers import Facts, TriggerKind
from rollout.domain.watchdog import CAUSE as TIMED_OUT
from rollout.models import (
    Attempt,
    DocumentKind,
    Run,
    RunDocument,
    Standing,
    Symptom,
)
from rollout.services import documents, runs

MOST_RUNS = 300  # of an attempt, the newest ones
MOST_IN_A_ROW = 50
# An attempt has live runs, and that of a drill's twin has drill runs: never both.
COUNTED = (RunKind.LIVE, RunKind.DRILL)


def of_run(run: Run, attempt: Attempt, *, kinds: Collection[TriggerKind]) -> Facts:
    """The facts about a run that these kinds of trigger look at."""
    plan = StagePlan.from_json(attempt.stage.plan)
    citations = (
        _citations(attempt) if TriggerKind.CITATIONS_FAILING in kinds else (0, 0)
    )
    return Facts(
        now=clock.now(),
        failed_gates=tuple(g for g in sorted(run.gates) if _has_failed(run.gates[g])),
        rolls_back_on_hard_failure=(
            plan.on_hard_gate_failure == OnHardGateFailure.ROLL_BACK
        ),
        citations_passed=citations[0],
        citations_failed=citations[1],
        parseable_rate=_parseable_rate(run),
        hung_in=(run.stage or "init") if run.cause == TIMED_OUT else "",
        provider_failures=_in_a_row(run, attempt),
        blocked_sources=_newest(run, SymptomKind.SOURCES_BLOCKED, "count") or 0,
        web_exposure=_newest(run, SymptomKind.WEB_EXPOSED, "says") or "",
        conflicts=_conflicts(run, attempt),
    )


def _has_failed(gate: dict) -> bool:
    return gate["status"] == GateStatus.FAIL and bool(gate["confirmed_by"])


def _citations(attempt: Attempt) -> tuple[int, int]:
    """How many of the newest runs passed gate C, and failed it for good.

    Without the web it passes by construction, and says nothing.
    """
    gates = (
        attempt.runs.filter(kind__in=COUNTED, no_web=False)
        .order_by("-start_order")
        .values_list("gates__C", flat=True)[:MOST_RUNS]
    )
    said = [gate for gate in gates if gate]
    passed = sum(gate["status"] == GateStatus.PASS for gate in said)
    return passed, sum(map(_has_failed, said))


def _parseable_rate(run: Run) -> float | None:
    """The rate that gate B rests on, once no retry can mend it."""
    gate = run.gates.get("B")
    if not gate or not (gate["status"] == GateStatus.DRIFT or _has_failed(gate)):
        return None
    document = runs.document_of(run, DocumentKind.GATES)
    return parseable_rate(document.content["gates"]["B"]["metrics"])


def _in_a_row(run: Run, attempt: Attempt) -> int:
    """Provider failures up to this run, since the provider last did what it should."""
    newest = list(
        attempt.runs.filter(kind__in=COUNTED, start_order__lte=run.start_order)
        .order_by("-start_order")
        .values_list("pk", "status", "finished_at")[:MOST_IN_A_ROW]
    )
    halts, failures = defaultdict(list), defaultdict(int)
    told = Symptom.objects.filter(
        kind=SymptomKind.PROVIDER_FAILED, run__in=[pk for pk, *_ in newest]
    )
    for pk, source, place in told.values_list("run_id", "source", "place"):
        if symptoms.is_told_by(source):
            halts[pk].append(place)
        else:
            failures[pk] += 1
    return triggers.in_a_row(
        (
            finished_at is not None,
            # A run that has come to its end recovered; a halt and the failure that it
            # led to are the same one.
            0
            if status == RunStatus.COMPLETED
            else max(failures[pk], symptoms.in_a_row(halts[pk])),
        )
        for pk, status, finished_at in newest
    )


def _newest(run: Run, kind: SymptomKind, field: str):
    found = run.symptoms.filter(kind=kind).order_by("-pk")
    return found.values_list(field, flat=True).first()


def _conflicts(run: Run, attempt: Attempt) -> tuple[datetime, ...]:
    """When documents of this attempt were in conflict, if this run's were."""
    kept = {"standing": Standing.KEPT, "note": documents.CONFLICTING}
    if not run.documents.filter(**kept).exists():
        return ()
    found = RunDocument.objects.filter(run__attempt=attempt, **kept).order_by("-pk")
    return tuple(found.values_list("received_at", flat=True)[:MOST_RUNS])
