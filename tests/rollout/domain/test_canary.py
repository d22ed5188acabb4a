"""The verdict: what it needs, and what overrides it."""

from dataclasses import replace

import pytest

from portal.errors import Invalid
from rollout.domain.baseline import STAGES
from rollout.domain.canary import judge
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import LATENCY
from rollout.domain.judgements import PRECEDENCE, Verdict
from rollout.domain.looks import LookPlan
from rollout.domain.promotion import ANYTIME, PLANNED_LOOKS, RULES
from rollout.domain.runs import RunKind
from tests.rollout.evidence import (
    BEGAN,
    MINUTE,
    a_row,
    a_run,
    an_open_run,
    asking,
    facts_of,
    verdict,
)

GOOD = "P" * 36


# Promotion


def test_enough_passes_promote_and_say_so_in_a_sentence():
    found = judge(facts_of(a_row(GOOD)), asking())

    assert found.verdict == Verdict.PROMOTE
    assert found.sentence == (
        "Gate A in web: 36 of 36 passed; this proves at least 90 % at 5 % error, "
        "however often you looked."
    )
    assert found.proofs[0].proven_at == 36
    assert found.rule == "anytime.2"


def test_one_run_fewer_does_not_promote():
    found = judge(facts_of(a_row("P" * 35)), asking())

    assert found.verdict == Verdict.COLLECT
    assert found.sentence == (
        "Gate A in web: 35 of 35 passed; "
        "this does not prove at least 90 % at 5 % error."
    )


def test_what_was_proven_stays_proven_while_the_bar_is_possible():
    """By the e-value's maximum: the e-value itself is below what it takes by now."""
    found = judge(facts_of(a_row(GOOD + "FF")), asking())

    assert found.verdict == Verdict.PROMOTE
    assert "36 of 38 passed; the first 36 proved at least 90 %" in found.sentence


def test_what_was_proven_is_taken_back_when_no_possible_rate_is_at_the_bar():
    criteria = asking(bar=0.7, floor=0.5)
    runs = a_row("P" * 11 + "F" * 20)

    found = judge(facts_of(runs), replace(criteria, floor=None))

    assert found.verdict == Verdict.HOLD
    assert found.sentence == (
        "Gate A in web: 11 of 31 passed, so at most 63.38 % pass at 5 % error; "
        "the first 11 had proved at least 70 %, and do not any more."
    )
    assert verdict(runs, criteria) in (Verdict.HOLD, Verdict.ROLL_BACK)


def test_what_was_taken_back_stays_so_after_a_restart_until_runs_show_otherwise():
    criteria = asking(bar=0.7)
    runs = a_row("P" * 11 + "F" * 20)
    more = a_row("P" * 100, first=100, attempt=2)

    assert verdict(runs, criteria, attempt=2) == Verdict.HOLD
    assert verdict([*runs, *more[:1]], criteria, attempt=2) == Verdict.HOLD
    assert verdict([*runs, *more], criteria, attempt=2) == Verdict.PROMOTE


def test_the_rule_before_still_says_what_it_said():
    facts, criteria = facts_of(a_row("P" * 11 + "F" * 20)), asking(bar=0.7)

    before = judge(facts, criteria, RULES["anytime.1"])

    assert before.verdict == Verdict.PROMOTE
    assert "is_taken_back" not in before.proofs[0].to_json()


@pytest.mark.parametrize("passes_first", [True, False])
def test_nothing_is_promoted_that_the_rule_before_would_not_have(passes_first):
    """So its false promotions are among those of the rule before."""
    for runs in range(11, 60, 8):
        for failed in range(0, runs, 4):
            said = "P" * (runs - failed) + "F" * failed
            facts = facts_of(a_row(said if passes_first else said[::-1]))
            if judge(facts, asking(bar=0.7)).verdict == Verdict.PROMOTE:
                before = judge(facts, asking(bar=0.7), RULES["anytime.1"])
                assert before.verdict == Verdict.PROMOTE


