"""What an installation's settings file says."""

import json
import os

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain import baseline
from rollout.domain.contexts import Context
from rollout.domain.decisions import decide
from rollout.domain.flags import ENABLED, NO_WEB, WAVE1_AGENTS
from rollout.domain.schemas import MODES
from rollout.domain.settings_export import placed, settings_export
from rollout.domain.snapshots import Snapshot, load
from tests.rollout.domain.test_decisions import a_rule, a_snapshot, content

APIFY = "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"
RUNS_ROOT = "PAI_DR_CLI_RUNS_ROOT"
CLASSES = sorted(
    {each for _, _, plan in baseline.STAGES for each in plan.query_classes}
)


def with_default(key: str, value: object, **facts) -> Snapshot:
    """The baseline, with whatever default for one flag, checked by nobody."""
    raw = content(**facts)
    next(flag for flag in raw["flags"] if flag["key"] == key)["default"] = value
    return load(raw)


def test_an_installation_of_a_canary_team_gets_the_caps_of_the_stage():
    found = settings_export(a_snapshot(), team="alpha")

    assert found == {
        "PAI_DR_CLI_ENABLED": True,
        "PAI_DR_CLI_MODE_DEFAULT": "standard",
        "PAI_DR_CLI_MAX_WAVE1_AGENTS": 2,
        "PAI_DR_CLI_MAX_WAVE2_AGENTS": 2,
        "PAI_DR_CLI_MAX_SUMMARY_KB": 5,
        "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB": 60,
        "PAI_DR_CLI_MAX_REVIEW_ITERATIONS": 4,
        "PAI_DR_CLI_CITATION_VALIDATION_TIER": "standard",
        "PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT": None,
        "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT": None,
        "PAI_DR_CLI_NO_WEB": True,
    }


@pytest.mark.parametrize(
    "facts",
    [
        {"switch": "engaged"},
        {"opened": None},
        {"is_admitting": False},
        {"share": 0},
        {"team": "omega"},
        {"team": None},
        {"opened": 2},  # in the sandbox only
    ],
)
def test_it_is_off_for_whom_no_run_could_be_admitted(facts):
    installation = {"team": facts.pop("team", "alpha")}

    assert settings_export(a_snapshot(**facts), **installation)[ENABLED] is False


def test_the_environment_is_the_installations():
    sandboxed = a_snapshot(opened=2)

    assert settings_export(sandboxed, team="alpha", environment="sandbox")[ENABLED]
    assert not settings_export(sandboxed, team="alpha", environment="lab")[ENABLED]


def test_where_a_stage_admits_any_nothing_need_be_known():
    assert settings_export(a_snapshot(opened=3))[ENABLED] is True


@given(
    opened=st.sampled_from([None, 0, 1, 2, 3]),
    switch=st.sampled_from(["released", "engaged"]),
    share=st.sampled_from([0, 5000, 10_000]),
    is_admitting=st.booleans(),
    team=st.sampled_from([None, "alpha", "gamma", "omega"]),
    environment=st.sampled_from([None, "sandbox", "lab"]),
)
def test_it_is_on_exactly_when_some_run_there_would_be_admitted(
    team, environment, **facts
):
    snapshot = a_snapshot(**facts)
    runs = [
        Context(
            f"run-{number}",
            team=team,
            environment=environment,
            mode=mode,
            query_class=query_class,
        )
        for mode in MODES
        for query_class in CLASSES
        for number in range(4)  # of half a coverage, one of many is in
    ]

    could = any(decide(snapshot, run).is_option_c for run in runs)

    found = settings_export(snapshot, team=team, environment=environment)
    assert found[ENABLED] is could


def test_rules_count_and_the_stage_still_has_the_last_word():
    rules = {
        WAVE1_AGENTS: [a_rule(5, team="gamma"), a_rule(1, team="alpha")],
        "PAI_DR_CLI_MAX_SUMMARY_KB": [a_rule(7, team="alpha")],
        NO_WEB: [a_rule(False, team="alpha")],
    }
    snapshot = a_snapshot(opened=1, rules=rules)

    alpha, gamma = (settings_export(snapshot, team=team) for team in ("alpha", "gamma"))

    assert (alpha[WAVE1_AGENTS], gamma[WAVE1_AGENTS]) == (1, 4)
    assert (alpha["PAI_DR_CLI_MAX_SUMMARY_KB"], alpha[NO_WEB]) == (7, True)


