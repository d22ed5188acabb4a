"""What is done every so often, by the one relay that works."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from portal.services import heartbeats


@dataclass(frozen=True, slots=True)
class Tick:
    """Something short that is done again and again, and gives a sign of life."""

    name: str
    every_s: float
    act: Callable[[], object]


_ticks: list[Tick] = []


def every(interval: timedelta, name: str, act: Callable[[], object]) -> None:
    """Have `act()` called every so often; apps do so in their `jobs.py`.

    `act` beats the heart of that name; `/readyz` fails when it stops.
    """
    _ticks.append(Tick(name, interval.total_seconds(), act))
    heartbeats.EXPECTED[name] = heartbeats.STALE_AFTER + interval


def ticks() -> tuple[Tick, ...]:
    """What is done so, in the order in which it was asked for."""
    return tuple(_ticks)


@dataclass(slots=True)
class Schedule:
    """When each tick was last done, in this process."""

    last: dict[str, float] = field(default_factory=dict)

    def run_due(self) -> None:
        """Do what is due; a database error is the caller's to wait for."""
        for tick in _ticks:
            now = time.monotonic()
            if now - self.last.get(tick.name, -tick.every_s) >= tick.every_s:
                self.last[tick.name] = now
                tick.act()