def test_every_judged_gate_has_to_be_proven():
    criteria = asking(gates=("A", "B"))

    assert verdict(a_row(["PP"] * 36), criteria) == Verdict.PROMOTE
    assert verdict(a_row(["PP"] * 35 + ["PF"]), criteria) == Verdict.COLLECT


def test_promotion_waits_for_what_else_is_missing():
    missing = ["The drill of fallback is 31 days old."]

    found = judge(facts_of(a_row(GOOD), missing=missing), asking())

    assert found.verdict == Verdict.AWAIT_APPROVAL
    assert found.reasons == tuple(missing)


def test_a_plan_that_demands_nothing_has_proven_nothing():
    nothing = asking(classes=(), gates=("A",))

    assert verdict([], nothing) == Verdict.COLLECT
    assert verdict(a_row("P" * 99), asking(gates=())) == Verdict.COLLECT


def test_a_stage_that_a_person_judges_is_never_promoted_by_itself():
    criteria = asking(bar=None, max_runs=10)

    assert verdict(a_row("P" * 9), criteria) == Verdict.COLLECT
    found = judge(facts_of(a_row("P" * 10)), criteria)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.sentence == "All 10 runs are in. A person judges this stage."


def test_neither_proven_nor_refuted_by_the_last_run_is_inconclusive_for_ever():
    criteria = asking(max_runs=40)
    undecided = "F" + "P" * 39

    assert verdict(a_row(undecided[:39]), criteria) == Verdict.COLLECT
    assert verdict(a_row(undecided), criteria) == Verdict.INCONCLUSIVE
    more = a_row(undecided + "P" * 200)
    assert verdict(more, asking()) == Verdict.PROMOTE
    assert verdict(more, criteria) == Verdict.INCONCLUSIVE


def test_latency_is_one_more_demand():
    criteria = asking(latency_budget_s=90.0, latency_bar=0.9)
    slow = a_run(1, finished_at=BEGAN + 5 * MINUTE)

    assert verdict(a_row(GOOD), criteria) == Verdict.PROMOTE
    found = judge(facts_of([slow, *a_row("P" * 35, first=2)]), criteria)
    assert found.verdict == Verdict.COLLECT
    assert found.sentence.startswith("Latency: 35 of 36 passed")
    late = [a_run(n, finished_at=BEGAN + 99 * MINUTE) for n in range(1, 20)]
    assert verdict(late, criteria) == Verdict.ROLL_BACK


# Rollback


@pytest.mark.parametrize(("runs", "failures"), [(10, 6), (20, 9), (50, 16)])
def test_so_many_failures_of_the_only_gate_roll_back(runs, failures):
    criteria = asking(floor=0.85)

    assert verdict(a_row("P" * (runs - failures) + "F" * failures), criteria) == (
        Verdict.ROLL_BACK
    )
    fewer = "P" * (runs - failures + 1) + "F" * (failures - 1)
    assert verdict(a_row(fewer), criteria) != Verdict.ROLL_BACK


def test_the_worst_moment_counts_not_the_last():
    row = "F" * 5 + "P" * 60

    found = judge(facts_of(a_row(row)), asking(floor=0.85))

    assert found.verdict == Verdict.ROLL_BACK
    assert found.alarm.reached_at == 5
    assert found.alarm.log_e < 0 < found.alarm.log_max


def test_rolling_back_looks_at_open_runs_too_and_not_at_what_is_unknown():
    criteria = asking(floor=0.85, max_unknown=1.0)
    failing = [an_open_run(n, "F") for n in range(1, 7)]
    silent = [a_run(n, "?") for n in range(1, 30)]

    found = judge(facts_of(failing, now=BEGAN + 10 * MINUTE), criteria)
    assert found.verdict == Verdict.ROLL_BACK
    assert found.prefix == ()
    assert verdict(silent, criteria) == Verdict.COLLECT


