import json

import pytest

from portal.errors import Conflict
from rollout.domain.fallback import offer
from rollout.domain.gates import RETRY_CAPS, GateStatus, bounds_of, first_failure, judge
from rollout.domain.sanitising import NO_REASON, sanitise
from tests.rollout.documents import a_manifest, some_gates

BEFORE, CHECKED, LATER = (f"2026-01-01T12:0{minute}:00Z" for minute in (0, 1, 2))


def failing(letter: str = "B") -> dict:
    gates = some_gates(failed=letter)
    gates["gates"][letter]["checked_at"] = CHECKED
    return gates


def with_retries(letter: str, times: int, *planned: str) -> dict:
    history = [
        {"ts": ts, "gate_id": letter, "attempt": 1, "change_note": "n", "reason": "r"}
        for ts in planned
    ]
    return a_manifest(
        metrics={"retry_counts": {letter: times}, "retry_history": history}
    )


@pytest.mark.parametrize("letter", "ABCDEF")
def test_a_failure_is_confirmed_once_its_retries_are_spent(letter):
    cap = RETRY_CAPS[letter]

    confirmed = judge(failing(letter), with_retries(letter, cap))[letter]

    assert confirmed.is_confirmed_failure
    if cap:
        early = judge(failing(letter), with_retries(letter, cap - 1))[letter]
        assert early.status == GateStatus.FAIL
        assert not early.is_confirmed_failure


def test_a_retry_that_is_planned_but_not_made_is_not_spent():
    pending = judge(failing(), with_retries("B", 2, BEFORE, LATER))["B"]
    made = judge(failing(), with_retries("B", 2, BEFORE, BEFORE))["B"]

    assert not pending.is_confirmed_failure
    assert made.is_confirmed_failure


@pytest.mark.parametrize(
    "manifest",
    [
        a_manifest(status="failed"),
        a_manifest(failures=[{"kind": "hard_gate_fallback_offer"}]),
    ],
    ids=["the run has failed", "the run fell back"],
)
def test_what_the_research_system_gave_up_on_is_confirmed(manifest):
    assert judge(failing(), manifest)["B"].is_confirmed_failure


def test_a_passing_gate_is_never_a_failure_whatever_the_run_did():
    gates = judge(some_gates(passed="ABCDEF"), a_manifest(status="failed"))

    assert not any(gate.is_confirmed_failure for gate in gates.values())


@pytest.mark.parametrize(
    ("letter", "metrics", "is_drift"),
    [
        ("B", {"validated_count": 3, "failed_count": 1}, True),
        ("B", {"validated_count": 4, "failed_count": 1}, False),
        ("B", {"validated_count": 0, "failed_count": 0}, False),
        ("C", {"validated_url_rate": 0.89}, True),
        ("C", {"invalid_url_rate": 0.11}, True),
        ("C", {"uncategorized_url_rate": 0.01}, True),
        ("C", {"validated_url_rate": 0.9, "invalid_url_rate": 0.1}, False),
        ("D", {"summary_count_ratio": 0.5}, True),
        ("D", {"max_summary_kb": 5.1}, True),
        ("D", {"total_summary_pack_kb": 60}, False),
        ("E", {"uncited_numeric_claims": 1}, True),
        ("E", {"report_sections_present": 99}, True),
        ("E", {}, False),
        ("E", {"report_sections_present": "many"}, False),
    ],
)
def test_a_pass_that_its_metrics_contradict_is_drift(letter, metrics, is_drift):
    manifest = a_manifest(query={"text": "q", "sensitivity": "normal"})

    gate = judge(some_gates(passed=letter, metrics=metrics), manifest)[letter]

    assert gate.status == (GateStatus.DRIFT if is_drift else GateStatus.PASS)
    assert bool(gate.drift) is is_drift


def test_without_the_web_gate_c_passes_by_construction():
    gates = some_gates(passed="C", metrics={"validated_url_rate": 0.0})

    assert judge(gates, a_manifest())["C"].status == GateStatus.PASS


def test_gates_that_nobody_reported_have_not_run():
    assert {gate.status for gate in judge(None, None).values()} == {GateStatus.NOT_RUN}


def test_the_offer_names_the_first_failed_gate_and_always_has_the_same_bytes():
    gates = some_gates(failed="DB", notes="  two of three outputs failed ")

    offered = offer(gates)

    assert first_failure(judge(gates, None)) == "B"
    assert offered.summary == (
        b"# Fallback Summary\n"
        b"\n"
        b"- failed_gate_id: B\n"
        b"- failed_gate_name: Wave output contract compliance\n"
        b"- reason: two of three outputs failed\n"
        b"- operator_instruction: disable Option C and run standard workflow\n"
        b"\n"
        b"Operator instruction: disable Option C and run standard workflow.\n"
    )
    assert offer(gates).summary == offered.summary


def test_the_failure_entry_has_the_contracts_form():
    failure = offer(some_gates(failed="C"), reason="given").failure("/runs/r1")

    assert failure == {
        "kind": "hard_gate_fallback_offer",
        "gate_id": "C",
        "gate_name": "Citation validation integrity",
        "reason": "given",
        "summary_path": "/runs/r1/logs/fallback-summary.md",
        "instruction": "disable Option C and run standard workflow",
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("given", "notes", "reason"),
    [
        ("given", "notes", "given"),
        ("  ", "notes", "notes"),
        ("", " ", "Hard gate B failed"),
        ("see http://x", "notes", "[redacted]"),
    ],
)
def test_the_first_reason_that_says_something_stands_in_the_summary(
    given, notes, reason
):
    assert offer(some_gates(failed="B", notes=notes), reason=given).reason == reason


def test_without_a_failed_hard_gate_there_is_nothing_to_offer():
    with pytest.raises(Conflict) as refusal:
        offer(some_gates(passed="ABCDEF"))

    assert refusal.value.code == "NO_HARD_GATE_FAIL"


@pytest.mark.parametrize(
    ("reason", "sanitised"),
    [
        ("  plain  ", "plain"),
        ("", NO_REASON),
        ("\n\t ", NO_REASON),
        ("mail to HTTPS-admin", "[redacted]"),
        ("ssh://me:pw@box/x", "ssh://[redacted]@box/x"),
        ("a?token=1&sig=2&x=3", "a?token=[redacted]&sig=[redacted]&x=3"),
        ("token=kept", "token=kept"),
    ],
)
def test_a_reason_is_sanitised_as_the_contract_says(reason, sanitised):
    assert sanitise(reason) == sanitised


def test_sanitising_equals_the_research_systems_own(shared):
    vectors = json.loads((shared / "vectors" / "redaction_vectors.json").read_text())

    for vector in vectors:
        assert sanitise(vector["input"]) == vector["output"]


def test_metrics_have_the_limits_that_are_known_of_them():
    of_manifest = {"max_summary_kb": 5}

    assert bounds_of("C", is_no_web=False, limits={}) == {
        "validated_url_rate": "at least 0.9",
        "invalid_url_rate": "at most 0.1",
        "uncategorized_url_rate": "at most 0",
    }
    assert bounds_of("C", is_no_web=True, limits={}) == {}
    assert bounds_of("D", is_no_web=True, limits=of_manifest) == {
        "summary_count_ratio": "at least 0.9",
        "max_summary_kb": "at most 5",
    }
