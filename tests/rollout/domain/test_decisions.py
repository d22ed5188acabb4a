import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain import baseline
from rollout.domain.contexts import Context, from_asked
from rollout.domain.decisions import Reason, decide
from rollout.domain.explanations import explain
from rollout.domain.flags import ENABLED, NO_WEB, WAVE1_AGENTS
from rollout.domain.snapshots import Snapshot, compile_snapshot, fingerprint, load
from rollout.domain.stages import StageState
from rollout.domain.switch import SwitchState

GOOD = {
    "run_id": "r1",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}


def content(
    *,
    switch: str = "released",
    opened: int | None = 0,
    state: str = "running",
    share: int = 10_000,
    is_admitting: bool = True,
    rules: dict | None = None,
    epoch: int = 1,
) -> dict:
    """The baseline's snapshot with one stage open."""
    return compile_snapshot(
        rollout="r",
        fallback_workflow="standard",
        salt="salt",
        switch=SwitchState(switch),
        epoch=epoch,
        stages=[
            {
                "key": key,
                "position": position,
                "state": state if position == opened else "ready",
                "is_admitting": is_admitting,
                "share": share,
                "attempt": 1,
                "plan": plan.to_json(),
            }
            for position, (key, _, plan) in enumerate(baseline.STAGES)
        ],
        flags=[
            {"key": spec.key, "rules": (rules or {}).get(spec.key, [])}
            | baseline.flag_row(spec)
            for spec, _ in baseline.FLAGS
        ],
    )


def a_snapshot(**facts) -> Snapshot:
    return load(content(**facts))


def a_rule(value, **conditions) -> dict:
    return {
        "conditions": [
            {"attribute": name, "operator": "equals", "value": wanted}
            for name, wanted in conditions.items()
        ],
        "value": value,
        "share": None,
    }


def test_an_admitted_run_gets_option_c_within_the_caps_of_its_stage():
    decision = decide(a_snapshot(), from_asked(GOOD))

    assert (decision.workflow, decision.reason) == ("option_c", Reason.ADMITTED)
    assert decision.flags[ENABLED] is True
    assert decision.flags[WAVE1_AGENTS] == 2
    assert decision.flags[NO_WEB] is True
    assert decision.constraints == {
        "sensitivity": "no_web",
        "no_web": True,
        "caps": {
            "PAI_DR_CLI_MAX_WAVE1_AGENTS": 2,
            "PAI_DR_CLI_MAX_WAVE2_AGENTS": 2,
        },
    }


@pytest.mark.parametrize(
    ("facts", "asked", "is_final", "reason"),
    [
        ({"switch": "engaged", "opened": None}, {}, True, Reason.KILL_SWITCH),
        ({"opened": None}, {"team": "nobody"}, True, Reason.RUN_FINAL),
        ({"opened": None}, {"team": "nobody"}, False, Reason.NOT_STARTED),
        ({"is_admitting": False}, {"team": "nobody"}, False, Reason.NOT_ADMITTED),
        ({"is_admitting": False, "share": 0}, {}, False, Reason.STAGE_PAUSED),
        ({"share": 0}, {}, False, Reason.OUT_OF_COVERAGE),
        ({}, {}, False, Reason.ADMITTED),
    ],
)
def test_the_first_reason_that_applies_decides(facts, asked, is_final, reason):
    context = from_asked(GOOD | asked, is_final=is_final)

    decision = decide(a_snapshot(**facts), context)

    assert decision.reason == reason
    assert decision.flags[ENABLED] is (reason == Reason.ADMITTED)


@pytest.mark.parametrize(
    "asked",
    [
        {"team": "gamma"},
        {"team": None},
        {"mode": "deep"},
        {"query_class": "unheard_of"},
        {"sensitivity": "restricted"},
        {"sensitivity": "whatever"},
    ],
)
def test_whoever_is_outside_the_stage_gets_the_standard_workflow(asked):
    decision = decide(a_snapshot(), from_asked(GOOD | asked))

    assert (decision.workflow, decision.reason) == ("standard", Reason.NOT_ADMITTED)
    assert [miss["respect"] for miss in decision.not_admitted] == list(asked)


def test_without_a_sensitivity_the_stages_own_is_forced():
    decision = decide(a_snapshot(), from_asked(GOOD | {"sensitivity": None}))

    assert decision.constraints["sensitivity"] == "no_web"


def test_the_sandbox_is_an_environment():
    asked = GOOD | {"query_class": "web_research", "sensitivity": "normal"}
    snapshot = a_snapshot(opened=2)

    outside = decide(snapshot, from_asked(asked))
    inside = decide(snapshot, from_asked(asked | {"environment": "sandbox"}))

    assert outside.reason == Reason.NOT_ADMITTED
    assert inside.reason == Reason.ADMITTED


def test_the_first_matching_rule_gives_the_value_and_the_stricter_cap_wins():
    rules = {WAVE1_AGENTS: [a_rule(1, team="alpha"), a_rule(40, mode="standard")]}

    alpha = decide(a_snapshot(rules=rules), from_asked(GOOD))
    beta = decide(a_snapshot(rules=rules), from_asked(GOOD | {"team": "beta"}))

    assert alpha.flags[WAVE1_AGENTS] == 1
    assert alpha.flag_reasons[WAVE1_AGENTS] == ["DEFAULT", "RULE_1"]
    assert beta.flags[WAVE1_AGENTS] == 2
    assert beta.flag_reasons[WAVE1_AGENTS] == ["DEFAULT", "RULE_2", "STAGE"]


