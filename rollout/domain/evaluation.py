"""What a flag is worth to a context: default, first matching rule, stage, clamp."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rollout.domain.contexts import Context
from rollout.domain.flags import ENABLED, NO_WEB, FlagSpec, Value, stricter
from rollout.domain.snapshots import CompiledFlag, Prerequisite, Snapshot
from rollout.domain.targeting import Rule, Variant


def evaluate(
    snapshot: Snapshot, context: Context, *, is_enabled: bool
) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Every flag's effective value, and per flag the steps that led to it."""
    values = Values(snapshot, context, is_enabled=lambda: is_enabled)
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
    """The flags of a snapshot for one context; each is evaluated once, when asked.

    `is_enabled` is asked when a prerequisite wants to know the decision itself.
    """

    __slots__ = ("_attributes", "_forced", "_found", "_is_enabled", "_snapshot")

    def __init__(
        self, snapshot: Snapshot, context: Context, *, is_enabled: Callable[[], bool]
    ) -> None:
        self._snapshot = snapshot
        self._attributes = context.asked()
        self._forced = forced_for(snapshot, is_no_web=context.is_no_web)
        self._is_enabled = is_enabled
        self._found: dict[str, Outcome] = {}

    def of(self, flag: CompiledFlag) -> Outcome:
        """A flag's value; `Invalid` when it needs a bucket and there is no unit."""
        key = flag.spec.key
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._outcome(flag)
        return found

    def is_met(self, prerequisite: Prerequisite) -> bool:
        """Whether another flag has one of the values that a flag asks of it."""
        other = self._snapshot.by_key[prerequisite.flag]
        return prerequisite.is_met_by(self.of(other).value)

    def _outcome(self, flag: CompiledFlag) -> Outcome:
        if flag.spec.key == ENABLED:
            return Outcome(self._is_enabled(), ["DECISION"])
        if flag.rules and not all(map(self.is_met, flag.prerequisites)):
            value, why = limited(flag.spec, flag.spec.default, self._forced)
            return Outcome(value, ["DEFAULT", "PREREQUISITE", *why])
        return effective(flag, self._attributes, self._forced)


def forced_for(snapshot: Snapshot, *, is_no_web: bool) -> dict[str, bool | int]:
    """What the open stage, or the run itself, allows at most."""
    forced = dict(snapshot.stage.forced) if snapshot.stage else {}
    if is_no_web:
        forced[NO_WEB] = True
    return forced


def effective(
    flag: CompiledFlag,
    attributes: Mapping[str, Any],
    forced: Mapping[str, bool | int],
) -> Outcome:
    """A flag's value by its own rules, whatever it may need of other flags."""
    value, why, matched, variant = flag.spec.default, ["DEFAULT"], None, None
    for number, rule in enumerate(flag.rules, start=1):
        if rule.matches(attributes, salt=flag.salt):
            matched, value = rule, rule.value
            why.append(f"RULE_{number}")
            if variant := rule.variant(attributes, salt=flag.salt):
                value = variant.value
            break
    value, limits = limited(flag.spec, value, forced)
    return Outcome(value, why + limits, matched, variant)


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
