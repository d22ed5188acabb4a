"""Each invariant notices a hand in the database."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from rollout.services import (
    advances,
    artifacts,
    decisions,
    directives,
    events,
    stages,
    switch,
    watchdog,
)
from rollout.services.invariants import INVARIANTS
from tests.builders import an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_running_stage,
    a_service,
    approved_and_applied,
    confirmed,
)
from tests.rollout.documents import a_manifest, an_event, lines, some_gates, spent
from tests.rollout.test_runs import send

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(carry_out_jobs):
    """A rollout on which something of everything has happened."""
    stage = a_running_stage()
    service, _ = a_service()
    operator = an_actor("operator")
    stages.set_coverage(stage.pk, "40", by=operator, reason="t")
    approved_and_applied(stages.set_coverage(stage.pk, "100", by=operator, reason="t"))
    for name in ("good", "bad"):
        decisions.decide_for(KEY, {"run_id": name} | ASKED, by=service, reason="t")
        send(service, a_manifest(name, **(spent() if name == "bad" else {})))
        artifacts.store(KEY, name, "a.md", [name.encode()], by=service, reason="t")
        batch = lines(an_event(1, name), an_event(2, name))
        events.receive(KEY, name, batch, by=service, reason="t")
    send(service, some_gates("bad", failed="B"))
    carry_out_jobs()
    advances.advance(
        KEY, "good", here="wave1", onward="pivot", by=service, reason="asked"
    )
    directives.issue(KEY, "good", "pause", by=operator, reason="t")
    switch.engage(KEY, by=operator, reason="t")
    confirmed(switch.request_release(KEY, by=an_actor("engineer"), reason="t"))
    watchdog.sweep()


def broken() -> list[int]:
    return [each.number for each in INVARIANTS if list(each.check())]


def behind_the_back(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_all_ten_hold_after_a_full_life(history, capsys):
    call_command("check_invariants", "--json")

    said = json.loads(capsys.readouterr().out)
    assert [each["number"] for each in said["invariants"]] == list(range(1, 11))
    assert said["found"] == 0


@pytest.mark.parametrize(
    ("number", "sql"),
    [
        (
            1,
            "UPDATE rollout_snapshot SET body = jsonb_set(body::jsonb, "
            "'{switch,state}', '\"engaged\"')::text",
        ),
        (2, "UPDATE rollout_decision SET reason = 'OUT_OF_COVERAGE'"),
        (
            3,
            "UPDATE rollout_snapshot SET body = jsonb_set(body::jsonb, "
            "'{salt}', '\"other\"')::text WHERE revision = 1",
        ),
        (4, "UPDATE rollout_stage SET coverage = 100"),
        (4, "UPDATE portal_ledgerentry SET reason = 'other' WHERE seq = 7"),
        (
            5,
            "UPDATE rollout_historicalrun SET status = 'failed' WHERE run_id = 'good'"
            " AND history_id = (SELECT min(history_id) FROM rollout_historicalrun"
            " WHERE run_id = 'good')",
        ),
        (5, "UPDATE rollout_run SET cause = 'timeout' WHERE run_id = 'bad'"),
        (6, "DELETE FROM rollout_artifact WHERE path = 'a.md'"),
        (6, "DELETE FROM rollout_runevent WHERE seq = 2"),
        (6, "UPDATE rollout_rundocument SET raw = 'x'::bytea"),
        (7, "UPDATE portal_approval SET state = 'pending'"),
        (
            8,
            "UPDATE rollout_historicalstage SET state = 'disabled' "
            "WHERE position = 0 AND history_id = (SELECT min(history_id) "
            "FROM rollout_historicalstage WHERE position = 0)",
        ),
        (9, "DELETE FROM rollout_fallbackoffer"),
        (
            9,
            "UPDATE drills_sighting SET firing_id = NULL; "
            "DELETE FROM rollout_triggerfiring",
        ),
        (9, "DELETE FROM rollout_rollback"),
        (
            10,
            "UPDATE portal_approval SET expires_at = decided_at - interval '1 hour'",
        ),
    ],
)
def test_each_notices_a_hand_in_the_database(history, number, sql):
    assert broken() == []

    behind_the_back(sql)

    assert number in broken()


def test_the_command_says_what_is_broken(history, capsys):
    behind_the_back("DELETE FROM rollout_fallbackoffer")

    with pytest.raises(CommandError) as refusal:
        call_command("check_invariants")

    assert refusal.value.returncode == 1
    assert "✗  9" in capsys.readouterr().out