@pytest.mark.parametrize(
    ("key", "value", "effective"),
    [
        (NO_WEB, False, True),
        (NO_WEB, 0, True),
        (NO_WEB, -5, True),
        (NO_WEB, "no", True),
        (WAVE1_AGENTS, True, 2),
        (WAVE1_AGENTS, "9", 2),
        (WAVE1_AGENTS, -3, 1),
        (WAVE1_AGENTS, 10**6, 2),
    ],
)
def test_no_rule_gets_past_what_the_stage_forces(key, value, effective):
    snapshot = a_snapshot(rules={key: [a_rule(value)]})

    decision = decide(snapshot, from_asked(GOOD))

    assert decision.flags[key] == effective
    assert type(decision.flags[key]) is type(effective)


def test_rules_have_no_say_in_whether_a_run_is_let_in():
    snapshot = a_snapshot(opened=None, rules={ENABLED: [a_rule(True)]})

    assert decide(snapshot, from_asked(GOOD)).flags[ENABLED] is False


words = st.sampled_from(["alpha", "beta", "gamma", "standard", "deep", "x"])
contexts = st.builds(
    Context,
    run_id=st.text("abcdef0123456789", min_size=1, max_size=12),
    targeting_key=st.text("abc", max_size=6),
    team=st.none() | words,
    mode=st.none() | words,
    query_class=st.none() | st.sampled_from(["fixture_replay", "web_research", "x"]),
    sensitivity=st.none() | st.sampled_from(["no_web", "restricted", "normal", "x"]),
    environment=st.none() | st.sampled_from(["sandbox", "x"]),
    is_final=st.booleans(),
)
values = st.booleans() | st.integers(-100, 200_000) | st.none() | words
contents = st.builds(
    content,
    switch=st.sampled_from([str(state) for state in SwitchState]),
    opened=st.none() | st.integers(0, 3),
    state=st.sampled_from(["running", "holding", "promotable"]),
    share=st.integers(0, 10_000),
    is_admitting=st.booleans(),
    rules=st.dictionaries(
        st.sampled_from([spec.key for spec, _ in baseline.FLAGS]),
        st.lists(st.builds(a_rule, values, team=words), max_size=2),
        max_size=4,
    ),
)


@given(contents, contexts)
@settings(max_examples=150)
def test_while_the_switch_is_engaged_nobody_gets_option_c(raw, context):
    engaged = raw | {"switch": {"state": "engaged", "epoch": 2}}

    decision = decide(load(engaged), context)

    assert decision.reason == Reason.KILL_SWITCH
    assert decision.flags[ENABLED] is False


@given(contents, contexts)
@settings(max_examples=150)
def test_a_decision_survives_writing_and_reading_everything(raw, context):
    stored = json.loads(json.dumps([raw, context.to_json()]))

    again = decide(load(stored[0]), Context.from_json(stored[1]))

    assert again.answer() == decide(load(raw), context).answer()


@given(contents, contexts)
@settings(max_examples=150)
def test_every_effective_value_is_inside_its_clamp(raw, context):
    decision = decide(load(raw), context)

    for spec, _ in baseline.FLAGS:
        assert spec.clamp(decision.flags[spec.key]) == decision.flags[spec.key]


@given(contexts, st.integers(0, 10_000), st.integers(0, 10_000))
def test_widening_drops_nobody(context, one, other):
    narrow, wide = sorted([one, other])

    was_in = decide(a_snapshot(share=narrow), context).is_option_c
    is_in = decide(a_snapshot(share=wide), context).is_option_c

    assert is_in or not was_in


@given(contents, contexts)
def test_the_explanation_ends_where_the_decision_fell(raw, context):
    snapshot = load(raw)

    steps = explain(snapshot, context)

    decision = decide(snapshot, context)
    if decision.reason == Reason.ADMITTED:
        assert all(step["outcome"] == "go on" for step in steps)
    else:
        assert steps[-1]["check"] == decision.reason
        assert steps[-1]["outcome"] == "stop"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"run_id": ""},
        {"run_id": 7},
        {"run_id": "r", "team": ["a"]},
        {"run_id": "r" * 201},
        {"run_id": "r", "note": "x" * 501},
    ],
)
def test_a_context_that_cannot_be_taken_is_refused_with_pointers(asked):
    with pytest.raises(Invalid) as refusal:
        from_asked(asked)

    assert refusal.value.facts["errors"]


def test_a_fingerprint_moves_with_what_makes_old_evidence_irrelevant():
    def of(raw: dict, version: str = "1") -> str:
        return fingerprint(raw, stage_key="offline-baseline", system_version=version)

    base = of(content())
    other_rules = of(content(rules={WAVE1_AGENTS: [a_rule(1)]}))
    same = {
        of(content(share=17)),
        of(content(switch="engaged", epoch=9)),
        of(content(opened=1)),
        of(content(is_admitting=False)),
    }

    assert same == {base}
    assert len({base, other_rules, of(content(), version="2")}) == 3


def test_a_stage_that_is_no_longer_open_admits_nobody():
    for state in set(StageState) - {"running", "holding", "promotable"}:
        assert a_snapshot(state=str(state)).stage is None


def test_the_units_default_is_the_run():
    context = from_asked({"run_id": "r1"})

    assert context.unit == "r1"
    assert replace(context, targeting_key="team-7").unit == "team-7"
