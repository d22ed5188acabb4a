"""The canary over HTTP."""

from datetime import timedelta

import pytest

from portal import clock
from portal.services import actors
from rollout.models import Evaluation, Freeze
from rollout.services import evaluations
from tests.builders import an_actor
from tests.rollout.builders import (
    a_finished_run,
    a_service,
    an_open_stage,
    finished_runs,
)
from tests.rollout.test_api import Caller, code_of

pytestmark = pytest.mark.django_db

STAGE = "stages/expanded-offline"
WHY = {"reason": "because"}


@pytest.fixture
def stage(db):
    return an_open_stage()


@pytest.fixture
def call(client, stage) -> Caller:
    return Caller(client, a_service("read", "operate")[1])


def judge(stage) -> Evaluation:
    return evaluations.evaluate(stage.pk, by=actors.system(), reason="test")


def test_a_stage_says_what_its_next_step_lacks(call, stage):
    finished_runs("run", "P" * 11)
    judge(stage)

    found = call.get(f"{STAGE}/readiness").json()

    assert found["state"] == "promotable"
    assert (found["is_ready"], found["targets"]) == (
        False,
        ["sandboxed-web-canary", "broad-rollout"],
    )
    assert found["evaluation"]["verdict"] == "await_approval"
    lights = {check["name"]: check["light"] for check in found["checks"]}
    assert lights["On call"] == "red"
    assert lights["Switch released"] == "green"


def test_a_promotion_is_asked_for_and_refused_with_what_lacks(call, stage):
    refused = call.post(f"{STAGE}/request-promotion", WHY)

    assert code_of(refused)[0] == 409
    assert refused.json()["possible"]


def test_a_token_rolls_back_and_reads_the_report(call, stage, carry_out_jobs):
    done = call.post(f"{STAGE}/rollback", WHY)
    while carry_out_jobs():
        pass

    assert (done.status_code, done.json()["to_stage"]) == (200, None)
    (found,) = call.get("rollbacks").json()["items"]
    assert found["reconciliation"]["is_clean"]
    assert code_of(call.post(f"{STAGE}/rollback", WHY))[0] == 409
    assert Freeze.objects.count() == 1


def test_evaluations_are_listed_read_and_recomputed(call, stage):
    finished_runs("run", "PP")
    judge(stage)

    (item,) = call.get("evaluations?stage=expanded-offline").json()["items"]
    whole = call.get(f"evaluations/{item['id']}").json()

    assert whole["content"]["judgement"]["prefix"] == ["run-0", "run-1"]
    assert call.get(f"evaluations/{item['id']}/recompute").json() == {
        "is_same": True,
        "differences": [],
    }
    assert code_of(call.get("evaluations/99"))[0] == 404
    assert code_of(call.get("evaluations?stage=nothing"))[0] == 404


def test_freezes_are_made_listed_and_lifted(call):
    until = (clock.now() + timedelta(hours=1)).isoformat()
    asked = WHY | {"scope": "changes", "expires_at": until}

    made = call.post("freezes", asked)
    lifted = call.post(f"freezes/{made.json()['id']}/lift", WHY)

    assert (made.status_code, made.json()["scope"]) == (201, "changes")
    assert lifted.json()["lifted_at"]
    assert len(call.get("freezes").json()["items"]) == 1
    past = asked | {"expires_at": "2001-01-01T00:00:00Z"}
    assert code_of(call.post("freezes", past))[0] == 422
    assert code_of(call.post("freezes", asked | {"scope": "all"}))[0] == 422
    assert code_of(call.post("freezes/99/lift", WHY))[0] == 404


def test_a_token_is_not_on_call_and_reviews_nothing(call):
    a_finished_run("bad", passed="B", failed="A")

    assert code_of(call.post("on-call", WHY))[0] == 403
    assert code_of(call.post("runs/bad/gates/A/review", WHY))[0] == 403


def test_a_person_confirms_and_reviews_over_the_api(client, stage):
    a_finished_run("bad", passed="B", failed="A")
    operator = an_actor("operator")
    client.force_login(
        operator.person, backend="django.contrib.auth.backends.ModelBackend"
    )

    def post(path):
        return client.post(
            f"/api/v1/{path}?rollout=deep-research-option-c",
            WHY,
            content_type="application/json",
            headers={"idempotency-key": path.replace("/", "-")},
        )

    assert post("on-call").json()["person"] == operator.person.username
    (on_call,) = client.get("/api/v1/on-call?rollout=deep-research-option-c").json()
    assert on_call["person"] == operator.person.username
    assert post("runs/bad/gates/A/review").json()["note"] == "because"
    assert code_of(post("runs/bad/gates/B/review")) == (409, "NOTHING_TO_REVIEW")


def test_a_stage_is_set_aside_at_once_and_put_back_by_two(call):
    aside = "stages/broad-rollout"

    set_aside = call.post(f"{aside}/disable", WHY)
    asked = call.post(f"{aside}/request-enable", WHY)

    assert (set_aside.status_code, set_aside.json()["state"]) == (200, "disabled")
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
