"""Agents report themselves, and are missed when they are silent."""

from datetime import timedelta

import pytest
from django.urls import reverse

from portal import clock
from portal.services.metrics import exposition
from rollout.models import Agent, Run
from rollout.services import documents
from tests.rollout.builders import KEY, a_service
from tests.rollout.documents import a_manifest, raw
from tests.rollout.test_admin import signed_in
from tests.rollout.test_api import Caller

pytestmark = pytest.mark.django_db

REPORT = {
    "version": "0.1.0",
    "team": "alpha",
    "environment": "sandbox",
    "host": "research-1",
    "roots": 12,
    "open_roots": 3,
    "lag_s": 0.2,
    "settings_state": "enabled",
    "is_enabled": True,
    "epoch": 1,
    "revision": 1,
    "problems": [],
    "started_at": "2026-01-01T12:00:00Z",
}


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


def an_agent(call, name: str = "alpha-1", **changes: object) -> Agent:
    answer = call.put(f"agents/{name}", raw({**REPORT, **changes}))
    assert answer.status_code == 200, answer.json()
    return Agent.objects.get(name=name)


def falls_silent(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(seen_at=clock.now() - timedelta(minutes=2))


def standings(call) -> dict[str, str]:
    listed = call.get("agents").json()["items"]
    return {each["name"]: each["standing"] for each in listed}


def test_an_agent_is_as_it_said_last(call):
    an_agent(call)
    an_agent(call, "beta-1", problems=["portal: token=abcdefgh was refused"])
    an_agent(call, lag_s=0.4)

    assert standings(call) == {"alpha-1": "well", "beta-1": "troubled"}
    assert Agent.objects.get(name="alpha-1").lag_s == 0.4
    assert "abcdefgh" not in str(Agent.objects.get(name="beta-1").problems)


def test_an_agent_that_lags_is_troubled_and_a_silent_one_is_missed(call):
    an_agent(call, "late", lag_s=60)
    falls_silent(an_agent(call, "gone"))

    assert standings(call) == {"late": "troubled", "gone": "silent"}
    assert 'portal_agent_silence_seconds{agent="gone"' in exposition().decode()


def test_an_agent_that_nobody_has_heard_for_a_month_is_forgotten(call):
    gone = an_agent(call, "gone")
    Agent.objects.filter(pk=gone.pk).update(seen_at=clock.now() - timedelta(days=31))

    an_agent(call)

    assert standings(call) == {"alpha-1": "well"}


@pytest.mark.parametrize(
    "changes",
    [
        {"settings_state": "fine"},
        {"roots": -1},
        {"lag_s": "slow"},
        {"problems": "none"},
        {"problems": ["x"] * 51},
        {"epoch": 2**60},
        {"started_at": "yesterday"},
        {"version": None},
    ],
)
def test_a_report_that_cannot_be_is_refused(call, changes):
    answer = call.put("agents/alpha-1", raw({**REPORT, **changes}))

    (pointed,) = {each["pointer"].split("/")[1] for each in answer.json()["errors"]}
    assert (answer.status_code, pointed) == (422, next(iter(changes)))
    assert not Agent.objects.exists()


def test_reporting_takes_the_scope_of_an_agent(client, service):
    reader = Caller(client, a_service("read")[1])
    assert reader.put("agents/alpha-1", raw(REPORT)).status_code == 403


def test_an_agent_is_told_what_the_portal_has_ended_and_the_files_do_not_say(
    call, service
):
    for run_id in ("goes-on", "ended", "knows-it"):
        manifest = raw(a_manifest(run_id))
        documents.receive_manifest(KEY, run_id, manifest, by=service, reason="test")
    ask = {"kind": "reroute", "reason": "test"}
    for run_id in ("ended", "knows-it"):
        assert call.post(f"runs/{run_id}/directives", ask).status_code == 201
    ended = raw(a_manifest("knows-it", revision=2, status="cancelled"))
    documents.receive_manifest(KEY, "knows-it", ended, by=service, reason="test")

    told = call.put("agents/alpha-1", raw(REPORT)).json()

    cause = Run.objects.get(run_id="ended").cause
    assert told == {
        "ended": [{"run_id": "ended", "status": "cancelled", "cause": cause}]
    }


def test_the_start_page_and_the_list_say_who_is_silent(client, call):
    falls_silent(an_agent(call, "gone"))
    an_agent(call, problems=["the runs root cannot be watched"])
    signed_in(client, "auditor")

    start = client.get(reverse("admin:index")).content.decode()
    assert "nobody governs that installation" in start
    listed = client.get(reverse("admin:rollout_agent_changelist")).content.decode()
    assert "SILENT" in listed
    assert "TROUBLED (1)" in listed
    page = reverse("admin:rollout_agent_change", args=[Agent.objects.last().pk])
    assert client.get(page).status_code == 200


def test_the_lists_cost_the_same_for_many(client, call, django_assert_max_num_queries):
    for number in range(30):
        an_agent(call, f"agent-{number}")
    signed_in(client, "auditor")

    with django_assert_max_num_queries(14):
        client.get(reverse("admin:rollout_agent_changelist"))
    with django_assert_max_num_queries(8):
        call.get("agents")


def test_the_settings_export_says_whether_the_switch_is_why(call):
    assert call.get("settings-export")["X-Switch"] == "released"
    engaged = {"reason": "test"}
    assert call.post("switch/engage", engaged).status_code == 200

    assert call.get("settings-export")["X-Switch"] == "engaged"
