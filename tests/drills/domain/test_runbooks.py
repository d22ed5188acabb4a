"""A runbook is Markdown whose numbered items are steps of a kind each."""

from datetime import UTC, datetime, timedelta

import pytest

from drills.domain.baseline import ROWS
from drills.domain.baseline_runbooks import RUNBOOKS
from drills.domain.runbooks import (
    FRESH_FOR,
    LONGEST_BODY,
    Freshness,
    StepKind,
    check_step,
    freshness,
    read,
)
from drills.domain.scenarios import Scenario
from portal.errors import Invalid, NotFound

BODY = """\
What it is for.

## First

1. **Check:** Is it there?
   - a detail
2. **Wait 2 min:** For it.

## Then

1. **Command:** Type this:

   ```
   ls -l
   ```
2. **Act:** [Do it](/admin/rollout/switch/).
"""
SAID = {"title": "A runbook", "body": BODY, "rows": ["silent-hang"], "scenarios": []}
NOW = datetime(2026, 11, 17, tzinfo=UTC)


def test_steps_count_through_all_lists_and_know_their_kind_and_section():
    steps = read(SAID).steps

    assert [(s.number, s.kind, s.section, s.wait_s) for s in steps] == [
        (1, StepKind.CHECK, "First", None),
        (2, StepKind.WAIT, "First", 120),
        (3, StepKind.COMMAND, "Then", None),
        (4, StepKind.ACT, "Then", None),
    ]
    assert steps[0].text == "**Check:** Is it there?\n- a detail"
    assert steps[2].text == "**Command:** Type this:\n\n```\nls -l\n```"


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("Look.", "step 1 does not begin with its kind"),
        ("Check: look.", "step 1 does not begin with its kind"),
        ("**Guess:** it.", "step 1 does not begin with its kind"),
        ("**Command:** Type it.", "step 1 is a command, and has none as code"),
        ("**Act:** Do it.", "no link to a page of this portal"),
        ("**Act:** [Do](https://example.org/).", "no link to a page of this portal"),
        ("**Wait:** For it.", "step 1 does not begin with its kind"),
        ("", "step 1 does not begin with its kind"),
    ],
)
def test_a_step_says_its_kind_and_has_what_that_takes(item, says):
    with pytest.raises(Invalid) as refused:
        read({**SAID, "body": f"1. {item}\n"})

    assert says in refused.value.facts["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "x" * 121}, "/title"),
        ({"title": "a\nb"}, "/title"),
        ({"title": 3}, "/title"),
        ({"body": "No steps.\n"}, "/body"),
        ({"body": "x" * (LONGEST_BODY + 1)}, "/body"),
        ({"body": "1. **Check:** \x00\n"}, "/body"),
        ({"body": "1. **Check:** x\n" * 61}, "/body"),
        ({"rows": "silent-hang"}, "/rows"),
        ({"rows": ["No Row"]}, "/rows/0"),
        ({"rows": ["a-row", "a-row"]}, "/rows/1"),
        ({"scenarios": ["swim"]}, "/scenarios/0"),
        ({"scenarios": [{}]}, "/scenarios/0"),
        ({"more": 1}, "/more"),
    ],
)
def test_what_is_no_runbook_is_refused_with_every_place(change, pointer):
    with pytest.raises(Invalid) as refused:
        read({**SAID, **change})

    assert pointer in [each["pointer"] for each in refused.value.facts["errors"]]


def test_what_is_read_says_the_same_again():
    assert read(read(SAID).to_json()) == read(SAID)
    assert read({**SAID, "body": BODY.replace("\n", "\r\n")}) == read(SAID)


def test_what_ships_is_whole_and_covers_every_row_and_every_drill():
    rows, scenarios = set(), set()
    for key, runbook in RUNBOOKS.items():
        assert read(runbook.to_json()) == runbook, key
        assert [each.number for each in runbook.steps] == list(
            range(1, len(runbook.steps) + 1)
        )
        rows |= set(runbook.rows)
        scenarios |= set(runbook.scenarios)

    assert rows == set(ROWS)
    assert scenarios == set(Scenario)


def test_freshness_goes_by_the_last_use_of_the_present_wording():
    lately, long_ago = NOW - timedelta(days=1), NOW - FRESH_FOR - timedelta(days=1)

    assert freshness(None, 0, 1, NOW) == Freshness.UNTRIED
    assert freshness(lately, 1, 2, NOW) == Freshness.UNTRIED
    assert freshness(lately, 2, 2, NOW) == Freshness.FRESH
    assert freshness(long_ago, 2, 2, NOW) == Freshness.OLD


def test_only_steps_that_are_there_can_be_ticked():
    check_step(4, 4)
    for number in (0, 5):
        with pytest.raises(NotFound):
            check_step(number, 4)
