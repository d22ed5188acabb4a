"""Agents beside installations: who was heard, and who is silent."""

from datetime import datetime, timedelta
from enum import StrEnum

SILENT_AFTER = timedelta(seconds=60)
LATE_AFTER_S = 10.0


class AgentStanding(StrEnum):
    """How an agent is, the worst first."""

    SILENT = "silent"
    TROUBLED = "troubled"
    WELL = "well"


def standing(
    *, seen_at: datetime, now: datetime, has_problems: bool, lag_s: float
) -> AgentStanding:
    """An agent that says nothing governs nothing, whatever it said before."""
    if now - seen_at > SILENT_AFTER:
        return AgentStanding.SILENT
    if has_problems or lag_s > LATE_AFTER_S:
        return AgentStanding.TROUBLED
    return AgentStanding.WELL
