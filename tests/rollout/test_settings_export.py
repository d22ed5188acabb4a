"""The settings export over HTTP, and in a file."""

import json
import os
import stat

import pytest
from django.core.management import call_command

from portal.services import actors
from rollout import settings_file
from rollout.domain.flags import ENABLED
from rollout.services import stages, switch
from rollout.settings_file import CannotWrite
from tests.rollout.builders import KEY, a_running_stage, a_service
from tests.rollout.test_api import Caller, code_of
from tests.rollout.test_commands import answer, status_of

PATH = "settings-export?team=alpha"


@pytest.fixture
def call(client, service) -> Caller:
    """A service that may decide, while stage 0 admits."""
    a_running_stage()
    return Caller(client, a_service("decide")[1])


# Over HTTP


@pytest.mark.django_db
def test_an_installation_gets_its_block_and_where_it_comes_from(call):
    found = call.get(PATH)

    assert found.json()[ENABLED] is True
    assert found.json()["PAI_DR_CLI_MAX_WAVE1_AGENTS"] == 2
    assert int(found["x-epoch"]) >= 1
    assert int(found["x-revision"]) >= 2
    assert call.get("settings-export").json()[ENABLED] is False
    assert call.get("settings-export?team=omega").json()[ENABLED] is False


@pytest.mark.django_db
def test_what_has_not_changed_is_not_sent_again(call):
    first = call.get(PATH)

    for said in (first["etag"], f"W/{first['etag']}", "*"):
        again = call.get(PATH, **{"if-none-match": said})
        assert (again.status_code, again.content) == (304, b"")
        assert again["etag"] == first["etag"]
        assert again["x-epoch"] == first["x-epoch"]


@pytest.mark.django_db
def test_the_switch_wins_at_once(call):
    first = call.get(PATH)

    switch.engage(KEY, by=actors.host(), reason="test")
    after = call.get(PATH, **{"if-none-match": first["etag"]})

    assert (after.status_code, after.json()[ENABLED]) == (200, False)
    assert int(after["x-epoch"]) == int(first["x-epoch"]) + 1


@pytest.mark.django_db
def test_a_paused_stage_is_off_and_a_held_one_is_not(call):
    stage = stages.find(KEY, "offline-baseline")

    def hold(*, admits: bool) -> bool:
        stages.hold(stage.pk, by=actors.system(), reason="test", keeps_admitting=admits)
        return call.get(PATH).json()[ENABLED]

    assert [hold(admits=True), hold(admits=False)] == [True, False]


@pytest.mark.django_db
def test_it_takes_what_an_evaluation_takes(client, call):
    others = Caller(client, a_service("read", "report-runs", "operate", "kill")[1])

    assert code_of(others.get(PATH)) == (403, "NOT_ALLOWED")
    elsewhere = call.get(f"{PATH}&rollout=other")
    assert code_of(elsewhere) == (403, "WRONG_ROLLOUT")
    assert code_of(call.get(f"settings-export?team={'x' * 501}")) == (
        422,
        "SCHEMA_VALIDATION_FAILED",
    )


# In a file


def test_a_file_is_made_and_other_settings_stay(tmp_path):
    path = tmp_path / "settings.json"

    settings_file.write(path, {ENABLED: False})
    assert json.loads(path.read_text()) == {
        "deepResearchCli": {"flags": {ENABLED: False}}
    }

    path.write_text('{"theme": "dark", "deepResearchCli": {"flags": {"old": 1}}}')
    path.chmod(0o600)
    settings_file.write(path, {ENABLED: True})

    assert json.loads(path.read_text()) == {
        "theme": "dark",
        "deepResearchCli": {"flags": {ENABLED: True}},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_the_file_stays_one(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "settings.json"
    real.write_text("{}")
    link.symlink_to(real)

    settings_file.write(link, {ENABLED: False})

    assert link.is_symlink()
    assert json.loads(real.read_text())["deepResearchCli"]["flags"] == {ENABLED: False}


@pytest.mark.parametrize("before", ["{", "[]", '{"theme":', "\xff"])
def test_what_is_not_understood_is_not_replaced(tmp_path, before):
    path = tmp_path / "settings.json"
    path.write_text(before, encoding="latin-1")

    with pytest.raises(CannotWrite):
        settings_file.write(path, {ENABLED: False})

    assert path.read_text(encoding="latin-1") == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "settings.json"
    settings_file.write(path, {ENABLED: False})
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left"):
        settings_file.write(path, {ENABLED: True})

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.django_db
def test_the_command_says_it_or_writes_it(call, tmp_path, capsys):
    path = tmp_path / "settings.json"
    asked = ["export_settings", "--rollout", KEY, "--team", "alpha"]

    call_command(*asked)
    said = json.loads(capsys.readouterr().out)
    written = answer(capsys, *asked, "--output", str(path))

    assert said == json.loads(path.read_text())
    assert said["deepResearchCli"]["flags"] == written["flags"] == call.get(PATH).json()
    assert written["epoch"] >= 1


@pytest.mark.django_db
def test_the_command_says_in_one_line_what_cannot_be(call, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{")

    assert status_of("export_settings", "--rollout", "nothing") == 2
    assert status_of("export_settings", "--output", str(path)) == 2
    nowhere = tmp_path / "no" / "settings.json"
    assert status_of("export_settings", "--output", str(nowhere)) == 2
