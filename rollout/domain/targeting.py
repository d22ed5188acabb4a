"""Rules: in order, the first whose conditions all hold gives the value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.errors import Invalid
from rollout.domain.bucketing import bucket
from rollout.domain.flags import Value

Attributes = Mapping[str, Any]
Test = Callable[[Any], bool]


def _equals(operand: Any) -> Test:
    return lambda found: (
        found is not None and type(found) is type(operand) and found == operand
    )


def _is_in(operand: Any) -> Test:
    tests = [_equals(each) for each in operand]
    return lambda found: any(test(found) for test in tests)


def _is_not_in(operand: Any) -> Test:
    is_unwanted = _is_in(operand)
    return lambda found: found is not None and not is_unwanted(found)


@dataclass(frozen=True, slots=True)
class Operator:
    """How an operand becomes a test, and what the operand has to be."""

    compile: Callable[[Any], Test]
    takes_list: bool


OPERATORS: dict[str, Operator] = {
    "equals": Operator(_equals, takes_list=False),
    "in": Operator(_is_in, takes_list=True),
    "not_in": Operator(_is_not_in, takes_list=True),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One attribute of the context, and what it has to be."""

    attribute: str
    operator: str
    operand: Any
    test: Test

    def holds(self, attributes: Attributes) -> bool:
        """Whether it does; an attribute that is missing fulfils nothing."""
        return self.test(attributes.get(self.attribute))

    def __str__(self) -> str:
        return f"{self.attribute} {self.operator.replace('_', ' ')} {self.operand}"


def missing_unit() -> Invalid:
    """The refusal where a bucket is needed and there is nothing to take it of."""
    return Invalid(
        "A percentage needs a targetingKey.",
        code="TARGETING_KEY_MISSING",
        errors=[{"pointer": "/targetingKey", "detail": "is missing"}],
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A value for whoever fulfils all conditions, or for a sticky share of them."""

    conditions: tuple[Condition, ...]
    value: Value
    share: int | None = None  # of 10000 buckets

    def matches(self, attributes: Attributes, *, salt: str) -> bool:
        """Whether this rule decides here.

        Raises `Invalid` (TARGETING_KEY_MISSING) when it needs a bucket and the
        context has no unit to take it of.
        """
        if not all(condition.holds(attributes) for condition in self.conditions):
            return False
        if self.share is None:
            return True
        unit = attributes.get("targetingKey")
        if not unit:
            raise missing_unit()
        return bucket(salt, str(unit)) < self.share


def condition(raw: Mapping[str, Any], *, pointer: str = "") -> Condition:
    """A condition from `{"attribute", "operator", "value"}`, checked and compiled."""
    attribute, name = raw.get("attribute"), raw.get("operator")
    operator = OPERATORS.get(str(name))
    trouble = None
    if not isinstance(attribute, str) or not attribute:
        trouble = "a condition names an attribute"
    elif operator is None:
        trouble = f"an operator is one of {', '.join(OPERATORS)}"
    elif operator.takes_list and not (
        isinstance(raw.get("value"), list) and raw["value"]
    ):
        trouble = f"{name} takes a list that is not empty"
    elif not operator.takes_list and isinstance(raw.get("value"), list | dict):
        trouble = f"{name} takes one value"
    if trouble or operator is None:
        raise Invalid(
            f"This is no condition: {trouble}.",
            code="RULE_INVALID",
            errors=[{"pointer": pointer, "detail": str(trouble)}],
        )
    operand = raw.get("value")
    return Condition(str(attribute), str(name), operand, operator.compile(operand))
