"""What a judgement of a canary says, in numbers and in words, and how it is kept.

What was counted and decided is exact. What was computed is a floating-point number,
whose last digits are the machine's own: a logarithm of another C library may end
otherwise. So it is kept as text with six digits, and a digest is over that text.
Numbers that people chose, such as bars, stay numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rollout.domain.criteria import Demand, Guard
from rollout.domain.evidence import LATENCY
from rollout.domain.gates import NAMES
from rollout.domain.intervals import Interval
from rollout.domain.stages import ANY

DIGITS = 6


class Verdict(StrEnum):
    """What a judgement says; whatever comes first overrides what comes after."""

    ROLL_BACK = "roll_back"
    HOLD = "hold"
    INCONCLUSIVE = "inconclusive"  # a hold, too: a person decides
    AWAIT_APPROVAL = "await_approval"
    PROMOTE = "promote"
    COLLECT = "collect"  # nothing is shown yet: admission goes on


PRECEDENCE = tuple(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How far one demand is proven."""

    demand: Demand
    alpha: float
    passes: int
    failures: int
    unknown: int  # failed, as far as the promotion is concerned
    log_e: float
    log_max: float
    reached_at: int
    proven_at: int | None
    holds: str  # what the proof is good for
    possible: Interval
    is_taken_back: bool = False  # proven once, and now no possible rate is at the bar

    @property
    def runs(self) -> int:
        """How many runs it rests on."""
        return self.passes + self.failures + self.unknown

    @property
    def is_proven(self) -> bool:
        """Whether the rate was shown to be above the bar, and nothing says otherwise.

        At whatever run that was, unless all runs together now contradict it.
        """
        return self.proven_at is not None and not self.is_taken_back

    @property
    def sentence(self) -> str:
        """The proof in words."""
        where = place(self.demand.metric, self.demand.query_class)
        said = f"{where}: {self.passes} of {self.runs} passed"
        claim = f"at least {percent(self.demand.bar)} at {percent(self.alpha)} error"
        if self.is_taken_back:
            return (
                f"{said}, so at most {percent(self.possible.upper)} pass at "
                f"{percent(self.alpha)} error; the first {self.proven_at} had proved "
                f"at least {percent(self.demand.bar)}, and do not any more."
            )
        if not self.is_proven:
            return f"{said}; this does not prove {claim}."
        if self.proven_at == self.runs:
            return f"{said}; this proves {claim}, {self.holds}."
        return f"{said}; the first {self.proven_at} proved {claim}, {self.holds}."

    def to_json(self) -> dict[str, Any]:
        """The proof as it is kept."""
        return {
            "metric": self.demand.metric,
            "query_class": self.demand.query_class,
            "bar": self.demand.bar,
            "alpha": self.alpha,
            "passes": self.passes,
            "failures": self.failures,
            "unknown": self.unknown,
            "log_e": spelled(self.log_e),
            "log_max": spelled(self.log_max),
            "reached_at": self.reached_at,
            "proven_at": self.proven_at,
            "holds": self.holds,
            "lower": spelled(self.possible.lower),
            "upper": spelled(self.possible.upper),
            # Only where it is so: the rules before knew no such thing.
            **({"is_taken_back": True} if self.is_taken_back else {}),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Proof":
        """The proof from its kept form."""
        return cls(
            demand=Demand(raw["metric"], raw["query_class"], raw["bar"]),
            alpha=raw["alpha"],
            passes=raw["passes"],
            failures=raw["failures"],
            unknown=raw["unknown"],
            log_e=float(raw["log_e"]),
            log_max=float(raw["log_max"]),
            reached_at=raw["reached_at"],
            proven_at=raw["proven_at"],
            holds=raw["holds"],
            possible=Interval(float(raw["lower"]), float(raw["upper"])),
            is_taken_back=raw.get("is_taken_back", False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What speaks against one gate in one class."""

    guard: Guard
    passes: int
    failures: int
    log_e: float

    def to_json(self) -> dict[str, Any]:
        """The suspicion as it is kept."""
        return {
            "metric": self.guard.metric,
            "query_class": self.guard.query_class,
            "floor": self.guard.floor,
            "passes": self.passes,
            "failures": self.failures,
            "log_e": spelled(self.log_e),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Suspicion":
        """The suspicion from its kept form."""
        return cls(
            guard=Guard(raw["metric"], raw["query_class"], raw["floor"]),
            passes=raw["passes"],
            failures=raw["failures"],
            log_e=float(raw["log_e"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What speaks for a rollback: the average of all suspicions, and its maximum."""

    suspicions: tuple[Suspicion, ...]
    log_e: float
    log_max: float
    reached_at: int  # how many runs, in the order of starting, had been counted

    def to_json(self) -> dict[str, Any]:
        """The alarm as it is kept."""
        return {
            "suspicions": [each.to_json() for each in self.suspicions],
            "log_e": spelled(self.log_e),
            "log_max": spelled(self.log_max),
            "reached_at": self.reached_at,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Alarm":
        """The alarm from its kept form."""
        return cls(
            suspicions=tuple(map(Suspicion.from_json, raw["suspicions"])),
            log_e=float(raw["log_e"]),
            log_max=float(raw["log_max"]),
            reached_at=raw["reached_at"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, its reasons, and everything that was computed for it."""

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]
    prefix: tuple[str, ...]
    proofs: tuple[Proof, ...]
    alarm: Alarm

    @property
    def sentence(self) -> str:
        """The judgement in words."""
        return " ".join(self.reasons)

    def to_json(self) -> dict[str, Any]:
        """The judgement as it is kept."""
        return {
            "rule": self.rule,
            "verdict": str(self.verdict),
            "reasons": list(self.reasons),
            "prefix": list(self.prefix),
            "proofs": [each.to_json() for each in self.proofs],
            "alarm": self.alarm.to_json(),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Judgement":
        """The judgement from its kept form."""
        return cls(
            rule=raw["rule"],
            verdict=Verdict(raw["verdict"]),
            reasons=tuple(raw["reasons"]),
            prefix=tuple(raw["prefix"]),
            proofs=tuple(map(Proof.from_json, raw["proofs"])),
            alarm=Alarm.from_json(raw["alarm"]),
        )


def furthest(proofs: Sequence[Proof]) -> Proof:
    """The proof that lacks most: no average hides it."""
    return min(proofs, key=lambda each: (each.is_proven, each.log_max, each.runs))


def place(metric: str, query_class: str) -> str:
    """A gate, or the latency, in a class, in words."""
    about = "Latency" if metric == LATENCY else f"Gate {metric}"
    return about if query_class == ANY else f"{about} in {query_class}"


def not_judged(gates: Collection[str], *, is_offline: bool) -> str:
    """Which gates of its runs a stage does not judge, and why, in a sentence."""
    why = {
        "C": "without the web it passes by construction" if is_offline else "",
        "F": "it is about the run alone; the release gate F is signed by people",
    }
    left = [
        f"gate {each} ({why[each]})" if why.get(each) else f"gate {each}"
        for each in NAMES
        if each not in gates
    ]
    *most, last = left or [""]
    named = f"{', '.join(most)} and {last}" if most else last
    return f"Not judged in this stage, by its plan: {named}." if left else ""


def percent(rate: float) -> str:
    """A rate as people read it."""
    return f"{100 * rate:.4g} %"


def spelled(number: float) -> str:
    """A computed number as it is kept: what a machine's last digit cannot change."""
    return f"{number:.{DIGITS}g}"