def test_what_takes_a_run_to_know_keeps_its_default():
    rules = {"PAI_DR_CLI_MAX_SUMMARY_KB": [a_rule(9, team="alpha") | {"share": 9999}]}

    found = settings_export(a_snapshot(rules=rules), team="alpha")

    assert found["PAI_DR_CLI_MAX_SUMMARY_KB"] == 5


@pytest.mark.parametrize(
    ("key", "value", "is_there"),
    [
        (RUNS_ROOT, "~/runs", False),
        (RUNS_ROOT, "/srv/runs", True),
        (APIFY, "https://fetch.example/v2", True),
        (APIFY, "https://somebody:secret@fetch.example/v2", False),
        (APIFY, "https://fetch.example/v2?token=abcdef", False),
    ],
)
def test_home_folders_and_secrets_are_left_out(key, value, is_there):
    found = settings_export(with_default(key, value), team="alpha")

    assert found.get(key) == (value if is_there else None)
    assert (key in found) is is_there


def test_the_switch_is_there_whatever_flags_there_are():
    bare = load(content() | {"flags": []})

    assert settings_export(bare, team="alpha") == {ENABLED: True}
    assert settings_export(bare, team="omega") == {ENABLED: False}


def test_flags_that_the_research_system_does_not_know_stay_here():
    raw = content()
    raw["flags"].append(raw["flags"][0] | {"key": "PORTAL_ONLY"})

    assert "PORTAL_ONLY" not in settings_export(load(raw), team="alpha")


SOME_TEXT = st.text(alphabet="~/@:.a Deep", max_size=8)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | SOME_TEXT


@given(
    values=st.fixed_dictionaries(
        {}, optional={spec.key: ANYTHING for spec, _ in baseline.FLAGS}
    ),
    opened=st.sampled_from([None, 0, 3]),
)
def test_whatever_flags_hold_only_what_they_can_be_gets_out(values, opened):
    raw = content(opened=opened)
    for flag in raw["flags"]:
        flag["default"] = values.get(flag["key"], flag["default"])

    found = settings_export(load(raw), team="alpha")

    specs = {spec.key: spec for spec, _ in baseline.FLAGS}
    assert found.keys() <= specs.keys()
    for key, value in found.items():
        assert specs[key].check(value) is value
    assert not str(found.get(RUNS_ROOT, "/")).startswith("~")


@pytest.mark.parametrize(
    ("before", "others"),
    [
        ({}, {}),
        ({"theme": "dark"}, {"theme": "dark"}),
        ({"deepResearchCli": None}, {}),
        (
            {"pai": {"deepResearchCli": {"flags": {ENABLED: False}}}},
            {"pai": {"deepResearchCli": {"flags": {ENABLED: False}}}},
        ),
    ],
)
def test_other_settings_stay_as_they_are(before, others):
    after = placed(before, {ENABLED: False})

    assert after == {**others, "deepResearchCli": {"flags": {ENABLED: False}}}


def test_settings_beside_the_block_stay_and_the_old_block_goes():
    before = {"deepResearchCli": {"log": True, "flags": {ENABLED: True, NO_WEB: True}}}

    assert placed(before, {ENABLED: False}) == {
        "deepResearchCli": {"log": True, "flags": {ENABLED: False}}
    }


# What the research system itself says


@given(
    opened=st.sampled_from([None, 0, 1, 2, 3]),
    switch=st.sampled_from(["released", "engaged"]),
    team=st.sampled_from([None, "alpha", "omega"]),
)
def _is_valid(schema, team, **facts):
    schema.validate(settings_export(a_snapshot(**facts), team=team))


def test_every_export_fits_the_schema(shared):
    schema = shared / "schemas" / "flags_export.schema.json"

    _is_valid(jsonschema_rs.validator_for(json.loads(schema.read_text())))


def test_nothing_gets_out_that_the_research_system_takes_for_something_else(shared):
    vectors = json.loads((shared / "vectors" / "flag_vectors.json").read_text())
    tried = 0
    for vector in vectors:
        settings = vector["settings"]
        if not isinstance(settings, dict) or not vector["source"]:
            continue
        [(key, value)] = settings.items()
        understood = list(vector["differs_from_default"].values())
        meant = os.path.normpath(value) if key == RUNS_ROOT else value
        if any(type(meant) is type(each) and meant == each for each in understood):
            continue
        tried += 1

        found = settings_export(with_default(key, value, opened=3), team="alpha")

        assert type(found.get(key)) is not type(value) or found[key] != value, vector
    assert tried >= 10
