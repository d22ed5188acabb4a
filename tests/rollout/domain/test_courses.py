"""How the evidence grew, as a chart shows it."""

import pytest

from rollout.domain.courses import MOST_STEPS, courses, weakest
from rollout.domain.eprocess import threshold
from rollout.domain.evaluations import Evaluation, evaluate
from rollout.domain.evidence import LATENCY
from rollout.domain.looks import LookPlan
from tests.rollout.evidence import a_row, asking, facts_of


def judged(said, **criteria) -> Evaluation:
    return evaluate("stage", facts_of(a_row(said)), asking(**criteria))[0]


def test_the_last_step_says_what_the_proof_says():
    evaluation = judged("PPPPF?PPP", bar=0.7)

    (course,) = courses(evaluation)

    (proof,) = evaluation.judgement.proofs
    assert (course.last.passes, course.last.failures, course.last.unknown) == (7, 1, 1)
    assert course.last.possible == proof.possible
    assert course.last.log_e == pytest.approx(proof.log_e)
    assert course.sentence == proof.sentence


def test_the_course_crosses_the_threshold_where_the_proof_does():
    (course,) = courses(judged("P" * 40))

    assert course.proof.proven_at == 36
    proven = {step.runs: step.log_e >= threshold(course.alpha) for step in course.steps}
    assert (proven[35], proven[36]) == (False, True)


def test_a_long_course_is_thinned_and_keeps_where_it_was_proven():
    (course,) = courses(judged("P" * 299))

    shown = [step.runs for step in course.steps]
    assert len(shown) <= MOST_STEPS + 2
    assert (shown[0], shown[-1]) == (0, 299)
    assert 36 in shown
    assert shown == sorted(set(shown))


def test_where_a_person_judges_the_possible_rates_are_told_without_a_bar():
    (course,) = courses(judged("P" * 30, bar=None))

    assert (course.bar, course.proof, course.last.log_e) == (None, None, None)
    assert "30 of 30 passed; pass rates from 83" in course.sentence
    assert "A person judges" in course.sentence


def test_each_gate_is_told_by_what_lacks_most():
    runs = a_row("P" * 9, query_class="good") + a_row("PF", first=10, query_class="bad")
    criteria = asking(classes=("good", "bad"), bar=0.7, latency_budget_s=120)

    found = courses(evaluate("stage", facts_of(runs), criteria)[0])

    assert [(each.metric, each.query_class) for each in weakest(found)] == [
        ("A", "bad"),
        (LATENCY, "*"),
    ]
    assert len(found) == 3


def test_without_a_run_everything_is_possible():
    (course,) = courses(judged(""))

    assert [step.runs for step in course.steps] == [0]
    assert (course.last.possible.lower, course.last.possible.upper) == (0, 1)


def test_what_is_not_proven_says_how_many_more_passes_in_a_row_would_do():
    (course,) = courses(judged("PPPFPP?P", bar=0.7))
    (proven,) = courses(judged("P" * 40))

    (enough,) = courses(judged("PPPFPP?P" + "P" * course.to_go, bar=0.7))
    (short,) = courses(judged("PPPFPP?P" + "P" * (course.to_go - 1), bar=0.7))
    assert enough.proof.is_proven
    assert (short.proof.is_proven, short.to_go) == (False, 1)
    assert proven.to_go is None


def test_with_planned_looks_the_passes_reach_to_the_next_look_that_would_do():
    looks = LookPlan((20, 40))

    (early,) = courses(judged("P" * 15, bar=0.7, looks=looks))
    (lost,) = courses(judged("F" * 30, bar=0.7, looks=looks))

    assert early.to_go == 5
    assert lost.to_go is None


def test_no_number_of_passes_is_told_where_none_would_do_in_time():
    (course,) = courses(judged("F" * 9, max_runs=10))

    assert course.to_go is None
