import pytest

from rollout.domain.criteria import Criteria, Demand, Guard
from rollout.domain.evidence import LATENCY
from tests.rollout.evidence import asking


def asked(criteria: Criteria, seen: str = "") -> set[tuple[str, float]]:
    return {(each.query_class, each.bar) for each in criteria.demands(seen.split())}


def watched(criteria: Criteria) -> set[str]:
    return {each.query_class for each in criteria.guards()}


@pytest.mark.parametrize(
    ("classes", "class_bar", "demands", "guards"),
    [
        (("a", "b"), None, {("a", 0.9), ("b", 0.9), ("c", 0.9)}, {"a", "b"}),
        (
            ("a", "b"),
            0.8,
            {("*", 0.9), ("a", 0.8), ("b", 0.8), ("c", 0.8)},
            {"*", "a", "b"},
        ),
        ((), None, {("c", 0.9)}, {"*"}),
        ((), 0.8, {("*", 0.9), ("c", 0.8)}, {"*"}),
    ],
    ids=["each", "pooled and each", "whoever comes", "pooled and whoever comes"],
)
def test_classes_that_came_are_demanded_but_only_those_of_the_plan_are_watched(
    classes, class_bar, demands, guards
):
    criteria = asking(classes=classes, class_bar=class_bar, floor=0.7)

    assert asked(criteria, "c") == demands
    assert watched(criteria) == guards


def test_latency_is_demanded_and_watched_of_all_classes_together():
    criteria = asking(latency_budget_s=60.0)

    assert Demand(LATENCY, "*", 0.95) in criteria.demands(["web"])
    assert criteria.guards() == (Guard(LATENCY, "*", 0.85),)
    assert asking().guards() == ()
