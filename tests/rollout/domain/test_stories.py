"""What became of a run, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.runs import RunStatus
from rollout.domain.stories import (
    RunFacts,
    in_words,
    measured,
    passages,
    retries_in_words,
    sentence,
)

GOING = {"reported": "running", "stage": "wave1"}
FAILED = {"status": RunStatus.FAILED, "stage": "wave1"}
ALL_PASS = dict.fromkeys("ABCDEF", "pass")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            {**GOING, "times_out_in": timedelta(minutes=9, seconds=30)},
            "It works in wave1. Without a sign of progress it counts as hung in "
            "9 min 30 s.",
        ),
        (
            {**GOING, "times_out_in": timedelta(seconds=-3)},
            "It works in wave1. Its time is up: the watchdog is about to end it.",
        ),
        ({}, "It was let in and has reported nothing yet."),
        ({"is_admitted": False}, "It has sent files and no manifest yet."),
        (
            {
                "status": RunStatus.PAUSED,
                "reported": "paused",
                "stage": "pivot",
                "time_left": timedelta(seconds=90),
            },
            "It is paused in pivot; its timer stands, with 1 min 30 s left.",
        ),
        (
            {**FAILED, "cause": "hard_gate_failed", "failed_gate": "B"},
            "Gate B (Wave output contract compliance) failed for good, so the portal "
            "ended the run. It has not said yet that it has stopped.",
        ),
        (
            {
                **FAILED,
                "reported": "failed",
                "cause": "timeout",
                "hung_in": "citations",
                "hung_s": 601,
            },
            "It made no progress in citations for 10 min 1 s: the watchdog ended it.",
        ),
        (
            {**FAILED, "reported": "failed", "gates": {"B": "pass", "C": "fail"}},
            "The run says that it has failed in wave1; gate C has failed.",
        ),
        (
            {
                "status": RunStatus.CANCELLED,
                "reported": "cancelled",
                "cause": "rerouted",
            },
            "It was rerouted: the standard workflow answers its request.",
        ),
        (
            {
                "status": RunStatus.COMPLETED,
                "reported": "completed",
                "gates": ALL_PASS,
            },
            "It went to its end; all 6 gates passed.",
        ),
        (
            {
                "status": RunStatus.COMPLETED,
                "reported": "completed",
                "gates": ALL_PASS | {"C": "drift"},
            },
            "It went to its end; 5 of 6 gates passed, not C.",
        ),
        (
            {"is_imported": True, "reported": "running"},
            "It was imported as it stood; nobody works on it here.",
        ),
    ],
)
def test_one_sentence_says_what_the_matter_is(facts, says):
    assert sentence(RunFacts(**{"status": RunStatus.RUNNING, **facts})) == says


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("cause", ["", "hard_gate_failed", "timeout", "something_new"])
def test_there_is_always_a_sentence(status, cause):
    assert sentence(RunFacts(status, cause=cause)).endswith(".")


def moved(source: str, target: str, at: str) -> dict[str, str]:
    return {"from": source, "to": target, "ts": at, "reason": f"{source} is done"}


def test_the_stages_stand_in_their_order_with_the_time_that_each_took():
    manifest = {
        "created_at": "2026-01-01T12:00:00Z",
        "stage": {
            "current": "pivot",
            "history": [
                moved("init", "wave1", "2026-01-01T12:00:05Z"),
                moved("wave1", "pivot", "2026-01-01T13:02:05Z"),
            ],
        },
    }

    first, second, here = passages(manifest, "pivot")

    assert (first.stage, first.took, first.why) == ("init", "5 s", "")
    assert (second.stage, second.took) == ("wave1", "1 h 2 min")
    assert second.why == "init is done"
    assert (here.stage, here.until, here.took) == ("pivot", None, "")
    assert here.since == datetime(2026, 1, 1, 13, 2, 5, tzinfo=UTC)


def test_what_a_run_says_in_no_known_form_is_told_as_far_as_it_goes():
    odd = {"stage": {"history": [{"from": "init", "ts": "yesterday"}]}}

    assert [each.stage for each in passages(odd, "wave1")] == ["init", "wave1"]
    assert [each.took for each in passages(odd, "wave1")] == ["", ""]
    assert [each.stage for each in passages(None, "wave1")] == ["wave1"]
    assert passages(None, "") == []


def test_spans_retries_and_metrics_are_read_by_people():
    spans = [timedelta(days=1, hours=1, seconds=3), timedelta(0), timedelta(seconds=61)]

    assert list(map(in_words, spans)) == ["1 d 1 h", "0 s", "1 min 1 s"]
    assert [retries_in_words(*x) for x in (("B", 1), ("B", 0), ("A", 0))] == [
        "1 of 2",
        "none of 2",
        "never",
    ]
    metrics = {"validated_url_rate": 0.912345, "total": 12, "is_fine": True}
    assert measured(metrics, most=2, bounds={"validated_url_rate": "at least 0.9"}) == [
        ("validated url rate", "0.9123", "at least 0.9"),
        ("total", "12", ""),
    ]
