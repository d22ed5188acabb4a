"""Does a change expose more than before? Judged by the worst that it could do.

Towards safety one person suffices; what raises exposure, or cannot be compared, takes
two. A change is only called safer where no context could get anything looser.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

from rollout.domain.configuration import Configuration
from rollout.domain.edits import ABSENT, Edit
from rollout.domain.flags import NO_WEB, Value
from rollout.domain.stages import ANY, SENSITIVITIES, OnHardGateFailure, RollbackTo
from rollout.domain.triggers import TriggerKind, is_as_strict


class Risk(IntEnum):
    """How much of a second look a change takes."""

    SAFER = 0  # nobody can get anything looser: at once, with a reason
    LOW = 1  # cannot be ordered (a text, a new flag): another person
    HIGH = 2  # exposes more to somebody: an architect or QA

    @property
    def takes_approval(self) -> bool:
        """Whether another person has to agree first."""
        return self > Risk.SAFER

    def __str__(self) -> str:
        return self.name.lower()


ABOUT = frozenset({"description", "owner", "expires_on"})  # decides nothing
Rules = list[Mapping[str, Any]]


def risk_of(
    edits: Iterable[Edit], *, old: Configuration, new: Configuration
) -> dict[str, Risk]:
    """The risk of each edit, by its path."""
    return {edit.path: _risk(edit, old, new) for edit in edits}


def worst(risks: Mapping[str, Risk]) -> Risk:
    """The risk of a whole change."""
    return max(risks.values(), default=Risk.SAFER)


def _risk(edit: Edit, old: Configuration, new: Configuration) -> Risk:
    kind, key, *rest = edit.parts
    if kind == "segments":
        return _risk_of_segment(key, edit, old, new)
    if kind == "stages":
        return _risk_of_stage(rest, edit)
    if kind == "triggers":
        return _risk_of_trigger(rest, edit, new["triggers"].get(key, {}))
    if not rest:
        return Risk.LOW if edit.before is ABSENT else Risk.HIGH
    if rest[0] in ABOUT:
        return Risk.SAFER
    own = _risk_of_field(key, rest[0], edit, old["flags"][key], new["flags"][key])
    return max(own, _risk_of_dependents(key, new["flags"]))


def _risk_of_field(
    key: str,
    field: str,
    edit: Edit,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Risk:
    if field in ("rules", "prerequisites"):
        return _risk_of_rules(key, before, after)
    if field == "default":
        return _risk_of_value(key, edit.before, edit.after)
    if field in ("minimum", "maximum"):
        return _risk_of_clamp(field, edit.before, edit.after)
    return Risk.LOW if before["type"] == after["type"] else Risk.HIGH


# Values, from what exposes least to what exposes most


def is_at_most(key: str, value: Value, other: Value) -> bool:
    """Whether `value` surely exposes no more than `other`.

    Only switches and numbers are ordered; a text is only like itself.
    """
    if type(value) is not type(other):
        return False
    if isinstance(value, bool) and isinstance(other, bool):
        return value >= other if key == NO_WEB else value <= other
    if isinstance(value, int) and isinstance(other, int):
        return value <= other
    return value == other


def _is_ordered(value: Value) -> bool:
    return isinstance(value, int)


def _risk_of_value(key: str, before: Value, after: Value) -> Risk:
    if is_at_most(key, after, before):
        return Risk.SAFER
    return Risk.HIGH if _is_ordered(before) or _is_ordered(after) else Risk.LOW


def _risk_of_clamp(field: str, before: int | None, after: int | None) -> Risk:
    if field == "maximum":
        is_safer = after is not None and (before is None or after < before)
    else:
        is_safer = after is None or (before is not None and after < before)
    return Risk.SAFER if is_safer else Risk.HIGH


# Rules: whoever they newly catch or newly miss may get any other value of the flag


def _values_of(rule: Mapping[str, Any]) -> list[Value]:
    if rule.get("variants"):
        return [each["value"] for each in rule["variants"]]
    return [rule.get("value")]


def _but_share(rule: Mapping[str, Any]) -> dict[str, Any]:
    about = ("percentage", "description")
    return {name: each for name, each in rule.items() if name not in about}


def _share(rule: Mapping[str, Any]) -> float:
    share = rule.get("percentage")
    return 100.0 if share is None else float(share)


def _risk_of_rules(
    key: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Risk:
    caught, missed = _caught_and_missed(before, after)
    if not caught and not missed:
        return Risk.SAFER
    possible = [
        *(value for rule in before["rules"] for value in _values_of(rule)),
        *(value for rule in after["rules"] for value in _values_of(rule)),
        before["default"],
        after["default"],
    ]
    is_safer = all(
        is_at_most(key, value, other)
        for rule in caught
        for value in _values_of(rule)
        for other in possible
    ) and all(
        is_at_most(key, other, value)
        for rule in missed
        for value in _values_of(rule)
        for other in possible
    )
    if is_safer:
        return Risk.SAFER
    return Risk.HIGH if any(map(_is_ordered, possible)) else Risk.LOW


def _caught_and_missed(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Rules, Rules]:
    """The rules that may decide for more, and for fewer, contexts than before."""
    old, new = list(before["rules"]), list(after["rules"])
    if before["prerequisites"] != after["prerequisites"]:
        return new, old  # any of them may count now, or count no more
    kept_old, kept_new = _kept(old, new)
    missed = [rule for n, rule in enumerate(old) if n not in kept_old]
    caught = [rule for n, rule in enumerate(new) if n not in kept_new]
    for was, now in zip(kept_old, kept_new, strict=True):
        if _share(new[now]) > _share(old[was]):
            caught.append(new[now])
        elif _share(new[now]) < _share(old[was]):
            missed.append(old[was])
    return caught, missed


def _kept(old: Rules, new: Rules) -> tuple[list[int], list[int]]:
    """The places of the rules that stay, but for their shares, in the same order."""
    kept_old: list[int] = []
    kept_new: list[int] = []
    start = 0
    for here, rule in enumerate(old):
        for there in range(start, len(new)):
            if _but_share(rule) == _but_share(new[there]):
                kept_old.append(here)
                kept_new.append(there)
                start = there + 1
                break
    return kept_old, kept_new


def _risk_of_segment(
    key: str, edit: Edit, old: Configuration, new: Configuration
) -> Risk:
    if ABSENT not in (edit.before, edit.after) and (
        edit.before["conditions"] == edit.after["conditions"]
    ):
        return Risk.SAFER
    return max(
        _risk_of_unsure(flag, raw, [r for r in raw["rules"] if _uses(r, key)])
        for flag, raw in new["flags"].items()
    )


def _risk_of_dependents(key: str, flags: Mapping[str, Any]) -> Risk:
    """Another value of a flag can turn the rules of those that need it on or off."""
    risk = Risk.SAFER
    for other, raw in flags.items():
        if key in {each["flag"] for each in raw["prerequisites"]}:
            risk = max(risk, _risk_of_unsure(other, raw, raw["rules"]))
            risk = max(risk, _risk_of_dependents(other, flags))
    return risk


def _risk_of_unsure(key: str, flag: Mapping[str, Any], rules: Rules) -> Risk:
    """The risk when these rules of a flag may decide for more, or for fewer."""
    without = {**flag, "rules": [rule for rule in flag["rules"] if rule not in rules]}
    return max(_risk_of_rules(key, flag, without), _risk_of_rules(key, without, flag))


def _uses(rule: Mapping[str, Any], segment: str) -> bool:
    return any(
        segment in (each.get("segment"), each.get("not_segment"))
        for each in rule["conditions"]
    )


# Stages: who is admitted, with which caps, and how hard it is to move on

Compare = Callable[[Any, Any], bool]


def _is_fewer(before: list[str], after: list[str]) -> bool:
    return ANY in before or set(after) <= set(before)


def _are_lower_caps(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return before.keys() <= after.keys() and all(
        after[key] <= before[key] for key in before
    )


def _is_higher(before: float | None, after: float | None) -> bool:
    return after is not None and (before is None or after >= before)


def _is_lower(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after <= before


# Whether a new value of a plan's field surely exposes no more than the old one. What
# is not here is always looked at by an architect or QA.
_SAFER_PLAN: dict[str, Compare] = {
    "query_classes": _is_fewer,
    "teams": _is_fewer,
    "modes": _is_fewer,
    "environments": _is_fewer,
    "sensitivity": lambda before, after: (
        SENSITIVITIES.index(after) <= SENSITIVITIES.index(before)
    ),
    "forces_no_web": lambda before, after: bool(after),
    "caps": _are_lower_caps,
    "judged_gates": lambda before, after: set(before) <= set(after),
    "on_hard_gate_failure": lambda before, after: after == OnHardGateFailure.ROLL_BACK,
    "promote_bar": _is_higher,
    "class_bar": _is_higher,
    "floor": _is_higher,
    "alpha_promote": _is_lower,
    "alpha_rollback": _is_higher,
    "promotes_by_itself": lambda before, after: not after,
    "rollback_to": lambda before, after: after == RollbackTo.OFF,
    "restarts": lambda before, after: after == "spend",
    "max_unknown": _is_lower,
    "latency_budget_s": _is_lower,
}


def _risk_of_stage(rest: list[str], edit: Edit) -> Risk:
    if rest == ["coverage"]:
        return Risk.SAFER if edit.after <= edit.before else Risk.HIGH
    is_safer = _SAFER_PLAN.get(rest[1])
    if is_safer is None or ABSENT in (edit.before, edit.after):
        return Risk.HIGH
    return Risk.SAFER if is_safer(edit.before, edit.after) else Risk.HIGH


# Triggers: without one, or with a weaker one, what goes wrong goes on for longer


def _risk_of_trigger(rest: list[str], edit: Edit, after: Mapping[str, Any]) -> Risk:
    if not rest:
        return Risk.SAFER if edit.before is ABSENT else Risk.HIGH
    kind = TriggerKind(after["kind"])
    is_safer = is_as_strict(rest[0], kind, edit.before, edit.after)
    return Risk.SAFER if is_safer else Risk.HIGH
