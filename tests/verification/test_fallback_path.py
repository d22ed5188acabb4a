"""Verification check: the way back to the standard workflow keeps everything."""

from hashlib import sha256

import pytest

from rollout.domain.artifacts import field_from_digest
from tests.rollout.builders import ASKED
from tests.rollout.documents import a_manifest, raw, some_gates, spent

pytestmark = pytest.mark.django_db
FOUND = b"what the first wave found"


@pytest.fixture
def fallen_back(call, carry_out_jobs):
    """A run that wrote something, failed gate B for good, and was sent back."""
    call.post("decisions", {"run_id": "run-1", **ASKED})
    digest = f"sha256:{sha256(FOUND).hexdigest()}"
    call.put(
        "runs/run-1/artifacts/wave-1/p1.md",
        FOUND,
        content_type="application/octet-stream",
        **{"content-digest": field_from_digest(digest)},
    )
    call.put("runs/run-1/manifest", raw(a_manifest(**spent())))
    call.put("runs/run-1/gates", raw(some_gates(failed="B", notes="two failed")))
    carry_out_jobs()
    return call


def test_the_run_is_failed_and_gets_the_standard_workflow_from_then_on(fallen_back):
    again = fallen_back.post("decisions", {"run_id": "run-1", **ASKED}).json()

    assert fallen_back.get("runs/run-1").json()["status"] == "failed"
    assert (again["workflow"], again["reason"]) == ("standard", "RUN_FINAL")


def test_every_byte_that_it_wrote_is_still_there(fallen_back):
    kept = fallen_back.get("runs/run-1/artifacts/wave-1/p1.md")
    listed = fallen_back.get("runs/run-1/artifacts").json()

    assert b"".join(kept.streaming_content) == FOUND
    assert {each["path"] for each in listed} == {
        "wave-1/p1.md",
        "logs/fallback-summary.md",
    }


def test_it_may_not_go_on(fallen_back):
    refused = fallen_back.post(
        "runs/run-1/advance", {"from_stage": "wave1", "to_stage": "pivot"}
    )

    assert refused.status_code == 409
    assert refused.json()["code"] == "RUN_FINAL"
