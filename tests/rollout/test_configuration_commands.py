"""A configuration goes out of the portal and comes back, on the command line."""

import json

import pytest

from portal import clock
from portal.services import actors
from rollout.domain.flags import WAVE1_AGENTS
from rollout.models import Change, Flag
from rollout.services import flags
from tests.rollout.builders import KEY, a_rollout
from tests.rollout.test_commands import answer, status_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def exported(tmp_path, capsys):
    a_rollout()
    path = tmp_path / "configuration.json"
    answer(capsys, "export_configuration", KEY, "--output", str(path))
    return path


def edit(path, value) -> None:
    document = json.loads(path.read_text())
    document["flags"][WAVE1_AGENTS]["default"] = value
    path.write_text(json.dumps(document))


def import_it(capsys, path, *more) -> dict:
    arguments = ("import_configuration", KEY, str(path), "--reason", "t", *more)
    return answer(capsys, *arguments)


def test_what_exposes_less_is_imported_from_the_host(exported, capsys):
    edit(exported, 3)

    told = import_it(capsys, exported, "--dry-run")
    assert (told["is_applied"], told["risk"]) == (False, "safer")
    assert not Change.objects.exists()

    assert import_it(capsys, exported)["is_applied"]
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 3


def test_what_exposes_more_is_shown_but_not_done(exported, capsys):
    edit(exported, 9)

    assert import_it(capsys, exported, "--dry-run")["risk"] == "high"
    arguments = ("import_configuration", KEY, str(exported), "--reason", "t")
    assert status_of(*arguments) == 2
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 6


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "other"}', "\x00"])
def test_a_file_that_is_no_configuration_is_refused_in_one_line(exported, text):
    exported.write_text(text)
    arguments = ("import_configuration", KEY, str(exported), "--reason", "t")

    assert status_of(*arguments) == 2


def test_a_file_that_is_not_there_is_refused_in_one_line(exported, tmp_path):
    away = str(tmp_path / "away" / "x.json")

    assert status_of("import_configuration", KEY, away, "--reason", "t") == 2
    assert status_of("export_configuration", KEY, "--output", away) == 2
    assert status_of("export_configuration", "nothing") == 2


def test_a_flag_is_explained_rule_by_rule_now_and_then(exported, capsys):
    then = clock.now().isoformat()
    found = flags.find(KEY, WAVE1_AGENTS)
    flags.change_default(found.pk, 3, by=actors.host(), reason="t")
    asked = ("--context", '{"team": "alpha"}', "--flag", "PAI_DR_MAX_WAVE1_AGENTS")

    now = answer(capsys, "explain", *asked)
    before = answer(capsys, "explain", *asked, "--at", then)

    assert now["steps"][-1]["says"] == "The default is 3."
    assert before["steps"][-1]["says"] == "The default is 6."
    assert status_of("explain", "--context", "{}", "--flag", "NOPE") == 2
    assert status_of("explain", "--context", "{}", "--at", "2001-01-01") == 2
