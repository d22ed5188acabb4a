"""Which changes expose more than before."""

import pytest
from hypothesis import given, settings

from rollout.domain.contexts import from_asked
from rollout.domain.decisions import decide
from rollout.domain.edits import difference, forced
from rollout.domain.exposure import Risk, is_at_most, risk_of, worst
from rollout.domain.flags import ENABLED, NO_WEB, WAVE1_AGENTS
from tests.rollout.domain.configurations import (
    BASELINE,
    a_configuration,
    a_rule,
    is_team,
    snapshot_of,
)
from tests.rollout.domain.strategies import configurations, contexts

AGENTS = f"/flags/{WAVE1_AGENTS}"
WEB = f"/flags/{NO_WEB}"
ENDPOINT = "/flags/PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"
STAGE, WIDE = "/stages/offline-baseline", "/stages/broad-rollout"


def risk(old, new) -> Risk:
    return worst(risk_of(difference(old, new), old=old, new=new))


def risk_of_patch(*patch, on=()) -> Risk:
    return risk(a_configuration(*on), a_configuration(*on, *patch))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (f"{AGENTS}/default", 3, Risk.SAFER),
        (f"{AGENTS}/default", 7, Risk.HIGH),
        (f"{AGENTS}/maximum", 40, Risk.SAFER),
        (f"{AGENTS}/maximum", None, Risk.HIGH),
        (f"{AGENTS}/minimum", None, Risk.SAFER),
        (f"{AGENTS}/minimum", 2, Risk.HIGH),
        (f"{AGENTS}/rules", [a_rule(3)], Risk.SAFER),
        (f"{AGENTS}/rules", [a_rule(9)], Risk.HIGH),
        (f"{AGENTS}/owner", "canary team", Risk.SAFER),
        (f"{AGENTS}/description", "how many", Risk.SAFER),
        (f"{WEB}/default", True, Risk.SAFER),
        (f"{WEB}/rules", [a_rule(True, is_team("alpha"))], Risk.SAFER),
        (f"{ENDPOINT}/default", "https://example.org", Risk.LOW),
        (f"{ENDPOINT}/rules", [a_rule("https://example.org")], Risk.LOW),
        (f"{STAGE}/coverage", 50, Risk.SAFER),
        (f"{WIDE}/coverage", 6, Risk.HIGH),
        (f"{STAGE}/plan/teams", ["alpha"], Risk.SAFER),
        (f"{STAGE}/plan/teams", ["alpha", "beta", "gamma"], Risk.HIGH),
        (f"{WIDE}/plan/teams", ["alpha"], Risk.SAFER),
        (f"{STAGE}/plan/caps/{WAVE1_AGENTS}", 1, Risk.SAFER),
        (f"{STAGE}/plan/caps/{WAVE1_AGENTS}", 3, Risk.HIGH),
        (f"{STAGE}/plan/caps", {}, Risk.HIGH),
        (f"{WIDE}/plan/promote_bar", 0.97, Risk.SAFER),
        (f"{WIDE}/plan/promote_bar", 0.9, Risk.HIGH),
        (f"{WIDE}/plan/promote_bar", None, Risk.HIGH),
        (f"{WIDE}/plan/floor", 0.8, Risk.HIGH),
        (f"{WIDE}/plan/alpha_promote", 0.1, Risk.HIGH),
        (f"{WIDE}/plan/alpha_rollback", 0.2, Risk.SAFER),
        (f"{WIDE}/plan/max_runs", 200, Risk.HIGH),
        (f"{WIDE}/plan/coverage_steps", [5, 100], Risk.HIGH),
        (f"{STAGE}/plan/is_judged_by_person", False, Risk.HIGH),
        (f"{WIDE}/plan/on_hard_gate_failure", "roll_back", Risk.SAFER),
        (f"{STAGE}/plan/on_hard_gate_failure", "count", Risk.HIGH),
    ],
)
def test_what_each_edit_risks(path, value, expected):
    assert risk_of_patch(("replace", path, value)) is expected


def test_taking_back_the_web_ban_is_of_high_risk():
    banned = ("replace", f"{WEB}/default", True)

    assert risk_of_patch(("replace", f"{WEB}/default", False), on=[banned]) is Risk.HIGH


def test_a_new_flag_is_of_low_risk_and_a_lost_one_of_high():
    new = {**BASELINE["flags"][WAVE1_AGENTS]}
    grown = a_configuration(("add", "/flags/EXTRA", new))

    assert risk(BASELINE, grown) is Risk.LOW
    assert risk(grown, BASELINE) is Risk.HIGH


