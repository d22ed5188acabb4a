"""Drills that people have conducted themselves: what their log has to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drills.domain.drills import LONGEST_TEXT, Outcome
from portal.errors import Invalid

MOST_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One step, as somebody wrote it down."""

    does: str
    expects: str
    actual: str
    is_as_expected: bool
    started_at: datetime
    ended_at: datetime

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome.AS_EXPECTED if self.is_as_expected else Outcome.OTHERWISE


def check(
    steps: Sequence[Logged],
    *,
    started_at: datetime,
    ended_at: datetime,
    now: datetime,
) -> None:
    """Refuse a log that says nothing, or something that cannot have been so."""
    errors = []

    def wrong(pointer: str, detail: str) -> None:
        errors.append({"pointer": pointer, "detail": detail})

    if not 0 < len(steps) <= MOST_STEPS:
        wrong("/steps", f"has to be 1 to {MOST_STEPS} steps")
    if not started_at <= ended_at <= now:
        wrong("/ended_at", "is not between the start and now")
    before = started_at
    for number, step in enumerate(steps):
        for name in ("does", "expects", "actual"):
            if not 0 < len(getattr(step, name).strip()) <= LONGEST_TEXT:
                wrong(f"/steps/{number}/{name}", f"has 1 to {LONGEST_TEXT} characters")
        if not before <= step.started_at <= step.ended_at <= ended_at:
            wrong(f"/steps/{number}", "is not in the order of its times")
        before = max(before, step.started_at)
    if errors:
        raise Invalid(
            f"This log is not valid: {errors[0]['pointer']} {errors[0]['detail']}.",
            code="DRILL_LOG_INVALID",
            errors=errors,
        )
