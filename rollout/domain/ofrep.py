"""Flags for OpenFeature clients: the Remote Evaluation Protocol (OFREP 0.3).

A success always has `key`, `value`, `variant` and `reason`, also when the switch is
engaged; the portal's own, finer reasons are in the flat `metadata`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from portal.errors import Invalid
from rollout.domain import contexts, decisions, evaluation
from rollout.domain.decisions import Reason
from rollout.domain.evaluation import NO_RULE, Choice, Values, choose
from rollout.domain.flags import ALIASES, ENABLED, Value
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
    """What all answers of a snapshot have in common.

    With the rollout it tells equal answers apart that only look equal: 1 and True.
    """

    rollout: str
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
    The others are `live`, by their position; what they said before is `told` again.
    `is_expired` says that the snapshot was confirmed too long ago to expose anybody:
    then nothing is enabled, and the other flags keep their values (decision 8).
    """

    snapshot: Snapshot
    basis: Basis
    positions: Mapping[str, int]
    live: Mapping[int, CompiledFlag]
    settled: Mapping[bool, Sequence[Answer]]
    told: Mapping[bool, dict[Choice, Answer]] = field(compare=False)

    @classmethod
    def of(cls, snapshot: Snapshot, revision: int) -> "Evaluator":
        """An evaluator for a loaded snapshot."""
        stage = snapshot.stage.key if snapshot.stage else ""
        flags = snapshot.flags
        positions = {flag.spec.key: n for n, flag in enumerate(flags)}
        return cls(
            snapshot,
            Basis(snapshot.rollout, revision, snapshot.epoch, stage),
            positions | {a: positions[k] for a, k in ALIASES.items() if k in positions},
            {
                n: flag
                for n, flag in enumerate(flags)
                if flag.rules or flag.spec.key == ENABLED
            },
            {
                is_no_web: [
                    _answer(snapshot, flag, (flag.spec.key, NO_RULE, 0), is_no_web)
                    for flag in flags
                ]
                for is_no_web in (False, True)
            },
            {False: {}, True: {}},
        )

    def one(
        self, key: str, asked: Mapping[str, Any], *, is_expired: bool = False
    ) -> Answer | Failure:
        """One flag, by any of its names."""
        position = self.positions.get(key)
        if position is None:
            return Failure(key, "FLAG_NOT_FOUND", f"There is no flag {key}.")
        try:
            asking = _Asking(self, asked, is_expired)
        except Invalid as refusal:
            return _refused(refusal)._replace(key=key)
        flag = self.live.get(position)
        found = asking.answer(flag) if flag else asking.settled[position]
        return found if found.key == key else found._replace(key=key)

    def all(
        self, asked: Mapping[str, Any], *, is_expired: bool = False
    ) -> list[Answer | Failure] | Failure:
        """Every flag, a broken one as one failure; one failure if the context is."""
        try:
            asking = _Asking(self, asked, is_expired)
        except Invalid as refusal:
            return _refused(refusal)
        # Where a live flag stands, its default stands in until it has answered.
        found: list[Answer | Failure] = [*asking.settled]
        for position, flag in self.live.items():
            found[position] = asking.answer(flag)
        return found


def _refused(refusal: Invalid) -> Failure:
    errors = refusal.facts.get("errors")
    said = errors if isinstance(errors, list) else []
    details = "; ".join(f"{each['pointer']} {each['detail']}" for each in said)
    return Failure("", "INVALID_CONTEXT", details)


def _answer(
    snapshot: Snapshot, flag: CompiledFlag, choice: Choice, is_no_web: bool
) -> Answer:
    forced = evaluation.forced_for(snapshot, is_no_web=is_no_web)
    value, why, rule, variant = evaluation.outcome(flag, choice, forced)
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
    """One context asking, and what was found out for it so far.

    `Invalid` when the context cannot be taken.
    """

    __slots__ = (
        "_attributes",
        "_decision",
        "_evaluator",
        "_is_expired",
        "_is_no_web",
        "_values",
        "settled",
    )

    def __init__(
        self, evaluator: Evaluator, asked: Mapping[str, Any], is_expired: bool
    ) -> None:
        self._attributes = contexts.attributes(asked, needs_run=False)
        self._is_no_web = self._attributes.get("sensitivity") == "no_web"
        self.settled = evaluator.settled[self._is_no_web]
        self._evaluator = evaluator
        self._is_expired = is_expired
        self._decision: Answer | None = None
        self._values: Values | None = None

    def answer(self, flag: CompiledFlag) -> Answer | Failure:
        """What a flag that is not settled says."""
        try:
            if flag.spec.key == ENABLED:
                return self._decided()
            choice = (
                self._choice(flag)
                if flag.prerequisites
                else choose(flag, self._attributes)
            )
        except Invalid as refusal:
            return Failure(flag.spec.key, "TARGETING_KEY_MISSING", str(refusal))
        told = self._evaluator.told[self._is_no_web]
        found = told.get(choice)
        if found is None:
            found = _answer(self._evaluator.snapshot, flag, choice, self._is_no_web)
            told[choice] = found
        return found

    def _choice(self, flag: CompiledFlag) -> Choice:
        if self._values is None:
            self._values = Values(
                self._evaluator.snapshot,
                self._attributes,
                is_enabled=lambda: self._decided().value is True,
            )
        return self._values.choice(flag)

    def _decided(self) -> Answer:
        """What the flag that is the decision itself says."""
        if self._decision is None:
            self._decision = self._decide()
        return self._decision

    def _decide(self) -> Answer:
        snapshot = self._evaluator.snapshot
        if self._is_expired:
            is_enabled, why, reason = False, "STALE", DISABLED
        else:
            found, place, _ = decisions.admission(snapshot, self._attributes)
            is_enabled, why = found == Reason.ADMITTED, str(found)
            reason = TARGETING_MATCH if place is None else SPLIT
            if found in _OFF:
                reason = DISABLED
        workflow = "option_c" if is_enabled else snapshot.fallback_workflow
        variant = "on" if is_enabled else "off"
        return Answer(ENABLED, is_enabled, variant, reason, why, workflow)


def _variant(value: Value, why: list[str]) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return why[-1].lower()
