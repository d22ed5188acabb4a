"""A rollout's configuration: read from its tables, and written back to them."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from portal.models import Actor
from portal.services.reading import read_once
from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.configuration import Configuration
from rollout.domain.configuration_schema import SCHEMA_NAME
from rollout.domain.edits import ABSENT, Edit
from rollout.domain.stages import StagePlan
from rollout.models import Flag, Rollout, Rule, Segment, Trigger

_PLAIN = (
    *("type", "description", "owner", "default", "minimum", "maximum"),
    *("options", "is_nullable", "prerequisites"),
)
_OF_TRIGGER = (
    *("kind", "description", "action", "cooldown_s", "is_dry_run"),
    *("threshold", "at_least", "window_s"),
)


@read_once
def read(rollout: Rollout) -> dict[str, Any]:
    """The configuration that the tables hold now, in five queries."""
    flags = rollout.flags.filter(is_live=True).prefetch_related(
        Prefetch("rules", Rule.objects.filter(is_live=True), to_attr="live_rules")
    )
    return {
        "schema": SCHEMA_NAME,
        "flags": {flag.key: _of_flag(flag) for flag in flags},
        "segments": {
            segment.key: {
                "description": segment.description,
                "conditions": segment.conditions,
            }
            for segment in rollout.segments.filter(is_live=True)
        },
        "stages": {
            stage.key: {
                "coverage": _number(stage.coverage),
                "plan": StagePlan.from_json(stage.plan).to_json(),
            }
            for stage in rollout.stages.all()
        },
        "triggers": {
            trigger.key: of_trigger(trigger)
            for trigger in rollout.triggers.filter(is_live=True)
        },
    }


def of_trigger(trigger: Trigger) -> dict[str, Any]:
    """A trigger as the configuration holds it."""
    return {name: getattr(trigger, name) for name in _OF_TRIGGER}


def _of_flag(flag: Flag) -> dict[str, Any]:
    return {
        **{name: getattr(flag, name) for name in _PLAIN},
        "expires_on": flag.expires_on.isoformat() if flag.expires_on else None,
        "rules": [_of_rule(rule) for rule in flag.live_rules],
    }


def _of_rule(rule: Rule) -> dict[str, Any]:
    values = {"variants": rule.variants} if rule.variants else {"value": rule.value}
    return {
        "description": rule.description,
        "conditions": rule.conditions,
        "percentage": None if rule.percentage is None else _number(rule.percentage),
        **values,
    }


def _number(percentage: Decimal) -> int | float:
    return percentage_of(share_of(percentage))


def write(
    rollout: Rollout,
    edits: Iterable[Edit],
    new: Configuration,
    *,
    by: Actor,
    reason: str,
) -> None:
    """Bring the tables to `new`, where `edits` say that they differ.

    A part of the act that applies a change: the caller holds the rollout's lock and
    writes the ledger's line.
    """
    for kind, key in sorted({(edit.parts[0], edit.parts[1]) for edit in edits}):
        wanted = new[kind].get(key, ABSENT)
        if kind == "flags":
            _write_flag(rollout, key, wanted, by=by, reason=reason)
        elif kind == "segments":
            _write_segment(rollout, key, wanted, by=by, reason=reason)
        elif kind == "triggers":
            _write_trigger(rollout, key, wanted, by=by, reason=reason)
        else:
            stage = rollout.stages.select_for_update(no_key=True).get(key=key)
            stage.plan = wanted["plan"]
            stage.coverage = Decimal(str(wanted["coverage"]))
            stage.save_as(by, reason=reason)


def _write_flag(
    rollout: Rollout, key: str, wanted: Any, *, by: Actor, reason: str
) -> None:
    flag = rollout.flags.filter(key=key).first()
    if flag is None:
        flag = Flag(rollout=rollout, key=key, position=rollout.flags.count())
    flag.is_live = wanted is not ABSENT
    if not flag.is_live:
        flag.save_as(by, reason=reason)
        return
    for name in _PLAIN:
        setattr(flag, name, wanted[name])
    expires_on = wanted["expires_on"]
    flag.expires_on = date.fromisoformat(expires_on) if expires_on else None
    flag.save_as(by, reason=reason)
    _write_rules(flag, wanted["rules"], by=by, reason=reason)


def _write_rules(
    flag: Flag, wanted: list[Mapping[str, Any]], *, by: Actor, reason: str
) -> None:
    """Retire the rules that are no longer as they were; write the others anew."""
    there = {rule.position: rule for rule in flag.rules.filter(is_live=True)}
    rows = [_rule_row(flag, number, raw) for number, raw in enumerate(wanted, start=1)]
    fresh = [
        row
        for row in rows
        if row.position not in there or _of_rule(there[row.position]) != _of_rule(row)
    ]
    kept = {row.position for row in rows} - {row.position for row in fresh}
    gone = [rule for position, rule in there.items() if position not in kept]
    for rule in gone:
        rule.is_live = False
    for row in (*gone, *fresh):
        row.save_as(by, reason=reason)


def _rule_row(flag: Flag, position: int, raw: Mapping[str, Any]) -> Rule:
    share = raw.get("percentage")
    return Rule(
        flag=flag,
        position=position,
        description=raw.get("description", ""),
        conditions=raw["conditions"],
        percentage=None if share is None else Decimal(str(share)),
        value=raw.get("value"),
        variants=raw.get("variants") or [],
    )


def _write_segment(
    rollout: Rollout, key: str, wanted: Any, *, by: Actor, reason: str
) -> None:
    segment = rollout.segments.filter(key=key).first()
    segment = segment or Segment(rollout=rollout, key=key)
    segment.is_live = wanted is not ABSENT
    if segment.is_live:
        segment.description = wanted["description"]
        segment.conditions = wanted["conditions"]
    segment.save_as(by, reason=reason)


def _write_trigger(
    rollout: Rollout, key: str, wanted: Any, *, by: Actor, reason: str
) -> None:
    trigger = rollout.triggers.filter(key=key).first()
    trigger = trigger or Trigger(rollout=rollout, key=key)
    trigger.is_live = wanted is not ABSENT
    if trigger.is_live:
        for name in _OF_TRIGGER:
            setattr(trigger, name, wanted[name])
    trigger.save_as(by, reason=reason)
