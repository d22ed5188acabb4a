"""Every confirmed failure falls back exactly once, whatever is killed."""

import json
import random
import time

import pytest
import redis

from tests.faults.conftest import Portal, wait_until
from tests.rollout.documents import a_manifest, raw, some_gates, spent

pytestmark = pytest.mark.faults

REPORT = """
import sys, json
from portal.services import tokens
from rollout.services import documents
service = tokens.authenticate({token!r})
for run_id, manifest, gates in json.loads({documents!r}):
    act = dict(by=service, reason="t")
    documents.receive_manifest({key!r}, run_id, manifest.encode(), **act)
    documents.receive_gates({key!r}, run_id, gates.encode(), **act)
"""


def report(portal: Portal, prefix: str, count: int) -> list[str]:
    """Runs whose gate B has failed for good, as one process reports them."""
    names = [f"{prefix}-{number}" for number in range(count)]
    documents = [
        [
            name,
            raw(a_manifest(name, **spent())).decode(),
            raw(some_gates(name, failed="B")).decode(),
        ]
        for name in names
    ]
    code = REPORT.format(
        token=portal.token,
        documents=json.dumps(documents),
        key="deep-research-option-c",
    )
    portal.manage("shell", "--no-imports", "--verbosity", "0", code=code)
    return names


def fallen_back(portal: Portal, prefix: str) -> int:
    (count,) = portal.query(
        "SELECT count(*) FROM rollout_run WHERE status = 'failed' "
        f"AND run_id LIKE '{prefix}-%'"
    )[0]
    return count


def assert_each_exactly_once(portal: Portal, prefix: str, count: int) -> None:
    assert fallen_back(portal, prefix) == count
    for table, condition in (
        ("rollout_fallbackoffer o JOIN rollout_run r ON r.id = o.run_id", "TRUE"),
        (
            "rollout_artifact a JOIN rollout_run r ON r.id = a.run_id",
            "a.path = 'logs/fallback-summary.md'",
        ),
        (
            "portal_ledgerentry l JOIN rollout_run r ON l.subject_id = r.id::text",
            "l.verb = 'rollout.run.fell_back'",
        ),
    ):
        per_run = portal.query(
            f"SELECT r.run_id, count(*) FROM {table} WHERE {condition} "
            f"AND r.run_id LIKE '{prefix}-%' GROUP BY r.run_id"
        )
        assert sorted({number for _, number in per_run}) == [1]
        assert len(per_run) == count
    portal.manage("sealer", "--once")
    portal.manage("verify_ledger", "--deep")
    portal.manage("verify_artifacts")


def test_twenty_kills_of_the_worker_lose_nothing_and_double_nothing(portal):
    rng = random.Random(20)
    portal.start("relay")
    portal.start("worker", "safety")

    report(portal, "killed", 40)
    for number in range(20):
        portal.kill("worker safety", with_children=bool(number % 2))
        portal.start("worker", "safety")
        report(portal, f"killed-more-{number}", 2)
        time.sleep(rng.uniform(0.2, 1.2))

    wait_until(lambda: fallen_back(portal, "killed") == 80)
    assert_each_exactly_once(portal, "killed", 80)


def test_flushing_redis_loses_nothing(portal):
    for name in list(portal.processes):
        portal.kill(name, with_children=True)
    portal.start("relay")
    report(portal, "flushed", 20)
    _redis(portal).flushall()

    portal.start("worker", "safety")
    for _ in range(5):
        _redis(portal).flushall()
        time.sleep(0.3)

    wait_until(lambda: fallen_back(portal, "flushed") == 20)
    assert_each_exactly_once(portal, "flushed", 20)


def test_jobs_wait_in_the_table_while_redis_is_away(portal):
    for name in list(portal.processes):
        portal.kill(name, with_children=True)
    portal.start("relay")
    portal.start("worker", "safety")
    valkey = portal.servers._started.pop()
    valkey[0].kill()
    valkey[0].wait()

    report(portal, "away", 5)
    time.sleep(2)
    assert fallen_back(portal, "away") == 0
    portal.servers.start(postgres=False)
    if portal.processes["worker safety"].poll() is not None:
        portal.start("worker", "safety")  # as the supervisor does

    wait_until(lambda: fallen_back(portal, "away") == 5)
    assert_each_exactly_once(portal, "away", 5)


def test_killing_the_relay_loses_nothing(portal):
    for number in range(5):
        portal.kill("relay", with_children=True)
        report(portal, f"relay-{number}", 2)
        portal.start("relay")
        if portal.processes["worker safety"].poll() is not None:
            portal.start("worker", "safety")

    wait_until(lambda: fallen_back(portal, "relay") == 10)
    assert_each_exactly_once(portal, "relay", 10)


def _redis(portal: Portal):
    return redis.Redis.from_url(portal.environment["REDIS_URL"])
