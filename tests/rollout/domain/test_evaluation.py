"""What a flag is worth: rules, segments, variants and prerequisites together."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain.contexts import attributes, from_asked
from rollout.domain.decisions import decide
from rollout.domain.evaluation import evaluate
from rollout.domain.explanations import explain_flag
from rollout.domain.flags import ENABLED
from rollout.domain.ofrep import Answer, Evaluator, Failure
from rollout.domain.snapshots import Snapshot, compile_snapshot, load
from rollout.domain.switch import SwitchState
from tests.rollout.domain.test_decisions import GOOD, content

SEGMENTS = {"staff": [{"attribute": "team", "operator": "in", "value": ["alpha"]}]}


def a_flag(key: str, type: str = "integer", default: Any = 0, **facts: Any) -> dict:
    limits = {"minimum": None, "maximum": None, "options": [], "is_nullable": False}
    return limits | {"key": key, "type": type, "default": default, "rules": []} | facts


def a_rule(value: Any = None, *conditions: dict, **facts: Any) -> dict:
    return {"conditions": list(conditions), "value": value, "share": None} | facts


def team(name: str) -> dict:
    return {"attribute": "team", "operator": "equals", "value": name}


def needs(flag: str, *values: Any) -> dict:
    return {"flag": flag, "values": list(values)}


def a_snapshot(*flags: dict, **facts: Any) -> Snapshot:
    """Flags, the decision among them, with stage 0 open for `GOOD`."""
    base = content()
    enabled = next(flag for flag in base["flags"] if flag["key"] == ENABLED)
    return load(
        compile_snapshot(
            rollout="r",
            fallback_workflow="standard",
            salt="salt",
            switch=SwitchState.RELEASED,
            epoch=1,
            stages=base["stages"],
            flags=[enabled, *flags],
            segments=SEGMENTS,
            **facts,
        )
    )


def values(snapshot: Snapshot, **asked: Any) -> tuple[dict, dict]:
    context = from_asked(GOOD | asked)
    return evaluate(snapshot, context, is_enabled=decide(snapshot, context).is_option_c)


def test_a_rule_may_ask_for_a_segment():
    snapshot = a_snapshot(
        a_flag("A", rules=[a_rule(1, {"segment": "staff"}), a_rule(2)])
    )

    assert values(snapshot)[0]["A"] == 1
    assert values(snapshot, team="beta")[0]["A"] == 2


def test_a_variant_is_told_by_its_name_and_its_value_is_clamped():
    variants = [
        {"name": "few", "value": 3, "share": 5000},
        {"name": "many", "value": 99, "share": 5000},
    ]
    flag = a_flag("A", minimum=0, maximum=50, rules=[a_rule(None, variants=variants)])
    evaluator = Evaluator.of(a_snapshot(flag), 1)

    told = {evaluator.one("A", {"targetingKey": f"u{n}"})[1:4] for n in range(100)}

    # What is clamped is no longer the variant's value, and not told under its name.
    assert told == {(3, "few", "SPLIT"), (50, "rule_1", "SPLIT")}


def test_rules_count_only_while_the_prerequisite_is_met():
    rules = [a_rule(7)]
    snapshot = a_snapshot(
        a_flag("A", prerequisites=[needs("B", 1, 2)], rules=rules),
        a_flag("B", rules=[a_rule(1, team("alpha")), a_rule(5, team("beta"))]),
    )

    met, unmet = values(snapshot), values(snapshot, team="beta")

    assert (met[0]["A"], met[1]["A"]) == (7, ["DEFAULT", "RULE_1"])
    assert (unmet[0]["A"], unmet[1]["A"]) == (0, ["DEFAULT", "PREREQUISITE"])


def test_a_prerequisite_compares_types_too():
    snapshot = a_snapshot(
        a_flag("A", prerequisites=[needs("B", True)], rules=[a_rule(7)]),
        a_flag("B", default=1),
    )

    assert values(snapshot)[0]["A"] == 0


def test_prerequisites_are_followed_all_the_way_down():
    chain = [
        a_flag(f"F{n}", prerequisites=[needs(f"F{n + 1}", 1)], rules=[a_rule(1)])
        for n in range(20)
    ]
    last = a_flag("F20", rules=[a_rule(1, team("alpha"))])
    snapshot = a_snapshot(*chain, last)

    assert values(snapshot)[0]["F0"] == 1
    assert values(snapshot, team="beta")[0]["F0"] == 0


def test_a_prerequisite_may_be_the_decision_itself():
    snapshot = a_snapshot(
        a_flag("A", prerequisites=[needs(ENABLED, True)], rules=[a_rule(7)])
    )

    assert values(snapshot)[0]["A"] == 7
    assert values(snapshot, team="omega")[0]["A"] == 0
    expired = Evaluator.of(snapshot, 1).one("A", GOOD, is_expired=True)
    assert (expired.value, expired.why) == (0, "DEFAULT,PREREQUISITE")


def test_a_flag_fails_with_the_flag_that_it_needs_and_alone():
    half = a_flag("B", rules=[a_rule(1, share=5000)])
    snapshot = a_snapshot(
        a_flag("A", prerequisites=[needs("B", 1)], rules=[a_rule(7)]), half, a_flag("C")
    )
    nobody = {k: v for k, v in GOOD.items() if k != "run_id"}

    found = {each.key: each for each in Evaluator.of(snapshot, 1).all(nobody)}

    codes = {k for k, each in found.items() if isinstance(each, Failure)}
    assert codes == {"A", "B"}
    assert found["A"].code == "TARGETING_KEY_MISSING"


# Whole configurations, made at random

conditions = st.sampled_from(
    [
        team("alpha"),
        team("beta"),
        {"segment": "staff"},
        {"not_segment": "staff"},
        {"attribute": "age", "operator": "at_least", "value": 18},
    ]
)
split = st.sampled_from(
    [
        [
            {"name": "a", "value": 3, "share": 2500},
            {"name": "b", "value": 60, "share": 7500},
        ],
        [],
    ]
)
rules = st.lists(
    st.builds(
        lambda value, asked, share, variants: a_rule(
            value, *asked, share=share, **({"variants": variants} if variants else {})
        ),
        st.integers(-5, 70),
        st.lists(conditions, max_size=2),
        st.none() | st.integers(0, 10_000),
        split,
    ),
    max_size=3,
)
limits = st.sampled_from([{}, {"minimum": 0, "maximum": 50}])


@st.composite
def snapshots(draw) -> Snapshot:
    """Flags that need only later ones, so that none needs itself."""
    count = draw(st.integers(1, 5))
    return a_snapshot(
        *(
            a_flag(
                f"F{n}",
                rules=draw(rules),
                prerequisites=[
                    needs(f"F{other}", *draw(st.sets(st.integers(0, 4), min_size=1)))
                    for other in range(n + 1, count)
                    if draw(st.booleans())
                ],
                **draw(limits),
            )
            for n in range(count)
        )
    )


asked = st.fixed_dictionaries(
    {"run_id": st.text("abc123", min_size=1, max_size=6)},
    optional={
        "team": st.sampled_from(["alpha", "beta", "gamma", "", None]),
        "age": st.integers(0, 40),
        "sensitivity": st.sampled_from(["no_web", "normal"]),
        "targetingKey": st.text("xyz", max_size=3),
    },
)


@given(snapshots(), asked)
def test_an_explanation_agrees_with_the_value_and_says_what_gave_it(snapshot, said):
    context = from_asked(said)
    found, why = evaluate(
        snapshot, context, is_enabled=decide(snapshot, context).is_option_c
    )

    for flag in snapshot.flags:
        key = flag.spec.key
        if key == ENABLED:
            continue
        steps = explain_flag(snapshot, context, flag)
        gave = [step["check"] for step in steps if step["outcome"] == "stop"]
        matched = [each for each in why[key] if each.startswith("RULE_")]
        assert gave[0] == (matched[0] if matched else "DEFAULT")
        assert ("no rules" in {step["outcome"] for step in steps}) == (
            "PREREQUISITE" in why[key]
        )
        limited = [step for step in steps if step["outcome"] == "limit"]
        assert [step["check"] for step in limited] == [
            each for each in why[key] if each in {"STAGE", "CLAMPED"}
        ]
        assert all(step["says"].endswith(f"{found[key]}.") for step in limited)
        if not limited and not matched:
            assert steps[-1]["says"] == f"The default is {found[key]}."


@given(snapshots(), asked)
def test_clients_are_told_the_values_that_decisions_are_made_with(snapshot, said):
    context = from_asked(said)
    found, why = evaluate(
        snapshot, context, is_enabled=decide(snapshot, context).is_option_c
    )
    evaluator = Evaluator.of(snapshot, 1)

    for _ in range(2):  # the second time from what was kept
        told = {each.key: each for each in evaluator.all(said)}
        assert {key: each.value for key, each in told.items()} == found
        assert all(
            told[key].why == ",".join(why[key]) for key in told if key != ENABLED
        )
        assert all(evaluator.one(key, said) == each for key, each in told.items())


def test_an_explanation_goes_rule_by_rule():
    flag = a_flag(
        "A",
        prerequisites=[needs("B", 1)],
        rules=[
            a_rule(1, team("beta"), description="For beta"),
            a_rule(2, {"segment": "staff"}, share=10_000),
        ],
    )
    snapshot = a_snapshot(flag, a_flag("B", default=1))

    steps = explain_flag(snapshot, from_asked(GOOD), snapshot.by_key["A"])

    assert [(step["check"], step["outcome"]) for step in steps] == [
        ("PREREQUISITE", "go on"),
        ("RULE_1", "go on"),
        ("RULE_2", "stop"),
    ]
    assert steps[0]["says"] == "B is 1, as is needed."
    assert steps[1]["says"] == "For beta: team equals beta does not hold."
    assert steps[2]["says"].startswith("in the segment staff holds; bucket ")


def test_an_unmet_prerequisite_is_explained_with_what_it_needs():
    flag = a_flag("A", prerequisites=[needs("B", 1, 2)], rules=[a_rule(7)])
    snapshot = a_snapshot(flag, a_flag("B", default=5))

    steps = explain_flag(snapshot, from_asked(GOOD), snapshot.by_key["A"])

    assert steps == [
        {
            "check": "PREREQUISITE",
            "says": "B is 5; the rules need 1 or 2.",
            "outcome": "no rules",
        },
        {"check": "DEFAULT", "says": "The default is 0.", "outcome": "stop"},
    ]


# Contexts

anything = st.dictionaries(
    st.sampled_from(
        ["run_id", "targetingKey", "team", "mode", "sensitivity", "x", "y"]
    ),
    st.none() | st.integers() | st.text(max_size=5) | st.just("x" * 201),
)


@given(anything)
def test_rules_see_of_a_context_what_a_decision_records_of_it(said):
    has_trouble = (
        not isinstance(said.get("run_id"), str)
        or not 1 <= len(said["run_id"]) <= 200
        or any(isinstance(v, int) for k, v in said.items() if k not in {"x", "y"})
    )
    if has_trouble:
        for take in (from_asked, partial(attributes, needs_run=True)):
            with pytest.raises(Invalid):
                take(said)
        return

    found = attributes(said, needs_run=True)

    assert from_asked(said).asked() == found
    assert from_asked(found) == from_asked(said)
    assert found["targetingKey"] == (said.get("targetingKey") or said["run_id"])


def test_an_evaluator_answers_by_older_names_too():
    evaluator = Evaluator.of(load(content()), 1)

    found = evaluator.one("PAI_DR_NO_WEB", GOOD)

    assert isinstance(found, Answer)
    assert found.key == "PAI_DR_NO_WEB"
