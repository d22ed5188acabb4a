from datetime import timedelta

import pytest

from rollout.domain.evidence import (
    LATENCY,
    Outcome,
    Restarts,
    RunFacts,
    alpha_of_try,
    in_start_order,
    ledger,
    outcome,
    outcomes_of,
    settled_outcome,
    settled_prefix,
)
from rollout.domain.gates import Gate, GateStatus
from rollout.domain.runs import RunKind, RunStatus
from tests.rollout.evidence import (
    BEGAN,
    FINGERPRINT,
    MINUTE,
    NOW,
    a_row,
    a_run,
    an_open_run,
)

TWO_HOURS = timedelta(hours=2)


def ids(runs: list[RunFacts]) -> list[str]:
    return [run.run_id for run in runs]


@pytest.mark.parametrize(
    ("gate", "is_final", "expected"),
    [
        (Gate(GateStatus.PASS, "pass"), True, Outcome.PASS),
        (Gate(GateStatus.PASS, "pass"), False, Outcome.PASS),
        (Gate(GateStatus.FAIL, "fail"), True, Outcome.FAIL),
        (Gate(GateStatus.FAIL, "fail"), False, None),
        (Gate(GateStatus.FAIL, "fail", confirmed_by="spent"), False, Outcome.FAIL),
        (Gate(GateStatus.DRIFT, "pass", drift=("a",)), True, None),
        (Gate(GateStatus.NOT_RUN, ""), True, None),
    ],
)
def test_a_gate_says_its_confirmed_or_last_value(gate, is_final, expected):
    assert outcomes_of({"B": gate}, is_final=is_final).get("B") == expected


def test_runs_are_counted_as_they_started_whatever_ended_first():
    runs = a_row("PPPP")
    slow = an_open_run(3)

    prefix = settled_prefix(
        [runs[0], runs[1], slow, runs[3]], now=BEGAN + 10 * MINUTE, max_open=TWO_HOURS
    )

    assert ids(prefix) == ["run-1", "run-2"]


def test_a_run_that_is_open_for_too_long_does_not_hold_up_the_others():
    slow = an_open_run(1, "P")
    later = BEGAN + TWO_HOURS + 2 * MINUTE

    prefix = settled_prefix([slow, a_run(2)], now=later, max_open=TWO_HOURS)

    assert ids(prefix) == ["run-1", "run-2"]
    said = settled_outcome(
        slow, "A", now=later, max_open=TWO_HOURS, latency_budget=None
    )
    assert said == Outcome.UNKNOWN


def test_a_run_that_took_too_long_never_passes_also_when_it_has_ended():
    late = a_run(finished_at=BEGAN + 2 * TWO_HOURS)

    for metric, budget in (("A", None), (LATENCY, 10 * TWO_HOURS)):
        said = settled_outcome(
            late, metric, now=NOW, max_open=TWO_HOURS, latency_budget=budget
        )
        assert said == Outcome.UNKNOWN


def test_only_live_runs_of_the_same_configuration_are_evidence():
    runs = [
        a_run(4),
        a_run(2, fingerprint="sha256:other"),
        a_run(3, kind=RunKind.DRILL),
        a_run(5, kind=RunKind.IMPORTED),
        a_run(1),
    ]

    assert ids(in_start_order(runs, fingerprint=FINGERPRINT)) == ["run-1", "run-4"]


def test_a_restart_goes_on_with_the_evidence_or_pays_for_every_try():
    runs = [*a_row("PP"), *a_row("FF", first=3, attempt=2), a_run(9, attempt=4)]
    at_the_second = {"fingerprint": FINGERPRINT, "attempt": 2}

    continued, _ = ledger(runs, restarts=Restarts.CONTINUE, **at_the_second)
    anew, tries = ledger(runs, restarts=Restarts.SPEND, **at_the_second)

    assert ids(continued) == ["run-1", "run-2", "run-3", "run-4"]
    assert (ids(anew), tries) == (["run-3", "run-4"], 2)
    assert alpha_of_try(0.05, 2, Restarts.CONTINUE) == 0.05
    assert alpha_of_try(0.05, 2, Restarts.SPEND) == 0.0125
    spent = [alpha_of_try(0.05, k, Restarts.SPEND) for k in range(1, 50)]
    assert sum(spent) <= 0.05


def test_a_configuration_that_was_never_tried_pays_for_its_own_try_only():
    runs = a_row("PP", fingerprint="sha256:other")

    assert ledger(
        runs, fingerprint=FINGERPRINT, attempt=2, restarts=Restarts.SPEND
    ) == ([], 1)


def test_without_the_web_gate_c_is_no_evidence():
    offline = a_run(said="PPP", no_web=True)
    online = a_run(said="PPP")

    assert outcome(offline, "C", now=NOW, latency_budget=None) is None
    assert outcome(offline, "B", now=NOW, latency_budget=None) == Outcome.PASS
    assert outcome(online, "C", now=NOW, latency_budget=None) == Outcome.PASS


def test_a_gate_that_was_never_reached_is_unknown():
    assert outcome(a_run(), "E", now=NOW, latency_budget=None) == Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (a_run(), Outcome.PASS),
        (a_run(finished_at=BEGAN + 7 * MINUTE), Outcome.FAIL),
        (a_run(status=RunStatus.FAILED, cause="timeout"), Outcome.FAIL),
        (a_run(status=RunStatus.FAILED), Outcome.UNKNOWN),
        (a_run(status=RunStatus.CANCELLED), Outcome.UNKNOWN),
        (an_open_run(), Outcome.FAIL),
        (an_open_run(opened_at=NOW), Outcome.UNKNOWN),
    ],
    ids=["in time", "late", "timed out", "failed", "cancelled", "hangs", "running"],
)
def test_latency_is_judged_like_a_gate(run, expected):
    assert outcome(run, LATENCY, now=NOW, latency_budget=5 * MINUTE) == expected
    assert outcome(run, LATENCY, now=NOW, latency_budget=None) is None


def test_the_facts_of_a_run_survive_being_kept():
    for run in (a_run(said="PF?"), an_open_run(no_web=True, cause="timeout")):
        assert RunFacts.from_json(run.to_json()) == run
