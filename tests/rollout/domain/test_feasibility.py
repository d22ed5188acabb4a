import pytest

from portal.errors import Invalid
from rollout.domain.baseline import STAGES
from rollout.domain.boundary import chance_of_promotion, failures_allowed
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import Restarts
from rollout.domain.feasibility import forecasts, require_feasible
from rollout.domain.looks import LookPlan
from rollout.domain.stages import StagePlan
from tests.rollout.evidence import asking


@pytest.mark.parametrize("name", [key for key, _, _ in STAGES])
def test_the_plans_that_ship_can_reach_their_bars(name):
    require_feasible(Criteria.of(next(plan for key, _, plan in STAGES if key == name)))


@pytest.mark.parametrize(
    ("changes", "pointer", "arithmetic"),
    [
        (
            {"bar": 0.95, "max_runs": 73},
            "/max_runs",
            "95 % at 5 % error takes 74 passes in 74 runs; there are at most 73, and "
            "max_runs has to be at least 74.",
        ),
        (
            {"bar": 0.9, "classes": ("a", "b", "c"), "max_runs": 107},
            "/max_runs",
            "90 % at 5 % error takes 36 passes in 36 runs; each of 3 classes gets 35 "
            "of 107, and max_runs has to be at least 108.",
        ),
        (
            {"bar": 0.9, "max_runs": 40, "restarts": Restarts.SPEND},
            "/max_runs",
            "90 % at 2.5 % error takes 44 passes in 44 runs; there are at most 40, and "
            "max_runs has to be at least 44.",
        ),
        (
            {"bar": 0.9, "looks": LookPlan((10, 20))},
            "/looks",
            "No planned look could prove 90 % at 5 % error, even if every run passed.",
        ),
        (
            {"bar": 1.2},
            "/promote_bar",
            "promote_bar is 1.2; it has to be between 0 and 1.",
        ),
        (
            {"bar": 1.0},
            "/promote_bar",
            "promote_bar is 1.0; it has to be between 0 and 1.",
        ),
        (
            {"bar": 0.9, "floor": 0.9},
            "/floor",
            "A rate between the bar 0.9 and the floor 0.9 would be good enough to "
            "promote and bad enough to roll back.",
        ),
        (
            {"bar": 0.95, "class_bar": 0.8, "floor": 0.85},
            "/floor",
            "A class between the class bar 0.8 and the floor 0.85 would be promoted "
            "and rolled back.",
        ),
        (
            {"bar": 0.9, "class_bar": 0.95},
            "/class_bar",
            "Each class alone would have to be better (0.95) than all together (0.9).",
        ),
        (
            {"max_runs": 1_000_000},
            "/max_runs",
            "max_runs is 1000000, at most 10000 goes.",
        ),
        (
            {"max_runs": 300, "looks": LookPlan((100, 400))},
            "/looks",
            "The last look is after run 400, and max_runs is 300.",
        ),
        (
            {"max_unknown": 1.5},
            "/max_unknown",
            "max_unknown is 1.5; it has to be from 0 to 1.",
        ),
        (
            {"gates": ()},
            "/judged_gates",
            "Without a judged gate nothing can be proven.",
        ),
    ],
)
def test_a_plan_that_cannot_promote_is_refused_with_the_arithmetic(
    changes, pointer, arithmetic
):
    with pytest.raises(Invalid) as refusal:
        require_feasible(asking(**changes))

    assert refusal.value.code == "PLAN_INFEASIBLE"
    assert refusal.value.facts["errors"] == [{"pointer": pointer, "detail": arithmetic}]


@pytest.mark.parametrize(
    "changes",
    [
        {"bar": 0.95, "max_runs": 74},
        {"bar": 0.9, "classes": ("a", "b", "c"), "max_runs": 108},
        {"bar": 0.9, "looks": LookPlan((10, 60))},
        {"bar": 0.95, "class_bar": 0.85, "floor": 0.85},
        {"bar": None},
    ],
)
def test_a_plan_that_just_can_is_not_refused(changes):
    require_feasible(asking(**changes))


@pytest.mark.parametrize(
    ("plan", "floor"),
    [
        (StagePlan(promote_bar=0.9), 0.8),
        (StagePlan(promote_bar=0.9, floor=0.5), 0.5),
        (StagePlan(promote_bar=0.1), None),
        (StagePlan(), None),
    ],
)
def test_a_plan_without_a_floor_has_it_a_tenth_below_its_bar(plan, floor):
    assert Criteria.of(plan).floor == floor


def test_the_forecast_says_what_it_takes():
    (found,) = forecasts(asking(bar=0.9), true_rate=0.97)

    allowed = failures_allowed(0.9, alpha=0.05, runs=300)
    assert (found.first_run, found.failures_allowed) == (36, 15)
    assert found.chance == pytest.approx(chance_of_promotion(0.97, allowed))
    before, by_then = (
        chance_of_promotion(0.97, allowed[:n])
        for n in (found.power_at, found.power_at + 1)
    )
    assert before < 0.8 <= by_then


def test_more_claims_take_more_runs():
    one, many = (
        forecasts(asking(gates=gates), true_rate=0.98)[0]
        for gates in (("A",), tuple("ABCDE"))
    )

    assert (one.claims, many.claims) == (1, 5)
    assert one.power_at < many.power_at
    assert many.chance == pytest.approx(one.chance**5)


def test_a_system_that_is_hardly_better_than_the_bar_has_no_power():
    (found,) = forecasts(asking(bar=0.9), true_rate=0.91)

    assert found.power_at is None
    assert found.chance < 0.2


def test_pooled_classes_have_a_forecast_for_all_and_for_each():
    criteria = asking(
        classes=("a", "b", "c"), bar=0.95, class_bar=0.85, latency_budget_s=60.0
    )

    pooled, each, latency = forecasts(criteria, true_rate=0.99)

    assert (pooled.bar, pooled.runs, pooled.claims) == (0.95, 300, 1)
    assert (each.bar, each.runs, each.claims) == (0.85, 100, 3)
    assert (latency.bar, latency.runs) == (0.95, 300)


def test_the_forecast_of_planned_looks_is_that_of_their_boundary():
    looks = LookPlan((50, 100, 300))
    split = LookPlan((50, 100, 300), anytime_share=0.5)

    (planned,) = forecasts(asking(looks=looks), true_rate=0.96)
    (both,) = forecasts(asking(looks=split), true_rate=0.96)

    assert planned.chance == pytest.approx(
        chance_of_promotion(0.96, looks.failures_allowed(0.9, alpha=0.05))
    )
    assert planned.first_run == 100
    assert both.first_run == 44
