"""What the edge knows."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from portal import clock
from portal.domain.canonical import digest
from portal.domain.roles import May
from portal.domain.tokens import is_well_formed, keyed_hash
from rollout.domain import snapshots
from rollout.domain.ofrep import Evaluator
from rollout.edge import tickets
from rollout.models import RolloutKind

STALE_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask what."""

    name: str
    rollout: str
    grants: frozenset[May]
    expires_at: datetime
    id: int = tickets.NOBODY

    @property
    def is_over(self) -> bool:
        """Whether it lets nobody in any more."""
        return self.expires_at <= clock.now()


# While no token is known, whatever is spelled like one is served safe values: they are
# the same for everybody, and a client that is refused might go on with what it had.
STRANGER = Token(
    "unknown", "", frozenset({May.DECIDE}), datetime.max.replace(tzinfo=UTC)
)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The newest snapshot of a rollout."""

    kind: str
    body: str
    digest: str
    published_at: int  # seconds since 1970
    evaluator: Evaluator

    @classmethod
    def of(cls, kind: str, revision: int, body: str, published_at: int) -> "Held":
        """A snapshot's text, ready to be evaluated."""
        evaluator = Evaluator.of(snapshots.load(json.loads(body)), revision)
        return cls(kind, body, digest(body.encode()), published_at, evaluator)

    @property
    def revision(self) -> int:
        """Which revision it is."""
        return self.evaluator.basis.revision

    @property
    def epoch(self) -> int:
        """The epoch of its switch."""
        return self.evaluator.basis.epoch

    def is_older_than(self, other: "Held | None") -> bool:
        """Whether it would lead back; with another salt it is another rollout."""
        if (
            other is None
            or self.evaluator.snapshot.salt != other.evaluator.snapshot.salt
        ):
            return False
        return self.epoch < other.epoch or self.revision < other.revision


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything that a request is answered from; replaced as a whole."""

    evaluators: Mapping[str, Evaluator] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, list[dict[str, Any]]]] = field(
        default_factory=dict
    )
    last_seq: int = 0
    confirmed_at: float = 0.0  # on the monotonic clock; 0: nothing is known
    held: Mapping[str, Held] = field(default_factory=dict)
    met: dict[str, Token] = field(default_factory=dict)  # tokens that came, by spelling

    @property
    def is_nothing(self) -> bool:
        """Whether there has been neither a database nor a file."""
        return self.confirmed_at == 0.0

    @property
    def age_s(self) -> float:
        """Seconds since the database last confirmed this."""
        return time.monotonic() - self.confirmed_at

    @property
    def is_stale(self) -> bool:
        """Whether this may no longer be all that there is to know."""
        return self.age_s > STALE_AFTER_S

    @property
    def is_expired(self) -> bool:
        """Whether this is too old to enable anybody."""
        return self.age_s > settings.MAX_STALE_SECONDS

    @property
    def only_rollout(self) -> str:
        """The live rollout, if there is just one."""
        live = [key for key, kind in self.kinds.items() if kind == RolloutKind.LIVE]
        return live[0] if len(live) == 1 else ""

    def token(self, text: str) -> Token | None:
        """The token that is spelled so, if it lets anybody in now."""
        found = self.met.get(text)
        if found is None and is_well_formed(text):
            if self.is_nothing:
                return STRANGER
            hashed = keyed_hash(text, key=settings.TOKEN_KEY.encode())
            if found := self.tokens.get(hashed):
                self.met[text] = found
        if found is None or found.is_over:
            return None
        return found

    def has(self, rollout: str, least: tuple[int, int], since: int) -> bool:
        """Whether this is no older than that epoch and revision, and that moment.

        Where nothing is known there is nothing to wait for: safe values it is.
        """
        held = self.held.get(rollout)
        if held is None:
            return self.is_nothing or (least == (0, 0) and since == 0)
        is_older = held.epoch < least[0] or held.revision < least[1]
        return not is_older and held.published_at >= since

    def lets_in(self, holder: tickets.Holder) -> bool:
        """Whether the token behind a ticket is still good for what the ticket says."""
        if self.is_nothing:
            return True
        every = self.tokens.values()
        token = next((each for each in every if each.id == holder.token), None)
        return (
            token is not None
            and not token.is_over
            and May.DECIDE in token.grants
            and token.rollout in ("", holder.rollout)
        )
