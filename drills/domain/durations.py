"""How long it took: to detect, to acknowledge, to safety, to resolve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil


class Span(StrEnum):
    """What is measured; all but the first from the opening."""

    DETECT = "detect"  # from when it began
    ACKNOWLEDGE = "acknowledge"
    SAFETY = "safety"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Lived:
    """The moments of one incident; None: not reached (yet)."""

    began_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    mitigated_at: datetime | None
    resolved_at: datetime | None

    def seconds(self, span: Span) -> float | None:
        """How long it took."""
        if span == Span.DETECT:
            return max(0.0, (self.opened_at - self.began_at).total_seconds())
        reached = {
            Span.ACKNOWLEDGE: self.acknowledged_at,
            Span.SAFETY: self.mitigated_at,
            Span.RESOLVE: self.resolved_at,
        }[span]
        return None if reached is None else (reached - self.opened_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Summary:
    """Of so many incidents: half, and nine in ten, took no longer; in seconds."""

    n: int
    median_s: float | None
    p90_s: float | None


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of the values that at least this share of them does not exceed."""
    if not ordered:
        return None
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def summaries(incidents: Iterable[Lived]) -> dict[Span, Summary]:
    """What these incidents took, per span; what was not reached does not count."""
    known = list(incidents)
    found = {}
    for span in Span:
        took = sorted(
            each for lived in known if (each := lived.seconds(span)) is not None
        )
        found[span] = Summary(len(took), quantile(took, 0.5), quantile(took, 0.9))
    return found
