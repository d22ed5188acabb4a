"""What callers, runs and the world are given is on the disk, whoever has written it."""

import pytest

from portal.services import actors
from rollout.edge.knowledge import Knowledge
from rollout.edge.reader import Reader
from rollout.services import directives, runs, switch
from tests.builders import an_actor
from tests.disk import is_on_disk, log_end, lost_after_the_commit, not_waited_for
from tests.rollout.builders import KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest
from tests.rollout.test_api import Caller
from tests.rollout.test_runs import send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path):
    settings.EDGE_SNAPSHOT = tmp_path / "edge-snapshot.json"
    settings.KILL_FILE = tmp_path / "KILL"


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


def throw() -> None:
    switch.engage(KEY, by=actors.host(), reason="test")


def test_the_edge_serves_a_revision_that_cannot_come_twice(service):
    reader = Reader()
    reader._read(Knowledge())
    with not_waited_for():
        throw()
    end = log_end()

    reader._read(Knowledge())

    assert reader.known.held[KEY].epoch == 2
    assert is_on_disk(end)


def test_streams_tell_lines_that_stay(service):
    reader = Reader()
    reader._read(Knowledge())
    seen = []
    reader.listen(seen.extend)
    reader._tell_loop = reader._tell
    with not_waited_for():
        an_actor("qa")
    end = log_end()

    reader._read(Knowledge())

    assert len(seen) == 2
    assert is_on_disk(end)


def test_an_installation_keeps_an_epoch_that_stays(call):
    a_running_stage()
    with not_waited_for():
        throw()
    end = log_end()

    found = call.get("settings-export?team=alpha")

    assert found["x-switch"] == "engaged"
    assert is_on_disk(end)


def test_an_installation_that_asks_again_waits_for_nothing(
    call, django_assert_max_num_queries
):
    call.get("settings-export?team=alpha")

    with django_assert_max_num_queries(8) as asked:
        call.get("settings-export?team=alpha")

    assert not any("emit_message" in each["sql"] for each in asked.captured_queries)


def test_a_run_is_asked_what_stays_asked(service, call):
    send(service, a_manifest())
    with not_waited_for():
        directives.issue(
            KEY, "run-1", "pause", by=an_actor("operator"), reason="The provider."
        )
    end = log_end()

    found = call.get("runs/run-1/directives").json()["directives"]

    assert [each["kind"] for each in found] == ["pause"]
    assert is_on_disk(end)


def test_throwing_a_switch_that_somebody_has_just_thrown_waits_for_it(service):
    with not_waited_for():
        throw()
    end = log_end()

    throw()

    assert is_on_disk(end)


def test_a_repeated_request_is_answered_when_the_first_would_have_been(service, call):
    send(service, a_manifest())
    asking = {"kind": "pause", "reason": "The provider is being repaired."}
    with not_waited_for():
        call.post("runs/run-1/directives", asking, key="the-same")
    end = log_end()

    again = call.post("runs/run-1/directives", asking, key="the-same")

    assert again["idempotency-replayed"] == "true"
    assert is_on_disk(end)


def test_when_the_database_goes_away_before_the_disk_nobody_claims_to_know(call):
    with lost_after_the_commit():
        found = call.put("runs/run-1/manifest", a_manifest())

    assert (found.status_code, found.json()["code"]) == (503, "UNAVAILABLE")
    assert "nobody knows" in found.json()["detail"]
    assert runs.find(KEY, "run-1").manifest_revision == 1
