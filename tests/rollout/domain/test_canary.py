"""The verdict: what it needs, what overrides it, and the six traps."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain.baseline import STAGES
from rollout.domain.canary import judge
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import LATENCY, Outcome, Restarts
from rollout.domain.judgements import PRECEDENCE, Judgement, Verdict
from rollout.domain.looks import LookPlan
from rollout.domain.promotion import ANYTIME, PLANNED_LOOKS
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.sample_ratio import SampleRatio
from tests.rollout.evidence import (
    BEGAN,
    MINUTE,
    a_row,
    a_run,
    an_open_run,
    asking,
    facts_of,
)

GOOD = "P" * 36
ALL_GATES = ("A", "B", "D", "E")


def verdict(runs, criteria: Criteria | None = None, **facts) -> Verdict:
    return judge(facts_of(runs, **facts), criteria or asking()).verdict


# Promotion


def test_enough_passes_promote_and_say_so_in_a_sentence():
    found = judge(facts_of(a_row(GOOD)), asking())

    assert found.verdict == Verdict.PROMOTE
    assert found.sentence == (
        "Gate A in web: 36 of 36 passed; this proves at least 90 % at 5 % error, "
        "however often you looked."
    )
    assert found.proofs[0].proven_at == 36
    assert found.rule == "anytime.1"


def test_one_run_fewer_does_not_promote():
    found = judge(facts_of(a_row("P" * 35)), asking())

    assert found.verdict == Verdict.COLLECT
    assert found.sentence == (
        "Gate A in web: 35 of 35 passed; "
        "this does not prove at least 90 % at 5 % error."
    )


def test_what_was_proven_once_stays_proven():
    """By the e-value's maximum; that it looks worse now is for the rollback to say."""
    found = judge(facts_of(a_row(GOOD + "FF")), asking())

    assert found.verdict == Verdict.PROMOTE
    assert "36 of 38 passed; the first 36 proved at least 90 %" in found.sentence


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


# The six traps


def test_trap_1_what_ended_first_is_not_judged_first():
    """Of 60 runs 20 fail, and hang for an hour first; the others take a minute."""
    runs = [an_open_run(n) if n % 3 == 0 else a_run(n, "P") for n in range(1, 61)]
    now = BEGAN + 61 * MINUTE

    found = judge(facts_of(runs, now=now), asking())

    assert sum(run.is_final for run in runs) == 40  # enough, were they all
    assert found.verdict == Verdict.COLLECT
    assert found.prefix == ("run-1", "run-2")


def test_trap_1_a_run_that_hangs_does_not_block_for_ever_and_does_not_pass():
    hanging = an_open_run(1, "P")
    runs = [hanging, *a_row(GOOD, first=2)]
    soon, late = BEGAN + timedelta(hours=1), BEGAN + timedelta(hours=3)

    assert verdict(runs, now=soon) == Verdict.COLLECT
    assert judge(facts_of(runs, now=soon), asking()).prefix == ()
    found = judge(facts_of(runs, now=late), asking())
    assert (found.proofs[0].passes, found.proofs[0].unknown) == (36, 1)
    assert found.verdict == Verdict.COLLECT


def test_trap_2_starting_again_does_not_start_afresh():
    failed, good = a_row("FFFFF"), a_row(GOOD, first=6, attempt=2)
    changed = a_row(GOOD, first=6, attempt=2, fingerprint="sha256:new")

    assert verdict([*failed, *good], attempt=2) == Verdict.COLLECT
    assert (
        verdict([*failed, *changed], attempt=2, fingerprint="sha256:new")
        == Verdict.PROMOTE
    )


def test_trap_2_or_every_try_has_its_price():
    spending = asking(restarts=Restarts.SPEND)
    failed = a_row("FFFFF")
    second = [*failed, *a_row("P" * 99, first=6, attempt=2)]

    first_try = judge(facts_of(a_row("P" * 99)), spending).proofs[0]
    second_try = judge(facts_of(second, attempt=2), spending).proofs[0]

    assert (first_try.alpha, second_try.alpha) == (0.025, 0.0125)
    assert 36 < first_try.proven_at < second_try.proven_at


def test_trap_3_many_gates_do_not_roll_back_by_their_number():
    """Two failures at once: proof against one gate alone, chance among six of them."""
    alone = asking(floor=0.85)
    among_six = asking(floor=0.85, gates=tuple("ABCDEF"))
    runs = a_row(["FPPPPP"] * 2 + ["PPPPPP"] * 6)

    assert verdict(runs, alone) == Verdict.ROLL_BACK
    assert verdict(runs, among_six) == Verdict.COLLECT
    assert verdict(a_row(["FPPPPP"] * 8), among_six) == Verdict.ROLL_BACK


