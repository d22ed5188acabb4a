"""A rollback happens once and loses nothing, whatever is killed while it does."""

import random
import threading

import httpx
import pytest

from tests.live import LivePortal, wait_until
from tests.rollout.documents import a_manifest, raw

pytestmark = pytest.mark.faults

ROUNDS = 50
RUNS = 4
ASKED = {
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
START = """
from portal.models import Actor, Authentication, Person
from portal.services import actors, approvals
from rollout.models import Freeze, Stage
from rollout.services import freezes, stages
engineer, architect = (
    actors.for_person(
        Person.objects.get(username=name), authenticated_by=Authentication.PASSWORD
    )
    for name in ("engineer", "architect")
)
for frozen in Freeze.objects.filter(lifted_at=None):
    freezes.lift(frozen.pk, by=architect, reason="faults")
stage = Stage.objects.get(position=0)
if stage.state != "running":
    asked = stages.request_start(stage.pk, by=engineer, reason="faults")
    approvals.confirm(asked.pk, by=architect, reason="faults")
"""


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    yield live
    live.stop()


def shell(portal: LivePortal, code: str) -> None:
    portal.manage("shell", "--no-imports", "--verbosity", "0", code=code)


def test_fifty_kills_leave_one_transition_each_and_clean_reports(portal):
    rng = random.Random(50)
    service = portal.client(portal.a_token("faults"))
    for number in range(1, ROUNDS + 1):
        wait_until(lambda: answers(service))
        shell(portal, START)
        open_runs(service, number)
        victims = rng.choice(["worker safety", "worker", "uvicorn"])
        killer = threading.Timer(rng.uniform(0, 0.4), portal.kill, [victims])
        killer.start()
        wait_until(lambda n=number: is_rolled_back(service, f"rollback-{n}"))
        killer.join()
        try:
            wait_until(lambda n=number: reports(portal) == n, limit_s=90)
        except AssertionError:
            jobs = "SELECT kind, state, attempt, error FROM portal_job ORDER BY id DESC"
            raise AssertionError(number, portal.query(f"{jobs} LIMIT 8")) from None

    assert portal.query("SELECT count(*) FROM rollout_rollback") == [(ROUNDS,)]
    told = (
        "SELECT count(*) FROM portal_ledgerentry "
        "WHERE verb = 'rollout.stage.rolled_back'"
    )
    assert portal.query(told) == [(ROUNDS,)]
    unclean = "SELECT count(*) FROM rollout_reconciliation WHERE NOT is_clean"
    assert portal.query(unclean) == [(0,)]
    still_open = "SELECT count(*) FROM rollout_run WHERE finished_at IS NULL"
    assert portal.query(still_open) == [(0,)]
    portal.manage("sealer", "--once")
    portal.manage("verify_ledger", "--deep")
    portal.manage("check_invariants")


def open_runs(service, number: int) -> None:
    """Runs of the stage that are at work when it is rolled back."""
    for each in range(RUNS):
        run_id = f"run-{number}-{each}"
        service.post(
            "/api/v1/decisions",
            json={"run_id": run_id, **ASKED},
            headers={"Idempotency-Key": run_id},
        ).raise_for_status()
        service.put(
            f"/api/v1/runs/{run_id}/manifest",
            content=raw(a_manifest(run_id)),
            headers={"Content-Type": "application/json"},
        ).raise_for_status()


def answers(service) -> bool:
    try:
        return service.get("/api/v1/me").status_code == 200
    except httpx.TransportError:
        return False


def is_rolled_back(service, attempt: str) -> bool:
    """Ask once, as a service does that repeats a request which broke off."""
    try:
        answer = service.post(
            "/api/v1/stages/offline-baseline/rollback",
            json={"reason": "faults"},
            headers={"Idempotency-Key": attempt},
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def reports(portal: LivePortal) -> int:
    ((count,),) = portal.query("SELECT count(*) FROM rollout_reconciliation")
    return count
