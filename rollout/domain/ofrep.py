"""Flags for OpenFeature clients: the Remote Evaluation Protocol (OFREP 0.3).

A success always has `key`, `value`, `variant` and `reason`, also when the switch is
engaged; the portal's own, finer reasons are in the flat `metadata`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.errors import Invalid
from rollout.domain import decisions
from rollout.domain.decisions import Context, Reason
from rollout.domain.flags import ENABLED, Value, canonical_key
from rollout.domain.snapshots import CompiledFlag, Snapshot

STATIC = "STATIC"
TARGETING_MATCH = "TARGETING_MATCH"
SPLIT = "SPLIT"
DISABLED = "DISABLED"

# Nobody is let in for everybody's sake, not for the caller's.
_OFF = frozenset({Reason.KILL_SWITCH, Reason.NOT_STARTED, Reason.STAGE_PAUSED})


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates the flags of one snapshot, whose flags are found by name.

    `is_expired` says that the snapshot was confirmed too long ago to expose anybody:
    then nothing is enabled, and the other flags keep their values (decision 8).
    """

    snapshot: Snapshot
    revision: int
    flags: Mapping[str, CompiledFlag] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, revision: int) -> "Evaluator":
        """An evaluator for a loaded snapshot."""
        flags = {flag.spec.key: flag for flag in snapshot.flags}
        return cls(snapshot, revision, flags)

    def one(
        self,
        key: str,
        attributes: Mapping[str, Any],
        *,
        is_stale: bool = False,
        is_expired: bool = False,
    ) -> dict[str, Any]:
        """One flag; an error has `errorCode` and `errorDetails`."""
        flag = self.flags.get(canonical_key(key))
        if flag is None:
            return error(key, "FLAG_NOT_FOUND", f"There is no flag {key}.")
        call = self._call(attributes, is_stale=is_stale, is_expired=is_expired)
        if isinstance(call, str):
            return error(key, "INVALID_CONTEXT", call)
        return {**call.answer(flag), "key": key}

    def all(
        self,
        attributes: Mapping[str, Any],
        *,
        is_stale: bool = False,
        is_expired: bool = False,
    ) -> list[dict[str, Any]] | str:
        """Every flag, a broken one as one failed item; a text if the context is bad."""
        call = self._call(attributes, is_stale=is_stale, is_expired=is_expired)
        if isinstance(call, str):
            return call
        return [call.answer(flag) for flag in self.snapshot.flags]

    def _call(
        self, attributes: Mapping[str, Any], *, is_stale: bool, is_expired: bool
    ) -> "_Call | str":
        try:
            context = decisions.from_asked(attributes, needs_run=False)
        except Invalid as refusal:
            errors = refusal.facts.get("errors")
            said = errors if isinstance(errors, list) else []
            return "; ".join(f"{each['pointer']} {each['detail']}" for each in said)
        common: dict[str, Any] = {
            "revision": self.revision,
            "epoch": self.snapshot.epoch,
            "stage": self.snapshot.stage.key if self.snapshot.stage else "",
        }
        if is_stale:
            common["stale"] = True
        return _Call(
            self.snapshot,
            context,
            context.asked(),
            decisions.forced_for(self.snapshot, context),
            common,
            is_expired,
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """What the flags of one request have in common."""

    snapshot: Snapshot
    context: Context
    attributes: Mapping[str, Any]
    forced: Mapping[str, bool | int]
    metadata: Mapping[str, Any]
    is_expired: bool

    def answer(self, flag: CompiledFlag) -> dict[str, Any]:
        key = flag.spec.key
        try:
            if key == ENABLED:
                return self._decision(key)
            value, why = decisions.effective(flag, self.attributes, self.forced)
        except Invalid as refusal:
            return error(key, "TARGETING_KEY_MISSING", str(refusal))
        reason = STATIC
        if self.snapshot.is_switch_engaged:
            reason = DISABLED
        elif len(why) > 1 and why[1].startswith("RULE_"):
            rule = flag.rules[int(why[1].removeprefix("RULE_")) - 1]
            reason = TARGETING_MATCH if rule.share is None else SPLIT
        return {
            "key": key,
            "value": "" if value is None else value,
            "variant": _variant(value, why),
            "reason": reason,
            "metadata": {**self.metadata, "why": ",".join(why)},
        }

    def _decision(self, key: str) -> dict[str, Any]:
        if self.is_expired:
            is_enabled, why, reason = False, "STALE", DISABLED
        else:
            found, place, _ = decisions.admission(self.snapshot, self.context)
            is_enabled, why = found == Reason.ADMITTED, str(found)
            reason = TARGETING_MATCH if place is None else SPLIT
            if found in _OFF:
                reason = DISABLED
        workflow = "option_c" if is_enabled else self.snapshot.fallback_workflow
        return {
            "key": key,
            "value": is_enabled,
            "variant": "on" if is_enabled else "off",
            "reason": reason,
            "metadata": {**self.metadata, "why": why, "workflow": workflow},
        }


def _variant(value: Value, why: list[str]) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return why[-1].lower()


def error(key: str, code: str, details: str) -> dict[str, Any]:
    """One flag that could not be evaluated, and why."""
    return {"key": key, "errorCode": code, "errorDetails": details}