def test_trap_4_what_is_unknown_counts_as_failed_for_promotion():
    row = GOOD[1:] + "?"

    found = judge(facts_of(a_row(row)), asking())

    assert found.verdict == Verdict.COLLECT
    assert found.proofs[0].unknown == 1
    assert (
        found.proofs[0].log_e
        == judge(facts_of(a_row(row.replace("?", "F"))), asking()).proofs[0].log_e
    )


def test_trap_4_too_much_that_is_unknown_holds():
    assert verdict(a_row("P" * 8 + "??")) == Verdict.COLLECT
    found = judge(facts_of(a_row("P" * 7 + "???")), asking())
    assert found.verdict == Verdict.HOLD
    assert "3 of 10 runs say nothing" in found.sentence


def test_trap_4_no_web_is_no_evidence_for_the_citation_gate():
    criteria = asking(gates=("A", "C"), bar=0.9)

    offline = judge(facts_of(a_row(["P?P"] * 50, no_web=True)), criteria)

    proofs = {proof.demand.metric: proof for proof in offline.proofs}
    assert offline.verdict == Verdict.COLLECT
    assert proofs["A"].is_proven
    assert proofs["C"].runs == 0
    assert verdict(a_row(["P?P"] * 50), criteria) == Verdict.PROMOTE


def test_trap_5_a_canary_with_the_wrong_share_holds():
    right = SampleRatio().after(0.05, inside=50, outside=950)
    wrong = SampleRatio().after(0.05, inside=150, outside=850)

    assert verdict(a_row(GOOD), ratio=right) == Verdict.PROMOTE
    assert verdict(a_row(GOOD), ratio=wrong) == Verdict.HOLD


def test_trap_6_the_worst_class_decides_not_the_average():
    criteria = asking(classes=("web", "code"))
    many = a_row("P" * 200)
    bad = a_row("PPF" * 12, first=201, query_class="code")

    assert verdict([*many, *bad], asking(classes=(), class_bar=None)) != Verdict.PROMOTE
    assert verdict([*many, *bad], criteria) == Verdict.COLLECT
    proven = a_row(GOOD, first=201, query_class="code")
    assert verdict([*many, *proven], criteria) == Verdict.PROMOTE


def test_trap_6_an_admitted_class_without_runs_is_not_proven():
    found = judge(facts_of(a_row(GOOD)), asking(classes=("web", "code")))

    assert found.verdict == Verdict.COLLECT
    assert found.sentence.startswith("Gate A in code: 0 of 0 passed")


def test_trap_6_classes_may_be_pooled_for_the_bar_but_each_has_its_own():
    criteria = asking(classes=("web", "code"), bar=0.95, class_bar=0.85)
    web, code = a_row("P" * 50), a_row("P" * 24, first=51, query_class="code")

    assert verdict([*web, *code], criteria) == Verdict.PROMOTE
    assert verdict([*web, *code[:-1]], criteria) == Verdict.COLLECT
    assert verdict([*a_row("P" * 60), *code[:14]], criteria) == Verdict.COLLECT


def test_trap_6_where_all_classes_are_admitted_each_that_came_is_proven():
    criteria = asking(classes=(), bar=0.95, class_bar=0.85)
    rare = a_run(99, query_class="rare")

    assert verdict(a_row("P" * 80), criteria) == Verdict.PROMOTE
    assert verdict([*a_row("P" * 80), rare], criteria) == Verdict.COLLECT


# Planned looks


def test_with_planned_looks_an_extra_look_is_display_only():
    criteria = asking(looks=LookPlan((60, 120)), bar=0.9)

    between = judge(facts_of(a_row("P" * 59)), criteria)
    at_the_look = judge(facts_of(a_row("P" * 60)), criteria)

    assert between.proofs[0].log_e > 3
    assert between.verdict == Verdict.COLLECT
    assert at_the_look.verdict == Verdict.PROMOTE
    assert at_the_look.sentence.endswith("at the looks that were planned.")
    assert at_the_look.rule == "planned_looks.1"


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


# Every plan, every evidence

