"""A rollout is widened on evidence, caught when it goes bad, and goes back."""

import pytest

from tests.journeys.simulators import Simulator
from tests.live import LivePortal, wait_until

# Minutes on a busy machine: three stages, one after the other.
pytestmark = pytest.mark.faults

# Small bars, so that eleven runs show them; approved by two people, as any plan.
PLANS = """
from portal.models import Actor, Approval, Authentication, Person
from portal.services import actors, approvals
from rollout.domain.stages import StagePlan
from rollout.services import changes, configuration, proposals, rollouts
def sign_in(name):
    return actors.for_person(
        Person.objects.get(username=name), authenticated_by=Authentication.PASSWORD
    )
key = "deep-research-option-c"
plans = {
    "expanded-offline": StagePlan(
        query_classes=("fixture_replay",), teams=("*",), modes=("*",),
        judged_gates=("A", "B", "D", "E"), promote_bar=0.7, floor=0.5, max_runs=60,
    ),
    "broad-rollout": StagePlan(
        query_classes=("*",), teams=("*",), modes=("*",), sensitivity="normal",
        forces_no_web=False, judged_gates=("A", "B", "C", "D", "E"),
        promote_bar=0.7, class_bar=0.68, floor=0.65, max_runs=60,
        coverage_steps=(99.99,),  # everybody would be general availability
    ),
}
document = configuration.read(rollouts.find(key))
offline = document["stages"]["offline-baseline"]["plan"]
offline |= {"is_judged_by_person": True, "promote_bar": None, "class_bar": None}
for name, plan in plans.items():
    document["stages"][name] = {
        "coverage": plan.coverage_steps[-1], "plan": plan.to_json()
    }
change = changes.propose(
    key, proposals.replacement(document), by=sign_in("engineer"), reason="small bars"
)
pending = Approval.objects.get(state="pending")
approvals.confirm(pending.pk, by=sign_in("architect"), reason="for this journey")
changes.apply(change.pk, by=sign_in("engineer"), reason="now")
"""
PROMOTE = """
from django.db import transaction
from drills.domain.incidents import ACTIVE, State
from drills.models import Incident
from portal.models import Authentication, Person
from portal.services import actors, approvals
from rollout.models import Freeze
from rollout.services import freezes, promotions, stages
from itertools import count
import time
from tests import builders
from tests.drills.builders import in_state
from tests.readiness import all_else_is_green
builders._numbers = count(time.time_ns())  # names that no command before has given
def sign_in(name):
    return actors.for_person(
        Person.objects.get(username=name), authenticated_by=Authentication.PASSWORD
    )
key = "deep-research-option-c"
for frozen in Freeze.objects.filter(lifted_at=None):
    freezes.lift(frozen.pk, by=sign_in("architect"), reason="looked at")
for incident in Incident.objects.filter(state__in=ACTIVE):
    in_state(incident, State.RESOLVED)
with transaction.atomic():  # a drill that is asked for and over: no worker begins it
    all_else_is_green(key)
asked = promotions.request_promotion(
    stages.find(key, {stage!r}).pk, by=sign_in("engineer"), reason="proven", to={to!r}
)
approvals.confirm(asked.pk, by=sign_in("architect"), reason="proven")
"""
REVIEW = """
from portal.models import Person
from portal.services import actors
from rollout.models import Attempt
from rollout.services import evidence, reviews
operator = actors.for_person(Person.objects.get(username="operator"))
for attempt in Attempt.objects.filter(ended_at=None).select_related("stage"):
    for run, gate in evidence.unreviewed(attempt):
        reviews.review_failure(
            "deep-research-option-c", run.run_id, gate, by=operator, reason="looked at"
        )
"""


@pytest.fixture(scope="module")
def portal(state_directory):
    """A portal of its own: what happens here moves the whole rollout."""
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    shell(live, PLANS)
    yield live
    live.stop()


@pytest.fixture(scope="module")
def service(portal):
    return portal.client(portal.a_token("research system"))


@pytest.fixture(scope="module")
def simulator(portal, state_directory):
    return Simulator(portal, portal.a_token("simulator"), state_directory / "sim")


def shell(portal: LivePortal, code: str) -> None:
    portal.manage("shell", "--no-imports", "--verbosity", "0", code=code)


def readiness(service, stage: str) -> dict:
    return service.get(f"/api/v1/stages/{stage}/readiness").json()


def state(service, stage: str) -> str:
    return readiness(service, stage)["state"]


def simulate(simulator, prefix: str, runs: int, *options: str) -> None:
    simulator.run(
        *("--seed", prefix, "--prefix", prefix, "--runs", str(runs)),
        *("--rate", "900", "--speed", "60", "--query-classes", "fixture_replay"),
        *("--stage-timeout", "120"),  # on a busy machine nobody hangs, either
        *options,
    )


GOOD = [f"--pass-rate={gate}=1" for gate in "ABCDEF"]


def test_a_good_system_reaches_the_broad_rollout(portal, service, simulator):
    shell(portal, PROMOTE.format(stage="offline-baseline", to=""))
    assert state(service, "expanded-offline") == "running"

    simulate(simulator, "offline", 12, *GOOD)
    wait_until(lambda: state(service, "expanded-offline") == "promotable")
    shell(portal, PROMOTE.format(stage="expanded-offline", to="broad-rollout"))

    assert state(service, "broad-rollout") == "running"
    simulate(simulator, "broad", 12, *GOOD, "--sensitivity", "normal")
    wait_until(lambda: state(service, "broad-rollout") == "promotable")
    proven = readiness(service, "broad-rollout")["evaluation"]["sentence"]
    assert "passed" in proven


def test_a_spike_at_gate_c_rolls_back_by_itself_and_loses_nothing(
    portal, service, simulator
):
    spike = [*GOOD, "--pass-rate=C=0", "--sensitivity", "normal"]
    simulate(simulator, "spike", 25, *spike)

    wait_until(lambda: state(service, "broad-rollout") == "rolled_back")
    assert state(service, "expanded-offline") in ("running", "promotable")
    wait_until(lambda: rollback(service)["reconciliation"] is not None)
    found = rollback(service)
    assert (found["trigger"], found["to_stage"]) == ("statistics", "expanded-offline")
    assert found["reconciliation"]["is_clean"], found["reconciliation"]["missing"]
    assert "Gate C" in found["reason"]


def rollback(service) -> dict:
    return service.get("/api/v1/rollbacks").json()["items"][0]


def test_starting_again_does_not_launder_the_evidence(portal, service, simulator):
    wait_until(lambda: state(service, "expanded-offline") == "promotable")
    shell(portal, PROMOTE.format(stage="expanded-offline", to="broad-rollout"))
    simulate(simulator, "again", 14, *GOOD, "--sensitivity", "normal")
    shell(portal, REVIEW)

    def judged() -> int:
        found = readiness(service, "broad-rollout")["evaluation"]
        return found["judged_runs"] if found else 0

    wait_until(lambda: judged() >= 36)  # those of the attempt before are among them
    found = readiness(service, "broad-rollout")
    assert found["state"] in ("running", "holding")  # rerouted runs say nothing
    assert not found["is_ready"]


def test_every_judgement_comes_out_the_same_and_the_invariants_hold(portal):
    portal.manage("recompute_evaluations", "--json")
    portal.manage("check_invariants", "--json")
    portal.manage("verify_ledger", "--deep", "--json")
