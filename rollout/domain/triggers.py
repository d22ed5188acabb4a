"""Triggers: what turns evidence into a hold, a rollback or the switch.

A trigger is data of the approved plan. Facts about a subject (a run, an evaluation, a
verification) go in; which triggers fire, and which one acts, comes out. When several
fire, the strongest acts; the others are told, and outranked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from portal.domain.canonical import digest_of


class Action(StrEnum):
    """What a trigger does, from the weakest to the strongest."""

    NOTIFY = "notify"  # it is told, and an incident can open
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    SWITCH_OFF = "switch_off"


LADDER = tuple(Action)


def is_as_strong(action: Action, other: Action) -> bool:
    """Whether `action` does at least as much as `other`."""
    return LADDER.index(action) >= LADDER.index(other)


class TriggerKind(StrEnum):
    """What a trigger looks at."""

    HARD_GATE_FAILED = "hard_gate_failed"
    CITATIONS_FAILING = "citations_failing"
    OUTPUTS_UNPARSEABLE = "outputs_unparseable"
    RUN_HUNG = "run_hung"
    PROVIDER_FAILING = "provider_failing"
    SOURCES_BLOCKED = "sources_blocked"
    WEB_EXPOSED = "web_exposed"
    CONFLICTS_PERSIST = "conflicts_persist"
    VERIFICATION_FAILED = "verification_failed"
    SAMPLE_RATIO_OFF = "sample_ratio_off"
    DEGRADED_LATE = "degraded_late"
    STATISTICS_AGAINST = "statistics_against"


class Outcome(StrEnum):
    """What became of a trigger that fired."""

    DONE = "done"  # it acted
    ALREADY = "already"  # nothing was left to do
    OUTRANKED = "outranked"  # another one acted, at least as strongly
    COOLING_DOWN = "cooling_down"  # it has fired a short while ago
    DRY_RUN = "dry_run"  # it is only tried


COUNTED = (Outcome.DONE, Outcome.ALREADY, Outcome.OUTRANKED)  # these cool down


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger; `threshold` is a rate, `at_least` a count, as its kind needs."""

    key: str
    kind: TriggerKind
    action: Action
    cooldown_s: int = 0
    is_dry_run: bool = False
    threshold: float | None = None
    at_least: int | None = None
    window_s: int | None = None
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """The trigger as the configuration holds it, without its key."""
        return {name: each for name, each in asdict(self).items() if name != "key"}

    @classmethod
    def from_json(cls, key: str, raw: Mapping[str, Any]) -> "Trigger":
        """The trigger from its form in the configuration."""
        said = {"kind": TriggerKind(raw["kind"]), "action": Action(raw["action"])}
        return cls(**{**raw, **said, "key": key})

    @property
    def digest(self) -> str:
        """What a firing names, to say by which rule it fired."""
        return digest_of({"key": self.key, **self.to_json()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a subject; what is unknown is absent, and fires nothing."""

    now: datetime
    failed_gates: tuple[str, ...] = ()
    rolls_back_on_hard_failure: bool = False
    citations_passed: int = 0
    citations_failed: int = 0
    parseable_rate: float | None = None
    hung_in: str = ""
    provider_failures: int = 0
    blocked_sources: int = 0
    web_exposure: str = ""
    conflicts: tuple[datetime, ...] = ()
    failed_verification: str = ""
    ratio_alarm: str = ""
    degradation: str = ""
    suspicion: str = ""

    def to_json(self) -> dict[str, Any]:
        """What is known, as it is kept with a firing."""
        known = {name: each for name, each in asdict(self).items() if each}
        known["now"] = self.now.isoformat()
        if self.conflicts:
            known["conflicts"] = [each.isoformat() for each in self.conflicts]
        if self.parseable_rate is not None:
            known["parseable_rate"] = self.parseable_rate
        return known


# What each kind looks at: the settings that it needs, and the sentence with which it
# fires. A sentence that is empty fires nothing.


def _hard_gate(trigger: Trigger, facts: Facts) -> str:
    if not facts.failed_gates:
        return ""
    gates = " and ".join(facts.failed_gates)
    return f"Gate {gates} has failed for good."


def _citations(trigger: Trigger, facts: Facts) -> str:
    runs = facts.citations_passed + facts.citations_failed
    if not runs or runs < (trigger.at_least or 0):
        return ""
    rate = facts.citations_failed / runs
    if trigger.threshold is None or rate <= trigger.threshold:
        return ""
    return (
        f"Gate C has failed in {facts.citations_failed} of {runs} runs; "
        f"{trigger.threshold:.0%} may."
    )


def _outputs(trigger: Trigger, facts: Facts) -> str:
    rate = facts.parseable_rate
    if rate is None or trigger.threshold is None or rate >= trigger.threshold:
        return ""
    return f"{rate:.0%} of the outputs are parseable; {trigger.threshold:.0%} should."


def _hang(trigger: Trigger, facts: Facts) -> str:
    return f"A run has hung in {facts.hung_in}." if facts.hung_in else ""


def _count(number: int, trigger: Trigger, what: str) -> str:
    return f"{number} {what}." if number >= max(1, trigger.at_least or 0) else ""


def _providers(trigger: Trigger, facts: Facts) -> str:
    return _count(facts.provider_failures, trigger, "provider failures in a row")


def _sources(trigger: Trigger, facts: Facts) -> str:
    return _count(facts.blocked_sources, trigger, "sources were blocked")


def _conflicts(trigger: Trigger, facts: Facts) -> str:
    since = facts.now - timedelta(seconds=trigger.window_s or 0)
    recent = sum(since <= each <= facts.now for each in facts.conflicts)
    what = f"conflicting documents within {trigger.window_s} s"
    return _count(recent, trigger, what)


Condition = Callable[[Trigger, Facts], str]
RULES: dict[TriggerKind, tuple[tuple[str, ...], Condition]] = {
    TriggerKind.HARD_GATE_FAILED: ((), _hard_gate),
    TriggerKind.CITATIONS_FAILING: (("threshold", "at_least"), _citations),
    TriggerKind.OUTPUTS_UNPARSEABLE: (("threshold",), _outputs),
    TriggerKind.RUN_HUNG: ((), _hang),
    TriggerKind.PROVIDER_FAILING: (("at_least",), _providers),
    TriggerKind.SOURCES_BLOCKED: (("at_least",), _sources),
    TriggerKind.WEB_EXPOSED: ((), lambda trigger, facts: facts.web_exposure),
    TriggerKind.CONFLICTS_PERSIST: (("at_least", "window_s"), _conflicts),
    TriggerKind.VERIFICATION_FAILED: (
        (),
        lambda trigger, facts: facts.failed_verification,
    ),
    TriggerKind.SAMPLE_RATIO_OFF: ((), lambda trigger, facts: facts.ratio_alarm),
    # `at_least` is how many good runs, on average, lie between two false alarms.
    TriggerKind.DEGRADED_LATE: (
        ("at_least",),
        lambda trigger, facts: facts.degradation,
    ),
    TriggerKind.STATISTICS_AGAINST: ((), lambda trigger, facts: facts.suspicion),
}
SETTINGS = ("threshold", "at_least", "window_s")


def troubles(trigger: Trigger) -> Iterator[tuple[str, str]]:
    """What a trigger must not say: pointers into it, each with what is wrong."""
    needed, _ = RULES[trigger.kind]
    for name in SETTINGS:
        if (getattr(trigger, name) is not None) != (name in needed):
            is_used = "is needed" if name in needed else "means nothing"
            yield f"/{name}", f"{is_used} for {trigger.kind}"


# Looser settings fire later: what may only go one way without a second look.


def is_as_strict(name: str, kind: TriggerKind, before: Any, after: Any) -> bool:
    """Whether another value of a setting surely fires, and acts, no less."""
    if name == "description" or before == after:
        return True
    if name == "action":
        return is_as_strong(Action(after), Action(before))
    if name == "is_dry_run":
        return not after
    if name == "kind" or before is None or after is None:
        return False
    fires_below = name == "threshold" and kind == TriggerKind.OUTPUTS_UNPARSEABLE
    is_more = bool(after >= before)
    return is_more if fires_below or name == "window_s" else not is_more


# Firing


@dataclass(frozen=True, slots=True)
class Firing:
    """A trigger has fired: why, and what it would do; None: it acts."""

    trigger: Trigger
    says: str
    action: Action
    outcome: Outcome | None


def consider(
    triggers: Iterable[Trigger],
    facts: Facts,
    *,
    fired: Mapping[str, str] | None = None,
    last: Mapping[str, datetime] | None = None,
) -> list[Firing]:
    """Which triggers fire now, the strongest first; at most the first one acts.

    `fired` are the keys of those that have fired for this subject already, with what
    became of it: they never do again, unless they were only cooling down then and do
    so no more. `last` says when each one that cools down has last counted.
    """
    known, counted = fired or {}, last or {}
    found = [
        firing
        for trigger in triggers
        if (says := RULES[trigger.kind][1](trigger, facts))
        and (firing := _fired(trigger, says, facts, counted.get(trigger.key)))
        and _is_news(firing, known.get(trigger.key))
    ]
    found.sort(key=lambda each: (-LADDER.index(each.action), each.trigger.key))
    able = [each for each in found if each.outcome is None]
    return able[:1] + [
        Firing(each.trigger, each.says, each.action, each.outcome or Outcome.OUTRANKED)
        for each in found
        if each not in able[:1]
    ]


def _is_news(firing: Firing, before: str | None) -> bool:
    """Whether a trigger has something to say that it has not said of this subject."""
    cools = Outcome.COOLING_DOWN
    return before is None or (before == cools and firing.outcome != cools)


def _fired(trigger: Trigger, says: str, facts: Facts, last: datetime | None) -> Firing:
    action = trigger.action
    if trigger.kind == TriggerKind.HARD_GATE_FAILED:
        # The stage's plan has the word (decision 15); the trigger may go further.
        planned = facts.rolls_back_on_hard_failure
        if planned and not is_as_strong(action, Action.ROLL_BACK):
            action = Action.ROLL_BACK
    outcome = None
    if trigger.is_dry_run:
        outcome = Outcome.DRY_RUN
    elif last is not None and facts.now - last < timedelta(seconds=trigger.cooldown_s):
        outcome = Outcome.COOLING_DOWN
    return Firing(trigger, says, action, outcome)


def in_a_row(runs: Iterable[tuple[bool, int]]) -> int:
    """Provider failures since something last went well.

    Each run, the newest first, is whether it has ended, and how often the provider
    failed it in a row. A run that has ended without a failure ends the row; one that is
    open and has none yet says nothing.
    """
    total = 0
    for has_ended, failures in runs:
        if has_ended and not failures:
            break
        total += failures
    return total
