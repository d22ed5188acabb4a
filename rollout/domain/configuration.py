"""A rollout's configuration: what people change by change requests.

One plain JSON document holds flags with their rules, segments, the stages' plans and
coverage, and the triggers; it is what is exported, imported, compared and, but for the
triggers, compiled. The switch and the states of the stages are no configuration: they
have acts of their own.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Any

from portal.domain import strict_json
from portal.domain.canonical import digest_of
from portal.errors import Invalid
from rollout.domain import schemas
from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.configuration_schema import SHAPE
from rollout.domain.criteria import Criteria
from rollout.domain.feasibility import require_feasible
from rollout.domain.flags import ALIASES, ENABLED, NO_WEB, FlagSpec, FlagType
from rollout.domain.stages import StagePlan
from rollout.domain.targeting import Segments, condition
from rollout.domain.triggers import Trigger, troubles

DEEPEST_PREREQUISITES = 10

Configuration = Mapping[str, Any]
Troubles = Iterator[tuple[str, str]]  # a JSON Pointer, and what is wrong there


def digest(configuration: Configuration) -> str:
    """The digest by which a change names what it rests on."""
    return digest_of(configuration)


def check(configuration: Any) -> None:
    """Refuse a configuration that has not the shape, or contradicts itself.

    Raises `Invalid` with pointers: cyclic prerequisites, weights that are not 100 %
    together, expressions that RE2 refuses, clamps that contradict values, and
    whatever would leave a flag or a stage without a safe value.
    """
    strict_json.check(configuration)
    schemas.check(SHAPE, configuration)
    errors = [
        {"pointer": pointer, "detail": detail}
        for pointer, detail in _troubles(configuration)
    ]
    if errors:
        first = errors[0]
        raise Invalid(
            f"This configuration cannot be: {first['pointer']} {first['detail']}"
            + (f", and {len(errors) - 1} more." if errors[1:] else "."),
            code="CONFIGURATION_INVALID",
            errors=errors,
        )


def completed(configuration: Any, *, now: Configuration) -> Any:
    """A whole configuration; one from before there were triggers leaves them be."""
    if not isinstance(configuration, Mapping) or "triggers" in configuration:
        return configuration
    return {**configuration, "triggers": now["triggers"]}


def normalised(configuration: Configuration) -> dict[str, Any]:
    """The one spelling of a configuration that has passed `check`."""
    return {
        **configuration,
        "flags": {
            key: {**raw, "rules": [_normalised_rule(rule) for rule in raw["rules"]]}
            for key, raw in configuration["flags"].items()
        },
        "stages": {
            key: {
                "coverage": _as_step(raw["coverage"]),
                "plan": StagePlan.from_json(raw["plan"]).to_json(),
            }
            for key, raw in configuration["stages"].items()
        },
    }


def _normalised_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    share = rule.get("percentage")
    values: dict[str, Any] = (
        {"variants": [v | {"weight": _as_step(v["weight"])} for v in rule["variants"]]}
        if rule.get("variants")
        else {"value": rule["value"]}
    )
    return {
        "description": rule.get("description", ""),
        "conditions": rule["conditions"],
        "percentage": None if share is None else _as_step(share),
        **values,
    }


def _as_step(percentage: float) -> int | float:
    return percentage_of(share_of(percentage))


def specs(configuration: Configuration) -> dict[str, FlagSpec]:
    """The flags as the domain sees them, by key."""
    return {
        key: FlagSpec(
            key=key,
            type=FlagType(raw["type"]),
            default=raw["default"],
            minimum=raw["minimum"],
            maximum=raw["maximum"],
            options=tuple(raw["options"]),
            is_nullable=raw["is_nullable"],
        )
        for key, raw in configuration["flags"].items()
    }


def _troubles(configuration: Configuration) -> Troubles:
    known = specs(configuration)
    segments: dict[str, Any] = {}
    for key, raw in configuration["segments"].items():
        pointer = f"/segments/{key}"
        segments[key] = ()
        if not raw["conditions"]:
            yield f"{pointer}/conditions", "a segment of everybody is none"
        yield from _condition_troubles(raw["conditions"], pointer, segments=None)
    yield from _safe_value_troubles(known, configuration)
    for key, raw in configuration["flags"].items():
        yield from _flag_troubles(known[key], raw, segments)
        yield from _prerequisite_troubles(known, key, raw["prerequisites"])
    yield from _cycle_troubles(configuration["flags"])
    for key, raw in configuration["stages"].items():
        yield from _stage_troubles(known, f"/stages/{key}", raw)
    for key, raw in configuration["triggers"].items():
        for place, detail in troubles(Trigger.from_json(key, raw)):
            yield f"/triggers/{key}{place}", detail


def _safe_value_troubles(
    known: Mapping[str, FlagSpec], configuration: Configuration
) -> Troubles:
    """The decision itself and the way off the web can always be had."""
    for key in (ENABLED, NO_WEB):
        if key not in known:
            yield f"/flags/{key}", "is needed: without it nothing is safe"
        elif known[key].type != FlagType.BOOL or known[key].is_nullable:
            yield f"/flags/{key}/type", "is true or false, nothing else"
    enabled = configuration["flags"].get(ENABLED)
    if enabled and (enabled["rules"] or enabled["prerequisites"]):
        yield f"/flags/{ENABLED}/rules", "is the decision itself and has no rules"
    if enabled and enabled["default"] is not False:
        yield f"/flags/{ENABLED}/default", "is decided, not set: its default is false"


def _flag_troubles(
    spec: FlagSpec, raw: Mapping[str, Any], segments: Segments
) -> Troubles:
    pointer = f"/flags/{spec.key}"
    if spec.key in ALIASES:
        yield pointer, f"is an older name of {ALIASES[spec.key]}"
    if raw["expires_on"] is not None and not _is_day(raw["expires_on"]):
        yield f"{pointer}/expires_on", "is a day of the calendar, as 2030-01-31"
    if spec.type == FlagType.ENUM:
        if not spec.options or len(set(spec.options)) < len(spec.options):
            yield f"{pointer}/options", "an enum flag has options, each of them once"
    elif spec.options:
        yield f"{pointer}/options", "only an enum flag has options"
    low, high = spec.minimum, spec.maximum
    if spec.type != FlagType.INTEGER and (low is not None or high is not None):
        yield f"{pointer}/minimum", "only an integer flag has a clamp"
    if low is not None and high is not None and low > high:
        yield f"{pointer}/minimum", "is above the maximum: no value is left"
    elif trouble := spec.trouble(spec.default):
        yield f"{pointer}/default", trouble
    for number, rule in enumerate(raw["rules"]):
        yield from _rule_troubles(spec, f"{pointer}/rules/{number}", rule, segments)


def _rule_troubles(
    spec: FlagSpec, pointer: str, rule: Mapping[str, Any], segments: Segments
) -> Troubles:
    yield from _condition_troubles(rule["conditions"], pointer, segments=segments)
    share = rule.get("percentage")
    if share is not None and not _is_step(share):
        yield f"{pointer}/percentage", "goes in steps of 0.01"
    variants = rule.get("variants") or []
    if bool(variants) == ("value" in rule):
        yield pointer, "a rule has a value or variants, one of the two"
    if "value" in rule and (trouble := spec.trouble(rule["value"])):
        yield f"{pointer}/value", trouble
    if variants:
        yield from _variant_troubles(spec, f"{pointer}/variants", variants)


def _variant_troubles(
    spec: FlagSpec, pointer: str, variants: list[Mapping[str, Any]]
) -> Troubles:
    names = [each["name"] for each in variants]
    if len(set(names)) < len(names):
        yield pointer, "every variant has a name of its own"
    together = sum(round(each["weight"] * 100) for each in variants)
    if together != 100 * 100:
        yield pointer, f"the weights are 100 % together, not {together / 100:g} %"
    for number, each in enumerate(variants):
        if not _is_step(each["weight"]):
            yield f"{pointer}/{number}/weight", "goes in steps of 0.01"
        if trouble := spec.trouble(each["value"]):
            yield f"{pointer}/{number}/value", trouble


def _condition_troubles(
    raws: list[Mapping[str, Any]], pointer: str, *, segments: Segments | None
) -> Troubles:
    for number, raw in enumerate(raws):
        place = f"{pointer}/conditions/{number}"
        try:
            condition(raw, segments=segments)
        except Invalid as refusal:
            yield place, str(refusal).removesuffix(".")


def _prerequisite_troubles(
    known: Mapping[str, FlagSpec], key: str, raws: list[Mapping[str, Any]]
) -> Troubles:
    for number, raw in enumerate(raws):
        pointer = f"/flags/{key}/prerequisites/{number}"
        other = known.get(raw["flag"])
        if other is None:
            yield f"{pointer}/flag", f"there is no flag {raw['flag']!r}"
            continue
        if not raw["values"]:
            yield f"{pointer}/values", "names at least one value"
        for value in raw["values"]:
            if trouble := other.trouble(value):
                yield f"{pointer}/values", f"{value!r}: {trouble}"


def _cycle_troubles(flags: Mapping[str, Any]) -> Troubles:
    graph = {
        key: {each["flag"] for each in raw["prerequisites"]}
        for key, raw in flags.items()
    }
    try:
        ordered = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = error.args[1]
        yield f"/flags/{circle[0]}/prerequisites", f"go round: {' → '.join(circle)}"
        return
    depth: dict[str, int] = {}
    for key in ordered:
        needs = graph.get(key, set())
        depth[key] = max((depth[each] + 1 for each in needs), default=0)
        if depth[key] > DEEPEST_PREREQUISITES:
            deep = f"are {depth[key]} deep, more than {DEEPEST_PREREQUISITES}"
            yield f"/flags/{key}/prerequisites", deep


def _stage_troubles(
    known: Mapping[str, FlagSpec], pointer: str, raw: Mapping[str, Any]
) -> Troubles:
    if not _is_step(raw["coverage"]):
        yield f"{pointer}/coverage", "goes in steps of 0.01"
    try:
        plan = StagePlan.from_json(raw["plan"])
    except Invalid as refusal:
        yield from _places(refusal, f"{pointer}/plan")
        return
    try:
        require_feasible(Criteria.of(plan))
    except Invalid as refusal:
        yield from _places(refusal, f"{pointer}/plan")
    for key, cap in plan.caps.items():
        place = f"{pointer}/plan/caps/{key}"
        if key not in known:
            yield place, "there is no such flag"
        elif trouble := known[key].trouble(cap):
            yield (
                place,
                f"the stage's cap is no value that the flag can have: {trouble}",
            )


def _places(refusal: Invalid, pointer: str) -> Troubles:
    found = refusal.facts.get("errors")
    for each in found if isinstance(found, list) else []:
        yield f"{pointer}{each['pointer']}", each["detail"].removesuffix(".")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_step(percentage: float) -> bool:
    return abs(percentage * 100 - round(percentage * 100)) < 1e-9
