"""What rules can ask of a context: operators, segments, shares and variants."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain.bucketing import BUCKETS
from rollout.domain.operators import OPERATORS
from rollout.domain.targeting import (
    Attributes,
    Rule,
    Variant,
    condition,
    conditions,
)

UNITS = [{"targetingKey": f"unit-{number}"} for number in range(10_000)]
SALT = "salt/FLAG"


def holds(operator: str, operand, found) -> bool:
    raw = {"attribute": "it", "operator": operator, "value": operand}
    return condition(raw).holds({"it": found})


# Per operator: an operand, what fulfils it, and what does not.
EXAMPLES = {
    "equals": (1, [1], [True, 1.0, "1", 2, [1]]),
    "not_equals": ("a", ["b", "", 1, ["a"]], ["a"]),
    "in": (["a", 1, True], ["a", 1, True], ["b", 1.0, False, ["a"], {"a": 1}]),
    "not_in": (["a", 1], ["b", True, ["a"]], ["a", 1]),
    "contains": ("b", ["abc", "b", ["a", "b"]], ["ac", ["abc"], 1, {"b": 1}]),
    "prefix": ("ab", ["ab", "abc"], ["cab", "AB", 1, ["ab"]]),
    "suffix": ("bc", ["bc", "abc"], ["bcd", "BC", 1, ["bc"]]),
    "matches": (r"^run-\d+$", ["run-7"], ["run-", "my run-7", 7, ["run-7"]]),
    "in_network": (
        ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
        ["10.1.2.3", "192.0.2.7", "2001:db8::1"],
        ["11.0.0.1", "192.0.2.8", "2001:db9::1", "ten", "10.0.0.0/8", 167772161],
    ),
    "below": (5, [4, 4.9, -1], [5, 6, "4", True]),
    "at_most": (5, [5, 4], [5.1, "5", False]),
    "at_least": (5, [5, 6.5], [4, "6", True]),
    "above": (0, [1, 0.1], [0, -1, True, "1"]),
    "semver_below": (
        "2.0.0",
        ["1.9.9", "2.0.0-rc.1", "v1.10.0"],
        ["2.0.0", "2.0.1", "2.0.0+build", "1.9", "two", 1],
    ),
    "semver_at_least": (
        "v1.10.0",
        ["1.10.0", "1.11.0", "v2.0.0", "1.10.0+build"],
        ["1.9.0", "1.10.0-rc.1", "1.10", 2],
    ),
    "before": (
        "2026-03-01T12:00:00Z",
        ["2026-03-01T11:59:59Z", "2026-03-01T13:00:00+02:00", "2026-02-28"],
        ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00", "tomorrow", 0],
    ),
    "not_before": (
        "2026-03-01",
        ["2026-03-01T00:00:00Z", "2026-03-01", "2027-01-01"],
        ["2026-02-28T23:59:59Z", "2026-03-01T01:00:00+02:00", "", 20260301],
    ),
}

MALFORMED = {
    "equals": [None, [], ["a"], {}],
    "not_equals": [None, ["a"], {}],
    "in": [None, "a", [], [["a"]], [None]],
    "not_in": [None, "a", [], [{}]],
    "contains": [None, "", 1, ["a"]],
    "prefix": ["", 1, None],
    "suffix": ["", 1, None],
    "matches": ["", "(", r"(a)\1", "(?=a)", "a" * 501, 1, None],
    "in_network": [[], "10.0.0.0/8", ["10.0.0.1/8"], ["ten"], [10], None],
    "below": ["5", True, None, [5]],
    "at_most": ["5", True, None],
    "at_least": ["5", True, None],
    "above": ["5", True, None],
    "semver_below": ["1.2", "one", "", 1, None],
    "semver_at_least": ["1.2", "1.2.3.4", 1, None],
    "before": ["soon", "", "2026-13-01", 20260101, None],
    "not_before": ["soon", "", "2026-02-30", None],
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_is_fulfilled_by_what_it_means_and_by_nothing_else(operator):
    operand, fulfils, fails = EXAMPLES[operator]

    assert [holds(operator, operand, found) for found in fulfils] == [True] * len(
        fulfils
    )
    assert [holds(operator, operand, found) for found in fails] == [False] * len(fails)
    assert not holds(operator, operand, None)


@pytest.mark.parametrize(
    ("operator", "operand"),
    [(name, operand) for name, operands in MALFORMED.items() for operand in operands],
)
def test_an_operand_that_makes_no_sense_is_refused_when_it_is_written(
    operator, operand
):
    with pytest.raises(Invalid) as refusal:
        holds(operator, operand, "anything")

    assert refusal.value.code == "RULE_INVALID"


def test_every_operator_has_examples_and_counter_examples():
    assert set(EXAMPLES) == set(MALFORMED) == set(OPERATORS)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(OPERATORS)), json)
def test_whatever_a_context_holds_a_test_answers(operator, found):
    assert holds(operator, EXAMPLES[operator][0], found) in (True, False)


@given(json)
def test_an_operator_and_its_opposite_never_agree_on_what_is_there(found):
    for name in ("equals", "in"):
        operand = EXAMPLES[name][0]
        is_one, is_other = (
            holds(name, operand, found),
            holds(f"not_{name}", operand, found),
        )
        assert is_one + is_other == (found is not None)


@given(st.integers() | st.floats(allow_nan=False), st.integers())
def test_every_number_is_on_exactly_one_side_of_a_bound(found, bound):
    assert holds("below", bound, found) != holds("at_least", bound, found)
    assert holds("above", bound, found) != holds("at_most", bound, found)


@given(st.datetimes(), st.datetimes())
def test_a_moment_is_before_another_or_not(found, bound):
    texts = bound.isoformat(), found.isoformat()
    assert holds("before", *texts) == (found < bound)
    assert holds("not_before", *texts) == (found >= bound)


def test_an_expression_takes_time_in_proportion_to_the_text():
    assert not holds("matches", "(a+)+$", "a" * 10_000 + "b")


# Segments

STAFF = [
    {"attribute": "team", "operator": "in", "value": ["alpha", "beta"]},
    {"attribute": "mode", "operator": "equals", "value": "deep"},
]


def test_a_segment_holds_for_who_fulfils_all_of_it_and_its_opposite_for_the_rest():
    segments = {"staff": conditions(STAFF)}
    is_in = condition({"segment": "staff"}, segments=segments)
    is_out = condition({"not_segment": "staff"}, segments=segments)

    def sides(**attributes: str) -> tuple[bool, bool]:
        return is_in.holds(attributes), is_out.holds(attributes)

    assert sides(team="alpha", mode="deep") == (True, False)
    assert sides(team="alpha", mode="quick") == (False, True)
    assert sides(team="gamma", mode="deep") == (False, True)
    assert sides() == (False, True)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ({"segment": "nobody"}, {}),
        ({"segment": "staff"}, None),
        ({"segment": "staff", "attribute": "team"}, {"staff": ()}),
        ({"segment": "staff", "not_segment": "staff"}, {"staff": ()}),
    ],
)
def test_a_segment_that_is_not_there_or_not_alone_is_refused(raw, segments):
    with pytest.raises(Invalid) as refusal:
        condition(raw, segments=segments)

    assert refusal.value.code == "RULE_INVALID"


def test_conditions_say_themselves_in_words():
    said = [*map(str, conditions(STAFF))]
    segments = {"staff": conditions(STAFF)}

    assert said == ["team in alpha, beta", "mode equals deep"]
    assert str(condition({"not_segment": "staff"}, segments=segments)) == (
        "not in the segment staff"
    )


# Shares and variants


def a_split(*shares: int) -> Rule:
    return Rule(
        (), variants=tuple(Variant(f"v{n}", n, s) for n, s in enumerate(shares))
    )


def variants_of(rule: Rule, salt: str = SALT) -> list[str]:
    return [rule.variant(unit, salt=salt).name for unit in UNITS]


@pytest.mark.parametrize("shares", [(5000, 5000), (1000, 2000, 7000), (1, 9999)])
def test_variants_get_the_shares_that_they_are_given(shares):
    found = Counter(variants_of(a_split(*shares)))

    for number, share in enumerate(shares):
        # Five standard deviations of a binomial with 10,000 trials: never by chance.
        spread = 5 * (share * (BUCKETS - share) / BUCKETS) ** 0.5
        assert abs(found[f"v{number}"] - share) <= spread


def test_a_unit_keeps_its_variant_while_the_weights_stay():
    rule = a_split(3000, 7000)

    assert variants_of(rule) == variants_of(a_split(3000, 7000))
    assert variants_of(rule) != variants_of(rule, salt="salt/OTHER")


def test_a_heavier_first_variant_keeps_all_that_it_had():
    before, after = variants_of(a_split(3000, 7000)), variants_of(a_split(4000, 6000))

    moved = {(old, new) for old, new in zip(before, after, strict=True) if old != new}
    assert moved == {("v1", "v0")}


def test_who_is_in_and_which_variant_are_drawn_independently():
    half = Rule((), share=5000, variants=a_split(5000, 5000).variants)
    inside = [unit for unit in UNITS if half.matches(unit, salt=SALT)]

    found = Counter(half.variant(unit, salt=SALT).name for unit in inside)

    assert abs(len(inside) - 5000) < 250
    assert abs(found["v0"] / len(inside) - 0.5) < 0.04


@given(st.integers(0, BUCKETS), st.integers(0, BUCKETS), st.text(min_size=1))
def test_widening_drops_nobody(one, other, unit):
    narrow, wide = sorted((one, other))
    attributes: Attributes = {"targetingKey": unit}

    if Rule((), share=narrow).matches(attributes, salt=SALT):
        assert Rule((), share=wide).matches(attributes, salt=SALT)


@pytest.mark.parametrize("attributes", [{}, {"targetingKey": ""}])
def test_without_a_unit_what_needs_a_bucket_is_refused(attributes):
    for act in (Rule((), share=1).matches, a_split(BUCKETS).variant):
        with pytest.raises(Invalid) as refusal:
            act(attributes, salt=SALT)
        assert refusal.value.code == "TARGETING_KEY_MISSING"


def test_conditions_are_looked_at_before_the_bucket():
    alpha = conditions([{"attribute": "team", "operator": "equals", "value": "alpha"}])

    assert not Rule(alpha, share=1).matches({"team": "beta"}, salt=SALT)