def test_a_wider_share_of_a_loose_rule_is_of_high_risk_and_a_smaller_one_is_safer():
    half = ("add", f"{AGENTS}/rules/-", a_rule(9, percentage=50))
    share = f"{AGENTS}/rules/0/percentage"

    assert risk_of_patch(("replace", share, 60), on=[half]) is Risk.HIGH
    assert risk_of_patch(("replace", share, 40), on=[half]) is Risk.SAFER
    assert risk_of_patch(("remove", f"{AGENTS}/rules/0", None), on=[half]) is Risk.SAFER


def test_the_order_of_rules_matters():
    rules = [a_rule(2, is_team("alpha")), a_rule(9)]
    ordered = ("replace", f"{AGENTS}/rules", rules)
    turned = ("replace", f"{AGENTS}/rules", rules[::-1])

    assert risk_of_patch(turned, on=[ordered]) is Risk.HIGH


def test_a_segment_risks_what_its_rules_risk():
    segment = {"description": "", "conditions": [is_team("alpha")]}
    other = {"description": "", "conditions": [is_team("beta")]}
    used = [
        ("add", "/segments/s", segment),
        ("add", f"{AGENTS}/rules/-", a_rule(9, {"segment": "s"})),
    ]

    assert risk_of_patch(("add", "/segments/s", segment)) is Risk.SAFER
    assert risk_of_patch(("replace", "/segments/s", other), on=used) is Risk.HIGH
    assert (
        risk_of_patch(("replace", "/segments/s/description", "who"), on=used)
        is Risk.SAFER
    )


def test_a_safer_value_may_open_another_flag():
    opens = [
        ("add", f"{AGENTS}/prerequisites/-", {"flag": NO_WEB, "values": [True]}),
        ("add", f"{AGENTS}/rules/-", a_rule(9)),
    ]

    assert risk_of_patch(("replace", f"{WEB}/default", True), on=opens) is Risk.HIGH


def gives_nobody_more(old, new, asked) -> bool:
    context = from_asked(asked)
    before, after = (decide(snapshot_of(each), context) for each in (old, new))
    return after.is_option_c <= before.is_option_c and all(
        is_at_most(key, value, before.flags[key])
        for key, value in after.flags.items()
        if key != ENABLED
    )


@settings(max_examples=200, deadline=None)
@given(configurations(), configurations(), contexts)
def test_edits_that_are_called_safer_give_nobody_anything_looser(old, other, asked):
    safer = []
    for edit in difference(old, other):
        new = forced(old, [edit])
        if worst(risk_of([edit], old=old, new=new)) is Risk.SAFER:
            safer.append(edit)
            assert gives_nobody_more(old, new, asked), edit.path

    together = forced(old, safer)
    if risk(old, together) is Risk.SAFER:
        assert gives_nobody_more(old, together, asked)


# Triggers


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("silent-hang/action", "switch_off", Risk.SAFER),
        ("silent-hang/action", "hold", Risk.HIGH),
        ("silent-hang/cooldown_s", 60, Risk.HIGH),
        ("citations-failing/cooldown_s", 60, Risk.SAFER),
        ("silent-hang/is_dry_run", True, Risk.HIGH),
        ("citations-failing/threshold", 0.05, Risk.SAFER),
        ("citations-failing/threshold", 0.2, Risk.HIGH),
        ("outputs-unparseable/threshold", 0.9, Risk.SAFER),
        ("outputs-unparseable/threshold", 0.7, Risk.HIGH),
        ("provider-failing/at_least", 1, Risk.SAFER),
        ("provider-failing/at_least", 3, Risk.HIGH),
        ("conflicts-persist/window_s", 1200, Risk.SAFER),
        ("conflicts-persist/window_s", 60, Risk.HIGH),
        ("silent-hang/description", "It hung.", Risk.SAFER),
        ("silent-hang/kind", "web_exposed", Risk.HIGH),
    ],
)
def test_a_trigger_is_made_stricter_at_once_and_looser_by_two(path, value, expected):
    assert risk_of_patch(("replace", f"/triggers/{path}", value)) == expected


def test_a_new_trigger_counts_at_once_and_an_old_one_goes_by_two():
    without = a_configuration(("remove", "/triggers/silent-hang", None))

    assert risk(BASELINE, without) == Risk.HIGH
    assert risk(without, BASELINE) == Risk.SAFER
