"""Rules: in order, the first whose conditions all hold gives the value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from portal.errors import Invalid
from rollout.domain.bucketing import COVERAGE_SEED, VARIANT_SEED, bucket
from rollout.domain.flags import Value
from rollout.domain.operators import OPERATORS, Test

Attributes = Mapping[str, Any]


class Condition(Protocol):
    """What a context has to fulfil; its text says so in words."""

    def holds(self, attributes: Attributes) -> bool:
        """Whether it does."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute of the context, and what it has to be."""

    attribute: str
    operator: str
    operand: Any
    test: Test

    def holds(self, attributes: Attributes) -> bool:
        """Whether it is so; an attribute that is missing fulfils nothing."""
        return self.test(attributes.get(self.attribute))

    def __str__(self) -> str:
        listed = isinstance(self.operand, list)
        operand = ", ".join(map(str, self.operand)) if listed else self.operand
        return f"{self.attribute} {self.operator.replace('_', ' ')} {operand}"


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether the context is in a segment, or is not."""

    segment: str
    conditions: tuple[Condition, ...]
    is_wanted: bool

    def holds(self, attributes: Attributes) -> bool:
        """Whether it is so."""
        is_in = all(condition.holds(attributes) for condition in self.conditions)
        return is_in == self.is_wanted

    def __str__(self) -> str:
        return f"{'in' if self.is_wanted else 'not in'} the segment {self.segment}"


Segments = Mapping[str, tuple[Condition, ...]]


def missing_unit() -> Invalid:
    """The refusal where a bucket is needed and there is nothing to take it of."""
    return Invalid(
        "A percentage needs a targetingKey.",
        code="TARGETING_KEY_MISSING",
        errors=[{"pointer": "/targetingKey", "detail": "is missing"}],
    )


def _bucket(attributes: Attributes, salt: str, seed: int = COVERAGE_SEED) -> int:
    unit = attributes.get("targetingKey")
    if not unit:
        raise missing_unit()
    return bucket(salt, unit, seed)


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several values of a rule; `share` is in buckets of 10000."""

    name: str
    value: Value
    share: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A value for whoever fulfils all conditions, or for a sticky share of them.

    With `variants`, those who match are split among them, by a hash of its own.
    """

    conditions: tuple[Condition, ...]
    value: Value = None
    share: int | None = None  # of 10000 buckets
    variants: tuple[Variant, ...] = ()
    description: str = ""

    @property
    def is_split(self) -> bool:
        """Whether a bucket decides, and not the conditions alone."""
        return self.share is not None or bool(self.variants)

    def place(self, attributes: Attributes, *, salt: str) -> int:
        """The bucket that the share is taken of; `Invalid` without a targetingKey."""
        return _bucket(attributes, salt)

    def matches(self, attributes: Attributes, *, salt: str) -> bool:
        """Whether this rule decides here.

        Raises `Invalid` (TARGETING_KEY_MISSING) when it needs a bucket and the
        context has no unit to take it of.
        """
        for condition in self.conditions:
            if not condition.holds(attributes):
                return False
        return self.share is None or _bucket(attributes, salt) < self.share

    def variant(self, attributes: Attributes, *, salt: str) -> Variant | None:
        """The variant of whoever matched; None when the rule has just one value."""
        if not self.variants:
            return None
        place = _bucket(attributes, salt, VARIANT_SEED)
        for variant in self.variants:
            place -= variant.share
            if place < 0:
                return variant
        return self.variants[-1]


def condition(
    raw: Mapping[str, Any], *, segments: Segments | None = None, pointer: str = ""
) -> Condition:
    """A condition, checked and compiled.

    It is `{"attribute", "operator", "value"}`, or `{"segment": KEY}`, or
    `{"not_segment": KEY}` with a key of `segments`. Raises `Invalid` (RULE_INVALID).
    """
    for member in ("segment", "not_segment"):
        if member in raw:
            key = raw[member]
            if len(raw) > 1:
                raise _no_condition(pointer, f"{member} stands alone")
            if segments is None:
                raise _no_condition(pointer, "a segment is not made of segments")
            if not isinstance(key, str) or key not in segments:
                raise _no_condition(pointer, f"there is no segment {key!r}")
            return Membership(key, segments[key], is_wanted=member == "segment")
    attribute, name = raw.get("attribute"), str(raw.get("operator"))
    operator = OPERATORS.get(name)
    if not isinstance(attribute, str) or not attribute:
        raise _no_condition(pointer, "a condition names an attribute")
    if operator is None:
        raise _no_condition(pointer, f"an operator is one of {', '.join(OPERATORS)}")
    operand = raw.get("value")
    try:
        test = operator.compile(operand)
    except ValueError as error:
        raise _no_condition(pointer, f"{name}: {error}") from None
    return Comparison(attribute, name, operand, test)


def conditions(
    raws: Sequence[Mapping[str, Any]], *, segments: Segments | None = None
) -> tuple[Condition, ...]:
    """Several, all of which have to hold."""
    return tuple(condition(raw, segments=segments) for raw in raws)


def _no_condition(pointer: str, trouble: str) -> Invalid:
    return Invalid(
        f"This is no condition: {trouble}.",
        code="RULE_INVALID",
        errors=[{"pointer": pointer, "detail": trouble}],
    )
