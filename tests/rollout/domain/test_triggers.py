"""Facts in; which triggers fire, and which one acts, out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.baseline import TRIGGERS
from rollout.domain.triggers import (
    LADDER,
    RULES,
    SETTINGS,
    Action,
    Facts,
    Outcome,
    Trigger,
    TriggerKind,
    consider,
    in_a_row,
    is_as_strict,
    troubles,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY_KIND = {each.kind: each for each in TRIGGERS}
A_MINUTE_AGO = NOW - timedelta(minutes=1)
LONG_AGO = NOW - timedelta(hours=2)

# For each kind: what is just too little for the baseline's trigger, and what is enough.
TABLE = {
    TriggerKind.HARD_GATE_FAILED: ({}, {"failed_gates": ("B",)}),
    TriggerKind.CITATIONS_FAILING: (
        {"citations_passed": 9, "citations_failed": 1},
        {"citations_passed": 8, "citations_failed": 2},
    ),
    TriggerKind.OUTPUTS_UNPARSEABLE: (
        {"parseable_rate": 0.80},
        {"parseable_rate": 0.79},
    ),
    TriggerKind.RUN_HUNG: ({}, {"hung_in": "wave1"}),
    TriggerKind.PROVIDER_FAILING: ({"provider_failures": 1}, {"provider_failures": 2}),
    TriggerKind.SOURCES_BLOCKED: ({"blocked_sources": 2}, {"blocked_sources": 3}),
    TriggerKind.WEB_EXPOSED: ({}, {"web_exposure": "NO_WEB is off."}),
    TriggerKind.CONFLICTS_PERSIST: (
        {"conflicts": (A_MINUTE_AGO, A_MINUTE_AGO, LONG_AGO)},
        {"conflicts": (A_MINUTE_AGO, A_MINUTE_AGO, NOW)},
    ),
    TriggerKind.VERIFICATION_FAILED: ({}, {"failed_verification": "fallback path"}),
    TriggerKind.SAMPLE_RATIO_OFF: ({}, {"ratio_alarm": "The share is off."}),
    TriggerKind.DEGRADED_LATE: ({}, {"degradation": "Gate A."}),
    TriggerKind.STATISTICS_AGAINST: ({}, {"suspicion": "Gate A."}),
}

triggers = st.lists(
    st.builds(
        replace,
        st.sampled_from(TRIGGERS),
        action=st.sampled_from(Action),
        is_dry_run=st.booleans(),
        cooldown_s=st.integers(0, 7200),
    ),
    unique_by=lambda each: each.key,
)
known = st.builds(
    Facts,
    now=st.just(NOW),
    failed_gates=st.sampled_from([(), ("A",), ("B", "C")]),
    rolls_back_on_hard_failure=st.booleans(),
    citations_passed=st.integers(0, 30),
    citations_failed=st.integers(0, 30),
    parseable_rate=st.none() | st.floats(0, 1),
    hung_in=st.sampled_from(["", "wave1"]),
    provider_failures=st.integers(0, 4),
    blocked_sources=st.integers(0, 9),
    web_exposure=st.sampled_from(["", "on"]),
    conflicts=st.lists(
        st.integers(0, 30).map(lambda s: NOW - timedelta(seconds=s)), max_size=9
    ).map(tuple),
    suspicion=st.sampled_from(["", "bad"]),
)
lasts = st.dictionaries(
    st.sampled_from([each.key for each in TRIGGERS]),
    st.integers(0, 10_000).map(lambda s: NOW - timedelta(seconds=s)),
)


def fired(facts: Facts, *some: Trigger, **what) -> list[tuple[str, Outcome | None]]:
    found = consider(some or TRIGGERS, facts, **what)
    return [(each.trigger.key, each.outcome) for each in found]


def test_the_table_knows_every_kind():
    assert set(TABLE) == set(RULES) == set(BY_KIND) == set(TriggerKind)


@pytest.mark.parametrize("kind", TriggerKind)
def test_each_kind_fires_at_its_limit_and_not_before(kind):
    too_little, enough = TABLE[kind]

    assert fired(Facts(now=NOW, **too_little)) == []
    assert fired(Facts(now=NOW, **enough)) == [(BY_KIND[kind].key, None)]


@pytest.mark.parametrize("kind", TriggerKind)
def test_a_trigger_has_the_settings_that_its_kind_needs_and_no_others(kind):
    ships = BY_KIND[kind]
    assert list(troubles(ships)) == []

    for name in SETTINGS:
        had = getattr(ships, name)
        wrong = replace(ships, **{name: 1 if had is None else None})
        assert [place for place, _ in troubles(wrong)] == [f"/{name}"]


def test_too_few_runs_say_nothing_about_citations():
    assert fired(Facts(now=NOW, citations_failed=9)) == []
    assert fired(Facts(now=NOW, citations_failed=10)) == [("citations-failing", None)]


def test_what_a_failed_gate_does_is_what_the_plan_says_or_more():
    facts = Facts(now=NOW, failed_gates=("A",), rolls_back_on_hard_failure=True)
    trigger = BY_KIND[TriggerKind.HARD_GATE_FAILED]
    off = replace(trigger, action=Action.SWITCH_OFF)

    assert consider([trigger], facts)[0].action == Action.ROLL_BACK
    assert consider([off], facts)[0].action == Action.SWITCH_OFF
    counts = replace(facts, rolls_back_on_hard_failure=False)
    assert consider([trigger], counts)[0].action == Action.NOTIFY


def test_the_strongest_acts_and_the_others_are_outranked():
    facts = Facts(now=NOW, hung_in="wave1", provider_failures=2, blocked_sources=3)

    assert fired(facts) == [
        ("silent-hang", None),
        ("provider-failing", Outcome.OUTRANKED),
        ("sources-blocked", Outcome.OUTRANKED),
    ]


def test_a_dry_run_does_not_stand_in_the_way_of_what_would_act():
    hang, provider = (
        BY_KIND[TriggerKind.RUN_HUNG],
        BY_KIND[TriggerKind.PROVIDER_FAILING],
    )
    facts = Facts(now=NOW, hung_in="wave1", provider_failures=2)

    assert fired(facts, replace(hang, is_dry_run=True), provider) == [
        ("provider-failing", None),
        ("silent-hang", Outcome.DRY_RUN),
    ]


def test_a_trigger_rests_until_its_cooldown_is_over():
    trigger = replace(BY_KIND[TriggerKind.PROVIDER_FAILING], cooldown_s=60)
    facts = Facts(now=NOW, provider_failures=2)

    for seconds, outcome in ((59, Outcome.COOLING_DOWN), (60, None)):
        last = {trigger.key: NOW - timedelta(seconds=seconds)}
        assert fired(facts, trigger, last=last) == [(trigger.key, outcome)]


@given(triggers, known, lasts)
def test_at_most_one_acts_and_none_that_could_is_stronger(some, facts, last):
    found = consider(some, facts, last=last)

    acting = [each for each in found if each.outcome is None]
    assert len(acting) <= 1
    able = [e for e in found if e.outcome in (None, Outcome.OUTRANKED)]
    assert bool(able) == bool(acting)
    if acting:
        strongest = max(LADDER.index(each.action) for each in able)
        assert LADDER.index(acting[0].action) == strongest
        assert not acting[0].trigger.is_dry_run
    assert len({each.trigger.key for each in found}) == len(found)


@given(triggers, known, lasts, st.randoms())
def test_the_order_of_the_triggers_decides_nothing(some, facts, last, random):
    shuffled = random.sample(some, len(some))

    assert consider(some, facts, last=last) == consider(shuffled, facts, last=last)


@given(triggers, known, lasts)
def test_what_has_fired_about_a_subject_never_fires_about_it_again(some, facts, last):
    first = consider(some, facts, last=last)

    fired = {each.trigger.key: each.outcome or Outcome.DONE for each in first}
    assert not consider(some, facts, fired=fired, last=last)


def test_what_only_rested_fires_about_the_same_subject_when_it_has_rested():
    trigger = replace(BY_KIND[TriggerKind.PROVIDER_FAILING], cooldown_s=60)
    facts = Facts(now=NOW, provider_failures=2)
    before = {trigger.key: Outcome.COOLING_DOWN}

    for seconds, outcomes in ((59, []), (60, [(trigger.key, None)])):
        last = {trigger.key: NOW - timedelta(seconds=seconds)}
        assert fired(facts, trigger, last=last, fired=before) == outcomes


def settings_of(kind):
    rate, count = st.floats(0, 1), st.integers(1, 20)
    needed, _ = RULES[kind]
    return {
        **{name: rate if name == "threshold" else count for name in needed},
        "cooldown_s": count,
        "is_dry_run": st.booleans(),
        "action": st.sampled_from(Action),
    }


@given(st.sampled_from(TriggerKind), st.data(), known)
def test_a_stricter_setting_never_fires_less(kind, data, facts):
    possible = settings_of(kind)
    before = replace(BY_KIND[kind], **data.draw(st.fixed_dictionaries(possible)))
    name = data.draw(st.sampled_from(sorted(possible)))
    after = replace(before, **{name: data.draw(possible[name])})
    if not is_as_strict(name, kind, getattr(before, name), getattr(after, name)):
        before, after = after, before
    if not is_as_strict(name, kind, getattr(before, name), getattr(after, name)):
        return  # another kind of value: always looked at
    last = {before.key: NOW - timedelta(seconds=10)}
    loose, strict = (consider([each], facts, last=last) for each in (before, after))

    assert len(strict) >= len(loose)
    for less, more in zip(loose, strict, strict=False):
        assert less.outcome is not None or more.outcome is None
        assert LADDER.index(more.action) >= LADDER.index(less.action)


def test_a_trigger_is_the_same_after_it_was_stored():
    for each in TRIGGERS:
        assert Trigger.from_json(each.key, each.to_json()) == each


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], 0),
        ([(True, 1), (True, 1)], 2),
        ([(False, 0), (True, 1), (False, 0), (False, 1)], 2),  # open: says nothing
        ([(True, 1), (True, 0), (True, 5)], 1),
        ([(True, 2)], 2),
    ],
)
def test_what_went_well_ends_a_row_of_provider_failures(runs, expected):
    assert in_a_row(runs) == expected
