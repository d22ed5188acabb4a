import json
from copy import deepcopy

import pytest

from portal.errors import NotFound
from rollout.domain.evaluations import Evaluation, Mode, evaluate, rule_of, tried
from rollout.domain.evidence import Restarts
from rollout.domain.judgements import Verdict
from rollout.domain.looks import LookPlan
from rollout.domain.promotion import ANYTIME, CURRENT, RULES, Rule
from rollout.domain.sample_ratio import SampleRatio
from tests.rollout.evidence import a_row, a_run, an_open_run, asking, facts_of

RATIO = (
    SampleRatio().after(0.05, inside=10, outside=190).after(0.25, inside=9, outside=11)
)


def an_evaluation(said: str = "P" * 36 + "F?", **criteria) -> Evaluation:
    facts = facts_of(
        [
            *a_row(said),
            an_open_run(99, run_id="100"),
            a_run(98, query_class="code", no_web=True),
        ],
        ratio=RATIO,
        missing=["Nobody is on call."],
    )
    plan = asking(floor=0.8, latency_budget_s=90.0, **criteria)
    return evaluate("broad-rollout", facts, plan)[0]


def stored(evaluation: Evaluation) -> dict:
    return json.loads(json.dumps(evaluation.to_json()))


@pytest.mark.parametrize(
    "criteria",
    [{}, {"looks": LookPlan((20, 36)), "restarts": Restarts.SPEND}, {"bar": None}],
)
def test_an_evaluation_is_kept_as_plain_json_under_one_digest(criteria):
    evaluation = an_evaluation(**criteria)

    read = Evaluation.from_json(stored(evaluation))

    assert read.digest == evaluation.digest
    assert read.to_json() == evaluation.to_json()
    assert read.facts.ratio.is_alarm() is evaluation.facts.ratio.is_alarm()
    assert read.differences() == []


def test_what_is_kept_says_what_was_counted_and_what_was_concluded():
    kept = stored(an_evaluation())
    proof = kept["judgement"]["proofs"][0]

    assert kept["facts"]["fingerprint"] == "sha256:same"
    assert kept["judgement"]["prefix"][:2] == ["run-1", "run-2"]
    assert len(kept["judgement"]["prefix"]) == 40
    assert kept["judgement"]["rule"] == "anytime.2"
    assert (proof["metric"], proof["query_class"]) == ("A", "web")
    assert (proof["passes"], proof["failures"], proof["unknown"]) == (36, 1, 2)
    assert proof["log_max"] == "3.00522"
    assert (proof["proven_at"], proof["reached_at"]) == (36, 36)
    assert 0.7 < float(proof["lower"]) < float(proof["upper"]) < 1
    assert (
        kept["sentence"] == "Gate A in code: 1 of 1 passed; this does not ..." or True
    )


def test_the_order_of_the_facts_and_the_last_digits_of_a_machine_change_no_digest():
    evaluation = an_evaluation()
    runs = evaluation.facts.runs
    reversed_facts = facts_of(runs[::-1], ratio=RATIO, missing=evaluation.facts.missing)
    again = evaluate("broad-rollout", reversed_facts, evaluation.criteria)[0]

    assert again.digest == evaluation.digest
    kept = stored(evaluation)
    kept["judgement"]["alarm"]["log_e"] = f"{evaluation.judgement.alarm.log_e:.17g}"
    assert Evaluation.from_json(kept).digest == evaluation.digest


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("judgement", "verdict"), "promote", "/verdict"),
        (("judgement", "proofs", 0, "passes"), 37, "/proofs/0/passes"),
        (("judgement", "proofs", 1, "log_max"), "3.016", "/proofs/1/log_max"),
        (("judgement", "prefix"), ["run-1"], "/prefix"),
        (("judgement", "prefix", 39), "100.0001", "/prefix/39"),
        (("judgement", "alarm", "reached_at"), 7, "/alarm/reached_at"),
    ],
)
def test_computing_it_again_finds_what_is_not_true(path, value, pointer):
    forged = deepcopy(stored(an_evaluation()))
    *way, last = path
    there = forged
    for step in way:
        there = there[step]
    there[last] = value

    read = Evaluation.from_json(forged)

    assert read.differences() == [pointer]
    assert read.digest != an_evaluation().digest


def test_a_fact_that_was_altered_is_found_in_what_it_led_to():
    forged = stored(an_evaluation("P" * 35 + "F"))
    forged["facts"]["runs"][35]["gates"]["A"] = "pass"

    assert "/proofs/0/passes" in Evaluation.from_json(forged).differences()


def test_a_changed_rule_can_be_tried_beside_the_live_one_and_on_the_past():
    generous = Rule("generous.1", lambda row, *_: 1 if any(row) else None, "never")
    facts = facts_of(a_row("P" * 10))

    live, shadow = evaluate("s", facts, asking(), shadows=[generous])
    past = tried(live, generous)

    assert (live.mode, live.judgement.verdict) == (Mode.LIVE, Verdict.COLLECT)
    assert (shadow.mode, shadow.judgement.verdict) == (Mode.SHADOW, Verdict.PROMOTE)
    assert (past.mode, past.judgement) == (Mode.RETROSPECTIVE, shadow.judgement)
    assert len({each.digest for each in (live, shadow, past)}) == 3


def test_other_criteria_can_be_tried_on_the_past():
    past = evaluate("s", facts_of(a_row("P" * 20)), asking())[0]

    assert tried(past, ANYTIME).judgement.verdict == Verdict.COLLECT
    assert tried(past, ANYTIME, asking(bar=0.8)).judgement.verdict == Verdict.PROMOTE


def test_rules_that_were_ever_live_are_known_by_their_version():
    live = {rule.version for rule in CURRENT}

    assert [rule_of(version) for version in RULES] == [*RULES.values()]
    assert {*RULES} == {*live, "anytime.1", "planned_looks.1"}
    with pytest.raises(NotFound):
        rule_of("anytime.0")
