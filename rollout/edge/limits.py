"""How often one token may ask the edge: counted in memory, by each process."""

from dataclasses import dataclass, field
from math import ceil

from django.conf import settings

MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class Limits:
    """A bucket per token: it holds a second's worth of requests, filled evenly.

    Of each bucket only the moment is kept when it will be full again.
    """

    per_second: int
    _full_at: dict[str, float] = field(default_factory=dict)

    def wait_s(self, token: str, now: float) -> int:
        """Take one request: 0 if it may pass, else whole seconds until one may."""
        if not self.per_second:
            return 0
        full_at = max(now, self._full_at.get(token, 0.0)) + 1 / self.per_second
        late = full_at - now - 1.0
        if late > 1e-9:  # less is the rounding of so many small steps
            return ceil(late)
        if len(self._full_at) >= MOST_REMEMBERED:
            self._forget(now)
        self._full_at[token] = full_at
        return 0

    def _forget(self, now: float) -> None:
        """Leave out the buckets that are full: that is what a new one is."""
        self._full_at = {t: at for t, at in self._full_at.items() if at > now}


limits = Limits(settings.EDGE_REQUESTS_PER_SECOND)
