"""What a settings file has to say: false, unless the portal said otherwise, lately."""

import pytest

from rollout.domain.flags import ENABLED
from rollout.domain.installations import RUNS_ROOT, SettingsState, Wanted, Word, wanted

OPEN = Word(epoch=3, revision=12, is_engaged=False, flags={ENABLED: True, "X": 2})


def told(word: Word | None = OPEN, **known: object) -> Wanted:
    usual = {
        "unheard_s": 1.0,
        "limit_s": 60.0,
        "is_killed": False,
        "is_older": False,
        "runs_root": "/runs",
    }
    return wanted(word, **{**usual, **known})


def test_the_portals_word_holds_while_it_is_fresh():
    found = told()
    assert found.state == SettingsState.ENABLED
    assert found.flags == {ENABLED: True, "X": 2, RUNS_ROOT: "/runs"}


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({"unheard_s": 60.1}, SettingsState.UNHEARD),
        ({"unheard_s": None}, SettingsState.UNHEARD),
        ({"word": None}, SettingsState.UNHEARD),
        ({"is_killed": True}, SettingsState.KILLED),
        ({"is_older": True}, SettingsState.OLDER),
        ({"is_killed": True, "is_older": True, "word": None}, SettingsState.KILLED),
        ({"word": Word(3, 12, True, {ENABLED: True})}, SettingsState.DISABLED),
        ({"word": Word(3, 12, False, {ENABLED: False})}, SettingsState.DISABLED),
        ({"word": Word(3, 12, False, {ENABLED: 1})}, SettingsState.DISABLED),
        ({"word": Word(3, 12, False, {})}, SettingsState.DISABLED),
    ],
)
def test_in_every_doubt_it_is_a_real_false(known, state):
    found = told(**known)
    assert (found.state, found.flags[ENABLED]) == (state, False)
    assert not found.is_enabled


def test_a_path_of_the_portals_own_is_kept():
    assert told(Word(1, 1, False, {RUNS_ROOT: "/elsewhere"})).flags[RUNS_ROOT] == (
        "/elsewhere"
    )


def test_a_word_is_older_by_its_epoch_and_then_by_its_revision():
    assert Word(2, 99, False).is_older_than(OPEN)
    assert Word(3, 11, False).is_older_than(OPEN)
    assert not Word(3, 12, False).is_older_than(OPEN)
    assert not Word(4, 1, False).is_older_than(OPEN)


def test_a_word_survives_a_restart():
    assert Word.from_json(OPEN.to_json()) == OPEN
