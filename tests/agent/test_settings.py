"""An agent as a process: what its installation's settings file says, and when."""

import json
import signal

import pytest

from rollout.models import Agent
from rollout.services import switch
from tests.builders import an_actor
from tests.live import a_free_port, wait_until
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_round_writes_what_the_portal_says_and_reports(place):
    done = place.run("--once")

    assert done.returncode == 0, done.stderr
    assert place.enabled is True
    agent = Agent.objects.get()
    assert (agent.name, agent.settings_state, agent.epoch) == ("test-1", "enabled", 1)


def test_a_dry_run_does_nothing(place):
    place.a_run()
    before = place.settings.read_bytes()

    done = place.run("--dry-run")

    assert done.returncode == 0, done.stderr
    assert "would_report" in done.stderr
    assert place.settings.read_bytes() == before
    assert not place.state.exists()
    assert not Agent.objects.exists()


def test_a_mistake_in_the_configuration_is_one_line(place):
    place.config.write_text("name = 5\n")

    done = place.run("--once")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_thrown_switch_a_kill_file_and_a_stop_are_all_a_no(place):
    place.start()
    wait_until(lambda: place.enabled is True and place.said("settings_written"))

    kill_file = place.folder / "KILL"
    kill_file.write_text(f"{KEY} smoke\n")
    wait_until(lambda: place.enabled is False)
    kill_file.unlink()
    wait_until(lambda: place.enabled is True)
    switch.engage(KEY, by=an_actor("operator"), reason="stop")
    wait_until(lambda: place.enabled is False)
    place.stop()

    assert place.enabled is False
    kept = json.loads((place.state / "installation.json").read_text())
    assert kept["word"]["epoch"] == 2


def test_without_the_portal_it_says_no_and_yes_only_by_the_portals_word(place):
    assert place.run("--once").returncode == 0
    assert place.enabled is True
    good = place.url
    nobody = {"url": f"http://127.0.0.1:{a_free_port()}"}
    place.configure(portal=nobody, top={"dead_man_limit_s": 3})

    place.start()
    wait_until(lambda: place.enabled is False)
    place.stop(signal.SIGKILL)
    assert place.said("settings")[-1]["state"] == "unheard"
    place.configure(portal={"url": good})
    place.start()

    wait_until(lambda: place.enabled is True)


def test_a_lower_epoch_than_it_has_seen_opens_nothing(place):
    assert place.run("--once").returncode == 0
    path = place.state / "installation.json"
    kept = json.loads(path.read_text())
    kept["word"]["epoch"] = 7
    path.write_text(json.dumps(kept))

    done = place.run("--once")

    assert done.returncode == 1
    assert place.enabled is False
    assert Agent.objects.get().settings_state == "older"


def test_a_settings_file_that_is_no_json_is_left_alone_and_said(place):
    place.settings.write_text("{ half")

    done = place.run("--once")

    assert done.returncode == 1
    assert place.settings.read_text() == "{ half"
    agent = Agent.objects.get()
    assert (agent.settings_state, agent.is_enabled) == ("unwritable", True)


def test_one_state_directory_has_one_agent(place):
    place.start()
    wait_until(lambda: place.said("settings_written"))

    second = place.run("--once")

    assert second.returncode == 2
    assert "Another agent is at work" in second.stderr
