"""Edits in words."""

import pytest

from rollout.domain.edits import ABSENT, Edit, difference
from rollout.domain.wording import in_words, rule_in_words
from tests.rollout.domain.configurations import a_configuration, a_rule, is_team


def said(edit: Edit) -> list[str]:
    return [f"{line.mark}{line.text}" for line in in_words(edit).lines]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/flags/X_Y/default", "Flag X_Y: default"),
        ("/flags/X", "Flag X"),
        ("/flags/X/is_nullable", "Flag X: may be none"),
        ("/segments/friends", "Segment friends"),
        ("/stages/s/coverage", "Stage s: coverage"),
        ("/stages/s/plan/query_classes", "Stage s: plan, query classes"),
        ("/switch/state", "Switch: state"),
    ],
)
def test_a_path_is_a_place(path, place):
    assert in_words(Edit(path, 1, 2)).place == place


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (Edit("/flags/X/default", False, True), ["-false", "+true"]),
        (Edit("/flags/X/default", None, "a"), ["-none", "+a"]),
        (Edit("/flags/X/owner", "", "me"), ["+me"]),
        (Edit("/stages/s/coverage", 5, 12.5), ["-5 %", "+12.5 %"]),
        (Edit("/stages/s/plan/teams", ["a", "b"], ["b", "c"]), ["-a", " b", "+c"]),
        (
            Edit("/stages/s/plan/caps", {"A_B": 2}, {"A_B": 2, "C": 1}),
            [" A_B: 2", "+C: 1"],
        ),
        (
            Edit("/flags/X/prerequisites", [], [{"flag": "Y", "values": [True, 3]}]),
            ["+Y is true or 3"],
        ),
        (
            Edit(
                "/segments/s",
                ABSENT,
                {"description": "who", "conditions": [is_team("a")]},
            ),
            ["+description: who", "+conditions: team equals a"],
        ),
    ],
)
def test_what_changes_stands_line_by_line(edit, lines):
    assert said(edit) == lines


def test_a_rule_that_stays_is_not_told_as_new():
    first, second = a_rule(1, is_team("a")), a_rule(2, is_team("b"), percentage=50)

    edit = Edit("/flags/X/rules", [first], [second, first])

    assert said(edit) == ["+team equals b, 50 % of them → 2", " team equals a → 1"]


def test_addresses_lose_their_credentials_wherever_they_stand():
    secret = "https://me:hunter2@a.example"
    rule = a_rule(secret, {"attribute": "from", "operator": "equals", "value": secret})
    split = a_rule(variants=[{"name": "a", "value": secret, "weight": 100}])

    for words in (rule_in_words(rule), rule_in_words(split)):
        assert "https://a.example" in words
        assert "hunter2" not in words


def test_every_edit_of_a_configuration_can_be_said():
    segment = {"description": "", "conditions": [is_team("a")]}
    old = a_configuration()
    new = a_configuration(
        ("add", "/segments/friends", segment),
        ("replace", "/flags/PAI_DR_CLI_NO_WEB/rules", [a_rule(True, is_team("a"))]),
        ("remove", "/flags/PAI_DR_CLI_RUNS_ROOT", None),
        ("replace", "/stages/broad-rollout/coverage", 25),
        ("replace", "/stages/broad-rollout/plan/floor", None),
    )

    for edit in [*difference(old, new), *difference(new, old)]:
        assert in_words(edit).lines, edit.path
