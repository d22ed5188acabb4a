"""What became of a run, in words: one sentence, and its stages one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rollout.domain.directives import REROUTED
from rollout.domain.fallback import CAUSE as GATE_FAILED
from rollout.domain.gates import NAMES, RETRY_CAPS, GateStatus
from rollout.domain.runs import FINAL, RunStatus
from rollout.domain.watchdog import CAUSE as TIMED_OUT


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the sentence about a run is made from.

    `gates` are the portal's own words per letter; `failed_gate` is the one that it
    fell back for, `hung_in` the stage that the watchdog ended it in.
    """

    status: RunStatus
    reported: str = ""
    cause: str = ""
    stage: str = ""
    is_admitted: bool = True
    is_imported: bool = False
    failed_gate: str = ""
    hung_in: str = ""
    hung_s: int = 0
    gates: Mapping[str, str] | None = None
    times_out_in: timedelta | None = None
    time_left: timedelta | None = None


def sentence(facts: RunFacts) -> str:
    """What the matter is with a run, for somebody who has just been woken up."""
    said = _end(facts) if facts.status in FINAL else _going(facts)
    is_unheard = facts.cause and facts.reported not in FINAL and not facts.is_imported
    return f"{said} It has not said yet that it has stopped." if is_unheard else said


def _end(facts: RunFacts) -> str:
    if facts.cause == GATE_FAILED:
        return (
            f"{_named(facts.failed_gate)} failed for good, so the portal ended the run."
        )
    if facts.cause == TIMED_OUT:
        took = in_words(timedelta(seconds=facts.hung_s))
        return (
            f"It made no progress in {facts.hung_in} for {took}: the watchdog ended it."
        )
    if facts.cause == REROUTED:
        return "It was rerouted: the standard workflow answers its request."
    if facts.cause:
        return f"The portal ended it: {facts.cause.replace('_', ' ')}."
    if facts.status == RunStatus.COMPLETED:
        return f"It went to its end; {_of_gates(facts.gates or {})}."
    where = f" in {facts.stage}" if facts.stage else ""
    if facts.status == RunStatus.CANCELLED:
        return f"It was cancelled{where}."
    failed = [g for g, said in (facts.gates or {}).items() if said == GateStatus.FAIL]
    why = f"; gate {failed[0]} has failed" if failed else ""
    return f"The run says that it has failed{where}{why}."


def _going(facts: RunFacts) -> str:
    if facts.is_imported:
        return "It was imported as it stood; nobody works on it here."
    if not facts.reported:
        if facts.is_admitted:
            return f"It was let in and has reported nothing yet.{_patience(facts)}"
        return f"It has sent files and no manifest yet.{_patience(facts)}"
    where = facts.stage or "its first stage"
    if facts.status == RunStatus.PAUSED:
        left = f", with {in_words(facts.time_left)} left" if facts.time_left else ""
        return f"It is paused in {where}; its timer stands{left}."
    return f"It works in {where}.{_patience(facts)}"


def _patience(facts: RunFacts) -> str:
    if facts.times_out_in is None:
        return ""
    if facts.times_out_in <= timedelta(0):
        return " Its time is up: the watchdog is about to end it."
    left = in_words(facts.times_out_in)
    return f" Without a sign of progress it counts as hung in {left}."


def _named(letter: str) -> str:
    return f"Gate {letter} ({NAMES[letter]})" if letter in NAMES else "A hard gate"


def _of_gates(gates: Mapping[str, str]) -> str:
    passed = [letter for letter in NAMES if gates.get(letter) == GateStatus.PASS]
    if len(passed) == len(NAMES):
        return f"all {len(NAMES)} gates passed"
    others = ", ".join(letter for letter in NAMES if letter not in passed)
    return f"{len(passed)} of {len(NAMES)} gates passed, not {others}"


def in_words(span: timedelta) -> str:
    """A span of time, as people say it: its two largest units."""
    left = max(0, round(span.total_seconds()))
    found = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            found.append(f"{left // size} {name}")
        left %= size
    return " ".join(found[:2]) or "0 s"


@dataclass(frozen=True, slots=True)
class Passage:
    """A run's time in one stage.

    `until` is None in the stage that it is in, and `since` where nobody said.
    """

    stage: str
    since: datetime | None
    until: datetime | None
    why: str = ""

    @property
    def took(self) -> str:
        """How long it was there, in words; nothing where that is not known."""
        if self.since is None or self.until is None:
            return ""
        return in_words(self.until - self.since)


def passages(manifest: Mapping[str, Any] | None, stage: str) -> list[Passage]:
    """The stages that a run has been in, in their order, by its own clock.

    Without a manifest there is only the `stage` that the portal knows, if any.
    """
    if manifest is None:
        return [Passage(stage, None, None)] if stage else []
    moves = (manifest.get("stage") or {}).get("history") or []
    since = _moment(manifest.get("created_at"))
    found, why = [], ""
    for move in moves:
        until = _moment(move.get("ts"))
        found.append(Passage(str(move.get("from")), since, until, why))
        since, why = until, str(move.get("reason") or "")
    here = str((manifest.get("stage") or {}).get("current") or stage)
    return [*found, Passage(here, since, None, why)]


def retries_in_words(letter: str, spent: int) -> str:
    """How often a gate was tried again, of how often it may be."""
    most = RETRY_CAPS.get(letter, 0)
    if not spent:
        return f"none of {most}" if most else "never"
    return f"{spent} of {most}"


class Measured(NamedTuple):
    """A metric of a gate as people read it, with the limit that is known of it."""

    name: str
    value: str
    bound: str = ""


def measured(
    metrics: Mapping[str, Any], *, most: int, bounds: Mapping[str, str] | None = None
) -> list[Measured]:
    """Metrics of a gate, never more than `most`, each with its limit of `bounds`."""
    found = []
    for name, value in list(metrics.items())[:most]:
        is_round = isinstance(value, float) and not isinstance(value, bool)
        said = f"{value:.4g}" if is_round else str(value)
        bound = (bounds or {}).get(name, "")
        found.append(Measured(name.replace("_", " "), said, bound))
    return found


def _moment(said: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
