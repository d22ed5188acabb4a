"""The switch when the database is away, and what becomes of it afterwards."""

import json
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from portal.services import actors
from rollout.models import Rollout, Switch
from rollout.services import kill_file, switch
from tests.builders import the_last_line
from tests.rollout.builders import KEY, a_rollout

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def path(settings, tmp_path):
    settings.KILL_FILE = tmp_path / "deep" / "KILL"
    return settings.KILL_FILE


@pytest.fixture
def away(monkeypatch):
    """A database that does not answer."""

    def engage(*_, **__):
        raise OperationalError("connection refused")

    monkeypatch.setattr(switch, "engage", engage)


def test_without_the_database_the_command_writes_the_file_and_says_so(
    away, path, capsys
):
    call_command("engage_switch", KEY, "--reason", "Provider\nleaks.", "--json")
    said = json.loads(capsys.readouterr().out)

    assert (said["state"], said["path"]) == ("kill_file", str(path))
    assert kill_file.read() == {KEY: "Provider leaks."}
    call_command("engage_switch", "other", "--reason", "Too.")
    assert set(kill_file.read()) == {KEY, "other"}
    assert str(path) in capsys.readouterr().out


def test_where_not_even_the_file_can_be_written_the_command_fails(away, path):
    path.parent.write_text("in the way")
    with pytest.raises(CommandError, match="Stop the edge"):
        call_command("engage_switch", KEY, "--reason", "stop")


def test_with_the_database_no_file_is_needed(path):
    a_rollout()
    call_command("engage_switch", KEY, "--reason", "stop", verbosity=0)
    assert not path.exists()


def test_the_file_becomes_an_act_of_the_host_and_goes_afterwards(path):
    a_rollout()
    assert kill_file.reconcile() == 0
    kill_file.write(KEY, "Provider leaks.")
    kill_file.write("unknown", "Nobody has this.")

    assert kill_file.reconcile() == 1

    assert Switch.objects.get().is_engaged
    assert the_last_line() == (
        "system",
        "rollout.switch.engaged",
        "Provider leaks.",
    )
    assert not path.exists()
    assert kill_file.reconcile() == 0


def test_the_file_stays_when_the_switch_cannot_be_engaged(away, path):
    a_rollout()
    kill_file.write("*", "")

    with pytest.raises(OperationalError):
        kill_file.reconcile()

    assert set(kill_file.read()) == {"*"}


def test_a_file_that_cannot_be_read_kills_all(path):
    path.mkdir(parents=True)
    assert set(kill_file.read()) == {"*"}


def test_a_line_that_is_added_while_the_file_becomes_an_act_is_not_lost(
    path, monkeypatch
):
    a_rollout()
    engage = switch.engage

    def engage_while_somebody_adds(*args, **facts):
        kill_file.write("another", "At the same moment.")
        return engage(*args, **facts)

    kill_file.write(KEY, "Provider leaks.")
    with monkeypatch.context() as during:
        during.setattr(switch, "engage", engage_while_somebody_adds)
        kill_file.reconcile()

    assert kill_file.read() == {"another": "At the same moment."}


def test_what_a_shell_had_open_and_writes_late_is_carried_out_as_well(
    path, monkeypatch
):
    a_rollout()
    kill_file.write("unknown", "Nobody has this.")
    shell = path.open("a")
    seen = kill_file.heartbeats.beat

    def beat_then_the_file_is_put_aside(name):
        seen(name)
        kill_file._put_aside()
        shell.write(f"{KEY} Provider leaks.\n")
        shell.close()

    with monkeypatch.context() as during:
        during.setattr(kill_file.heartbeats, "beat", beat_then_the_file_is_put_aside)
        assert kill_file.reconcile() == 1

    assert Switch.objects.get().is_engaged
    assert kill_file.read() == {}


def test_whoever_dies_half_way_leaves_a_file_that_still_kills(path, away, monkeypatch):
    a_rollout()
    kill_file.write(KEY, "Provider leaks.")
    with pytest.raises(OperationalError):
        kill_file.reconcile()
    assert not path.exists()
    kill_file.write("another", "Later.")

    assert kill_file.read() == {KEY: "Provider leaks.", "another": "Later."}
    monkeypatch.undo()
    assert kill_file.reconcile() == 1
    assert kill_file.read() == {"another": "Later."}
    assert kill_file.reconcile() == 0
    assert kill_file.read() == {}


def test_no_line_of_many_writers_is_lost_while_it_becomes_an_act(path, monkeypatch):
    engaged: set[str] = set()
    monkeypatch.setattr(switch, "engage", lambda key, **facts: engaged.add(key))
    wanted = {f"rollout-{writer}-{n}" for writer in range(4) for n in range(10)}
    for key in wanted:
        Rollout(key=key, name=key, salt=key).save_as(actors.host(), reason="test")

    def write(writer: int) -> None:
        for n in range(10):
            kill_file.write(f"rollout-{writer}-{n}", "stop")

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers) or kill_file.read():
        kill_file.reconcile()

    assert engaged == wanted
