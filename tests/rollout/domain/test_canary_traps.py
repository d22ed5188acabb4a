"""Six ways in which a canary lies, each with the rule that keeps it out.

Every one of these fails when its rule is taken away.
"""

from datetime import timedelta

from rollout.domain.canary import judge
from rollout.domain.evidence import Restarts
from rollout.domain.judgements import Verdict
from rollout.domain.runs import RunStatus
from rollout.domain.sample_ratio import SampleRatio
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


def test_trap_1_a_run_that_the_watchdog_ended_has_failed():
    killed = a_run(1, "", status=RunStatus.FAILED, cause="timeout")

    found = judge(facts_of([killed, *a_row(GOOD, first=2)]), asking())

    assert found.prefix[0] == "run-1"
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