runs_of_any_kind = st.builds(
    lambda said, query_class, minutes, status, attempt, no_web: {
        "said": said,
        "query_class": query_class,
        "minutes": minutes,
        "status": status,
        "attempt": attempt,
        "no_web": no_web,
    },
    st.text("PF?", min_size=3, max_size=3),
    st.sampled_from(["web", "code"]),
    st.sampled_from([1, 10, 300]),
    st.sampled_from(RunStatus),
    st.sampled_from([1, 2]),
    st.booleans(),
)
plans = st.builds(
    asking,
    gates=st.sampled_from([("A",), ("A", "C"), ("A", "B", "C")]),
    classes=st.sampled_from([(), ("web",), ("web", "code")]),
    bar=st.sampled_from([None, 0.5, 0.9]),
    class_bar=st.sampled_from([None, 0.4]),
    floor=st.sampled_from([None, 0.45]),
    max_runs=st.sampled_from([5, 300]),
    restarts=st.sampled_from(Restarts),
    latency_budget_s=st.sampled_from([None, 90.0]),
    looks=st.sampled_from([None, LookPlan((3, 6, 40))]),
    rolls_back_on_hard_failure=st.booleans(),
)


def built(described) -> list:
    made = []
    for order, each in enumerate(described, start=1):
        is_final = each["status"] in ("failed", "completed", "cancelled")
        opened = BEGAN + order * MINUTE
        made.append(
            a_run(
                order,
                each["said"],
                query_class=each["query_class"],
                status=each["status"],
                attempt=each["attempt"],
                no_web=each["no_web"],
                finished_at=opened + each["minutes"] * MINUTE if is_final else None,
            )
        )
    return made


evidence = st.lists(runs_of_any_kind, max_size=25).map(built)
moments = st.sampled_from([BEGAN, BEGAN + 30 * MINUTE, BEGAN + timedelta(days=1)])


@given(evidence, plans, moments, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_in_which_runs_are_handed_over_does_not_matter(
    runs, plan, now, random
):
    shuffled = random.sample(runs, len(runs))

    one, other = (
        judge(facts_of(row, now=now, attempt=2), plan) for row in (runs, shuffled)
    )

    assert one == other


@given(evidence, plans, moments)
@settings(deadline=None)
def test_turning_passes_into_anything_else_never_helps(runs, plan, now):
    """No promotion comes of it, and what was rolled back is not saved by failures."""

    def after(said: Outcome) -> Judgement:
        worse = [
            a_run(
                run.start_order,
                query_class=run.query_class,
                status=run.status,
                attempt=run.attempt,
                no_web=run.no_web,
                opened_at=run.opened_at,
                finished_at=run.finished_at,
                gates=dict.fromkeys(run.gates, said),
            )
            for run in runs
        ]
        return judge(facts_of(worse, now=now, attempt=2), plan)

    for said in (Outcome.FAIL, Outcome.UNKNOWN):
        assert after(said).verdict not in (Verdict.PROMOTE, Verdict.AWAIT_APPROVAL)
    before = judge(facts_of(runs, now=now, attempt=2), plan)
    if before.verdict == Verdict.ROLL_BACK:
        assert after(Outcome.FAIL).verdict == Verdict.ROLL_BACK


@given(evidence, plans, moments)
@settings(deadline=None)
def test_a_promotion_has_everything_that_it_needs(runs, plan, now):
    found = judge(facts_of(runs, now=now, attempt=2), plan)

    if found.verdict == Verdict.PROMOTE:
        assert found.proofs
        assert all(proof.is_proven for proof in found.proofs)
        assert {proof.demand.metric for proof in found.proofs} >= {*plan.gates}
        assert {proof.demand.query_class for proof in found.proofs} >= {*plan.classes}
    assert found.sentence
    assert len(found.prefix) <= plan.max_runs
    by_id = {run.run_id: run for run in runs}
    for run_id in found.prefix:
        run = by_id[run_id]
        assert run.is_final or run.open_for(now) > plan.max_open
    # What overrides overrides, whatever the evidence says.
    for reasons, expected in (
        ({"rollbacks": ["now"], "holds": ["wait"]}, {Verdict.ROLL_BACK}),
        ({"holds": ["wait"]}, {Verdict.HOLD, Verdict.ROLL_BACK}),
    ):
        assert verdict(runs, plan, now=now, attempt=2, **reasons) in expected


@pytest.mark.parametrize(
    ("plan", "gates"), [(plan, plan.judged_gates) for _, _, plan in STAGES]
)
def test_the_plans_that_ship_can_be_judged(plan, gates):
    criteria = Criteria.of(plan)

    assert criteria.gates == gates
    found = judge(facts_of(a_row(["PPPPP"] * 3)), criteria)
    assert found.verdict == Verdict.COLLECT
    assert LATENCY not in {proof.demand.metric for proof in found.proofs}
