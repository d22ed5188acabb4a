"""What was asked of this edge, until the reader's thread writes it down."""

from dataclasses import dataclass, field
from datetime import datetime

from portal import clock
from rollout.domain.flags import canonical_key
from rollout.services import clients

EVERY_S = 3.0
MOST_NAMES = 5000  # they are the callers' own; more of them are not remembered
MOST_KEPT = 100  # batches, while the database is away


@dataclass(slots=True)
class Notes:
    """One batch; written in the event loop only, until it is handed over."""

    served: dict[tuple[str, int, str], int] = field(default_factory=dict)
    by_name: set[tuple[str, str]] = field(default_factory=set)
    in_bulk: set[str] = field(default_factory=set)
    at: datetime = field(default_factory=clock.now)

    def serve(
        self, rollout: str, token: int, client: str, epoch: int, key: str
    ) -> None:
        """A client was given what an epoch says: one flag, or all without a `key`."""
        if len(self.served) < MOST_NAMES:
            name = client[: clients.LONGEST_NAME] if client.isprintable() else "?"
            self.served[rollout, token, name] = epoch
        if not key:
            self.in_bulk.add(rollout)
        elif len(self.by_name) < MOST_NAMES:
            self.by_name.add((rollout, canonical_key(key)))

    def write_down(self) -> None:
        """Put it into the tables; doing it again changes nothing."""
        clients.note(self.served, at=self.at)
        clients.note_use(self.by_name, self.in_bulk, at=self.at)

    @property
    def is_empty(self) -> bool:
        """Whether nobody has asked for anything."""
        return not (self.served or self.by_name or self.in_bulk)
