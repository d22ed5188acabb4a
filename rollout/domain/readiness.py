"""What a stage still lacks before it may go on: one answer per check."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Light(StrEnum):
    """How a check stands; the words are shown too, not only the colour."""

    GREEN = "green"
    GREY = "grey"  # nothing is asked here yet: in nobody's way, and no proof
    AMBER = "amber"  # counts now, and will not for much longer
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that has to be so before more is exposed.

    `since` is from when its answer is, `expires_at` until when it is good. `remedy`
    says which act would make it green, and `link` leads to it.
    """

    name: str
    light: Light
    says: str
    since: datetime | None = None
    expires_at: datetime | None = None
    remedy: str = ""
    link: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.light != Light.RED


def missing(checks: Iterable[Check]) -> list[str]:
    """What is in the way, each a sentence."""
    return [f"{check.name}: {check.says}" for check in checks if not check.is_met]


def light_until(expires_at: datetime, *, now: datetime, warn_s: float) -> Light:
    """Green, amber when it is nearly over, red when it is."""
    left = (expires_at - now).total_seconds()
    if left <= 0:
        return Light.RED
    return Light.AMBER if left <= warn_s else Light.GREEN
