"""What a flag is worth to a context: default, first matching rule, stage, clamp."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rollout.domain.contexts import Context
from rollout.domain.flags import ENABLED, NO_WEB, FlagSpec, Value, stricter
from rollout.domain.snapshots import CompiledFlag, Prerequisite, Snapshot
from rollout.domain.targeting import Rule, Variant

# A flag, the number of the rule that decides (from 1), and that of its variant.
Choice = tuple[str, int, int]
NO_RULE = 0
UNMET = -1  # no rule counts, for a prerequisite is not met


def evaluate(
    snapshot: Snapshot, context: Context, *, is_enabled: bool
) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Every flag's effective value, and per flag the steps that led to it."""
    values = Values(snapshot, context.asked(), is_enabled=lambda: is_enabled)
    found = {flag.spec.key: values.of(flag) for flag in snapshot.flags}
    return (
        {key: outcome.value for key, outcome in found.items()},
        {key: outcome.why for key, outcome in found.items()},
    )


class Outcome(NamedTuple):
    """A flag's value, the steps that led to it, and what matched on the way."""

    value: Value
    why: list[str]
    rule: Rule | None = None
    variant: Variant | None = None


class Values:
    """The flags of a snapshot for the attributes of one context.

    `is_enabled` is asked when a prerequisite wants to know the decision itself.
    """

    __slots__ = ("_attributes", "_chosen", "_is_enabled", "_snapshot")

    def __init__(
        self,
        snapshot: Snapshot,
        attributes: Mapping[str, Any],
        *,
        is_enabled: Callable[[], bool],
    ) -> None:
        self._snapshot = snapshot
        self._attributes = attributes
        self._is_enabled = is_enabled
        self._chosen: dict[str, Choice] = {}

    def of(self, flag: CompiledFlag) -> Outcome:
        """A flag's value; `Invalid` when it needs a bucket and there is no unit."""
        if flag.spec.key == ENABLED:
            return Outcome(self._is_enabled(), ["DECISION"])
        is_no_web = self._attributes.get("sensitivity") == "no_web"
        forced = forced_for(self._snapshot, is_no_web=is_no_web)
        return outcome(flag, self.choice(flag), forced)

    def choice(self, flag: CompiledFlag) -> Choice:
        """Which rule of a flag decides, found once for all who need it."""
        if not (flag.rules and flag.prerequisites):
            return choose(flag, self._attributes)
        key = flag.spec.key
        if key not in self._chosen:
            is_met = all(map(self.is_met, flag.prerequisites))
            unmet = (key, UNMET, 0)
            self._chosen[key] = choose(flag, self._attributes) if is_met else unmet
        return self._chosen[key]

    def is_met(self, prerequisite: Prerequisite) -> bool:
        """Whether another flag has one of the values that a flag asks of it."""
        other = self._snapshot.by_key[prerequisite.flag]
        return prerequisite.is_met_by(self.of(other).value)


def forced_for(snapshot: Snapshot, *, is_no_web: bool) -> Mapping[str, bool | int]:
    """What the open stage, or the run itself, allows at most."""
    forced = snapshot.stage.forced if snapshot.stage else {}
    return {**forced, NO_WEB: True} if is_no_web else forced


def choose(flag: CompiledFlag, attributes: Mapping[str, Any]) -> Choice:
    """The first rule of a flag that matches, and the variant of it."""
    for number, rule in enumerate(flag.rules, start=1):
        if rule.matches(attributes, salt=flag.salt):
            place = 0
            if variant := rule.variants and rule.variant(attributes, salt=flag.salt):
                place = rule.variants.index(variant) + 1
            return flag.spec.key, number, place
    return flag.spec.key, NO_RULE, 0


def outcome(
    flag: CompiledFlag, choice: Choice, forced: Mapping[str, bool | int]
) -> Outcome:
    """What a flag is worth when this rule decides."""
    _, number, place = choice
    value, why, rule, variant = flag.spec.default, ["DEFAULT"], None, None
    if number == UNMET:
        why.append("PREREQUISITE")
    elif number != NO_RULE:
        why.append(f"RULE_{number}")
        rule = flag.rules[number - 1]
        variant = rule.variants[place - 1] if place else None
        value = variant.value if variant else rule.value
    value, limits = limited(flag.spec, value, forced)
    return Outcome(value, why + limits, rule, variant)


def limited(
    spec: FlagSpec, value: Value, forced: Mapping[str, bool | int]
) -> tuple[Value, list[str]]:
    """A value within what stage and clamp allow, and which of them had a say."""
    why = []
    value = spec.clamp(value)  # what has the wrong type must not slip past the stage
    if spec.key in forced:
        capped = stricter(spec.key, value, forced[spec.key])
        if capped != value:
            value = capped
            why.append("STAGE")
    clamped = spec.clamp(value)
    if clamped != value:
        value = clamped
        why.append("CLAMPED")
    return value, why
