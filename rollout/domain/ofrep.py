"""Flags for OpenFeature clients: the Remote Evaluation Protocol (OFREP 0.3).

A success always has `key`, `value`, `variant` and `reason`, also when the switch is
engaged; the portal's own, finer reasons are in the flat `metadata`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from portal.errors import Invalid
from rollout.domain import contexts, decisions, evaluation
from rollout.domain.contexts import Context
from rollout.domain.decisions import Reason
from rollout.domain.evaluation import Outcome, Values
from rollout.domain.flags import ENABLED, Value, canonical_key
from rollout.domain.snapshots import CompiledFlag, Snapshot

STATIC = "STATIC"
TARGETING_MATCH = "TARGETING_MATCH"
SPLIT = "SPLIT"
DISABLED = "DISABLED"

# Nobody is let in for everybody's sake, not for the caller's.
_OFF = frozenset({Reason.KILL_SWITCH, Reason.NOT_STARTED, Reason.STAGE_PAUSED})


class Answer(NamedTuple):
    """One flag's value; `why` and `workflow` are the portal's own."""

    key: str
    value: bool | int | str
    variant: str
    reason: str
    why: str
    workflow: str = ""


class Failure(NamedTuple):
    """One flag that could not be evaluated, or a whole context without `key`."""

    key: str
    code: str
    details: str

    def to_json(self) -> dict[str, Any]:
        """As OFREP has it."""
        named = {"key": self.key} if self.key else {}
        return {**named, "errorCode": self.code, "errorDetails": self.details}


class Basis(NamedTuple):
    """What all answers of a snapshot have in common."""

    revision: int
    epoch: int
    stage: str
    is_stale: bool = False

    def to_json(self, answer: Answer) -> dict[str, Any]:
        """An answer as OFREP has it."""
        metadata = {
            "revision": self.revision,
            "epoch": self.epoch,
            "stage": self.stage,
            "why": answer.why,
        }
        if self.is_stale:
            metadata["stale"] = True
        if answer.workflow:
            metadata["workflow"] = answer.workflow
        return {
            "key": answer.key,
            "value": answer.value,
            "variant": answer.variant,
            "reason": answer.reason,
            "metadata": metadata,
        }


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates the flags of one snapshot, whose flags are found by name.

    Flags without rules have the same value for everybody, except that `no_web` runs
    get no web: those answers are `settled` beforehand, by whether a run is `no_web`.
    `is_expired` says that the snapshot was confirmed too long ago to expose anybody:
    then nothing is enabled, and the other flags keep their values (decision 8).
    """

    snapshot: Snapshot
    basis: Basis
    positions: Mapping[str, int]
    settled: Mapping[bool, tuple[Answer | None, ...]]

    @classmethod
    def of(cls, snapshot: Snapshot, revision: int) -> "Evaluator":
        """An evaluator for a loaded snapshot."""
        stage = snapshot.stage.key if snapshot.stage else ""
        return cls(
            snapshot,
            Basis(revision, snapshot.epoch, stage),
            {flag.spec.key: n for n, flag in enumerate(snapshot.flags)},
            {
                is_no_web: tuple(
                    None
                    if flag.rules or flag.spec.key == ENABLED
                    else _answer(
                        snapshot,
                        flag,
                        evaluation.effective(
                            flag,
                            {},
                            evaluation.forced_for(snapshot, is_no_web=is_no_web),
                        ),
                    )
                    for flag in snapshot.flags
                )
                for is_no_web in (False, True)
            },
        )

    def one(
        self, key: str, attributes: Mapping[str, Any], *, is_expired: bool = False
    ) -> Answer | Failure:
        """One flag, by any of its names."""
        position = self.positions.get(canonical_key(key))
        if position is None:
            return Failure(key, "FLAG_NOT_FOUND", f"There is no flag {key}.")
        context = _context(attributes)
        if isinstance(context, Failure):
            return context._replace(key=key)
        found = self.settled[context.is_no_web][position] or self._live(
            self.snapshot.flags[position], self._asking(context, is_expired)
        )
        return found if found.key == key else found._replace(key=key)

    def all(
        self, attributes: Mapping[str, Any], *, is_expired: bool = False
    ) -> list[Answer | Failure] | Failure:
        """Every flag, a broken one as one failure; one failure if the context is."""
        context = _context(attributes)
        if isinstance(context, Failure):
            return context
        asking = self._asking(context, is_expired)
        return [
            settled or self._live(flag, asking)
            for flag, settled in zip(
                self.snapshot.flags, self.settled[context.is_no_web], strict=True
            )
        ]

    def _asking(self, context: Context, is_expired: bool) -> "_Asking":
        return _Asking(self.snapshot, context, is_expired)

    def _live(self, flag: CompiledFlag, asking: "_Asking") -> Answer | Failure:
        try:
            if flag.spec.key == ENABLED:
                return asking.decision()
            return _answer(self.snapshot, flag, asking.values.of(flag))
        except Invalid as refusal:
            return Failure(flag.spec.key, "TARGETING_KEY_MISSING", str(refusal))


def _context(attributes: Mapping[str, Any]) -> Context | Failure:
    try:
        return contexts.from_asked(attributes, needs_run=False)
    except Invalid as refusal:
        errors = refusal.facts.get("errors")
        said = errors if isinstance(errors, list) else []
        details = "; ".join(f"{each['pointer']} {each['detail']}" for each in said)
        return Failure("", "INVALID_CONTEXT", details)


def _answer(snapshot: Snapshot, flag: CompiledFlag, outcome: Outcome) -> Answer:
    value, why, rule, variant = outcome
    reason = STATIC
    if snapshot.is_switch_engaged:
        reason = DISABLED
    elif rule is not None:
        reason = SPLIT if rule.is_split else TARGETING_MATCH
    named = variant.name if variant is not None and value == variant.value else ""
    return Answer(
        flag.spec.key,
        "" if value is None else value,
        named or _variant(value, why),
        reason,
        ",".join(why),
    )


class _Asking:
    """One context asking, and what was found out for it so far."""

    __slots__ = ("_context", "_decision", "_is_expired", "_snapshot", "_values")

    def __init__(self, snapshot: Snapshot, context: Context, is_expired: bool) -> None:
        self._snapshot, self._context = snapshot, context
        self._is_expired = is_expired
        self._decision: Answer | None = None
        self._values: Values | None = None

    @property
    def values(self) -> Values:
        """The flags' values; made when the first flag needs them."""
        if self._values is None:
            self._values = Values(
                self._snapshot,
                self._context,
                is_enabled=lambda: self.decision().value is True,
            )
        return self._values

    def decision(self) -> Answer:
        """What the flag that is the decision itself says."""
        if self._decision is None:
            self._decision = self._decide()
        return self._decision

    def _decide(self) -> Answer:
        if self._is_expired:
            is_enabled, why, reason = False, "STALE", DISABLED
        else:
            found, place, _ = decisions.admission(self._snapshot, self._context)
            is_enabled, why = found == Reason.ADMITTED, str(found)
            reason = TARGETING_MATCH if place is None else SPLIT
            if found in _OFF:
                reason = DISABLED
        workflow = "option_c" if is_enabled else self._snapshot.fallback_workflow
        variant = "on" if is_enabled else "off"
        return Answer(ENABLED, is_enabled, variant, reason, why, workflow)


def _variant(value: Value, why: list[str]) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return why[-1].lower()
