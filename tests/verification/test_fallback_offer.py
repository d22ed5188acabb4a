"""Verification check: a hard gate that fails leads to an offer, and only that."""

import pytest

from tests.rollout.builders import ASKED
from tests.rollout.documents import a_manifest, raw, some_gates, spent

pytestmark = pytest.mark.django_db


def reported(call, **gates) -> None:
    call.post("decisions", {"run_id": "run-1", **ASKED})
    call.put("runs/run-1/manifest", raw(a_manifest(**spent())))
    call.put("runs/run-1/gates", raw(some_gates(**gates)))


def offer(call):
    return call.post("runs/run-1/fallback-offer", {"reason": "see http://x"})


def test_without_a_failed_hard_gate_there_is_nothing_to_offer(call):
    reported(call, passed="ABCDEF")

    refused = offer(call)

    assert (refused.status_code, refused.json()["code"]) == (409, "NO_HARD_GATE_FAIL")


@pytest.mark.parametrize("gate", "ABCDEF")
def test_each_hard_gate_leads_to_an_offer_that_names_it(call, gate):
    reported(call, failed=gate)

    made = offer(call)

    assert made.status_code in (200, 201), made.content
    assert made.json()["gate_id"] == gate


def test_the_summary_is_the_same_byte_for_byte_however_often_it_is_asked_for(call):
    reported(call, failed="B")

    first, second = offer(call), offer(call)
    summary = call.get("runs/run-1/artifacts/logs/fallback-summary.md")

    assert first.json()["gate_id"] == second.json()["gate_id"] == "B"
    assert b"".join(summary.streaming_content) == (
        b"# Fallback Summary\n\n"
        b"- failed_gate_id: B\n"
        b"- failed_gate_name: Wave output contract compliance\n"
        b"- reason: [redacted]\n"
        b"- operator_instruction: disable Option C and run standard workflow\n\n"
        b"Operator instruction: disable Option C and run standard workflow.\n"
    )
