"""What holds for every plan and every evidence."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.domain.canary import judge
from rollout.domain.evidence import Outcome, Restarts
from rollout.domain.judgements import Judgement, Verdict
from rollout.domain.looks import LookPlan
from rollout.domain.runs import FINAL, RunStatus
from tests.rollout.evidence import BEGAN, MINUTE, a_run, asking, facts_of, verdict

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
        is_final = each["status"] in FINAL
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