def test_what_an_earlier_attempt_was_rolled_back_for_does_not_roll_back_the_next():
    earlier = a_row("F" * 10)
    runs = [*earlier, *a_row("PPP", first=11, attempt=2)]

    assert verdict(earlier, asking(floor=0.85)) == Verdict.ROLL_BACK
    assert verdict(runs, asking(floor=0.85), attempt=2) == Verdict.COLLECT


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Verdict.ROLL_BACK),
        ({"kind": RunKind.DRILL}, Verdict.COLLECT),
        ({"attempt": 0}, Verdict.COLLECT),
        ({"fingerprint": "sha256:earlier"}, Verdict.ROLL_BACK),
    ],
    ids=["of this attempt", "in a drill", "of an earlier attempt", "before a change"],
)
def test_where_the_plan_says_so_the_first_hard_failure_rolls_back(changes, expected):
    criteria = asking(bar=None, rolls_back_on_hard_failure=True)
    runs = [*a_row("PPP"), an_open_run(4, "PF", **changes)]

    assert verdict(runs, criteria) == expected
    assert verdict(runs, asking()) == Verdict.COLLECT


# Rollback > hold > approval > advance


def test_the_order_of_precedence():
    everything = {
        "rollbacks": ["The web was opened without approval."],
        "holds": ["An incident is open."],
        "missing": ["Nobody is on call."],
    }
    assert verdict(a_row(GOOD), **everything) == Verdict.ROLL_BACK
    del everything["rollbacks"]
    assert verdict(a_row(GOOD), **everything) == Verdict.HOLD
    del everything["holds"]
    assert verdict(a_row(GOOD), **everything) == Verdict.AWAIT_APPROVAL
    del everything["missing"]
    assert verdict(a_row(GOOD), **everything) == Verdict.PROMOTE
    assert PRECEDENCE.index(Verdict.ROLL_BACK) < PRECEDENCE.index(Verdict.HOLD)


# Planned looks


def test_with_planned_looks_an_extra_look_is_display_only():
    criteria = asking(looks=LookPlan((60, 120)), bar=0.9)

    between = judge(facts_of(a_row("P" * 59)), criteria)
    at_the_look = judge(facts_of(a_row("P" * 60)), criteria)

    assert between.proofs[0].log_e > 3
    assert between.verdict == Verdict.COLLECT
    assert at_the_look.verdict == Verdict.PROMOTE
    assert at_the_look.sentence.endswith("at the looks that were planned.")
    assert at_the_look.rule == "planned_looks.2"


def test_the_first_planned_look_with_few_enough_failures_promotes():
    criteria = asking(looks=LookPlan((60, 120)), bar=0.9)

    assert verdict(a_row("F" * 4 + "P" * 56), criteria) == Verdict.COLLECT
    assert verdict(a_row("F" * 4 + "P" * 116), criteria) == Verdict.PROMOTE
    assert verdict(a_row("F" * 9 + "P" * 111), criteria) == Verdict.COLLECT


def test_a_part_of_alpha_may_be_set_aside_for_other_looks():
    criteria = asking(looks=LookPlan((200,), anytime_share=0.5), bar=0.9)
    at_half = judge(facts_of(a_row("P" * 99)), asking(alpha_promote=0.025))

    found = judge(facts_of(a_row("P" * 99)), criteria)

    assert found.proofs[0].proven_at == at_half.proofs[0].proven_at
    assert found.verdict == Verdict.PROMOTE


def test_another_rule_can_be_tried_if_the_plan_has_what_it_needs():
    facts = facts_of(a_row("P" * 40))

    with_looks = asking(looks=LookPlan((60,)))
    assert judge(facts, with_looks).verdict == Verdict.COLLECT
    assert judge(facts, with_looks, ANYTIME).verdict == Verdict.PROMOTE
    with pytest.raises(Invalid):
        judge(facts, asking(), PLANNED_LOOKS)


@pytest.mark.parametrize(
    ("plan", "gates"), [(plan, plan.judged_gates) for _, _, plan in STAGES]
)
def test_the_plans_that_ship_can_be_judged(plan, gates):
    criteria = Criteria.of(plan)

    assert criteria.gates == gates
    found = judge(facts_of(a_row(["PPPPP"] * 3)), criteria)
    assert found.verdict == Verdict.COLLECT
    assert LATENCY not in {proof.demand.metric for proof in found.proofs}
