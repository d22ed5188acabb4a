"""What the edge knows, and the thread that keeps it fresh."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.models import OuterRef, Subquery

from portal import clock
from portal.domain.roles import SCOPE_GRANTS, May, Scope
from portal.domain.tokens import is_well_formed, keyed_hash
from portal.models import ApiToken, LedgerEntry
from portal.services import bell, heartbeats
from rollout.domain.directives import DirectiveState
from rollout.domain.ofrep import Evaluator
from rollout.models import Directive, Rollout, RolloutKind, Snapshot
from rollout.services import snapshots
from rollout.services.metrics import EDGE_CONFIRMED

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.5  # asked of the database even if no bell rings
STALE_AFTER_S = 1.0
MAX_STALE_S = 60.0
RETRY_S = 0.5
MOST_LINES = 500


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask what."""

    name: str
    rollout: str
    grants: frozenset[May]
    expires_at: datetime


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
    confirmed_at: float = 0.0  # on the monotonic clock; 0: never
    met: dict[str, Token] = field(default_factory=dict)  # tokens that came, by spelling

    @property
    def age_s(self) -> float:
        """Seconds since the database last confirmed this."""
        return time.monotonic() - self.confirmed_at

    @property
    def only_rollout(self) -> str:
        """The live rollout, if there is just one."""
        live = [key for key, kind in self.kinds.items() if kind == RolloutKind.LIVE]
        return live[0] if len(live) == 1 else ""

    def token(self, text: str) -> Token | None:
        """The token that is spelled so, if it lets anybody in now."""
        found = self.met.get(text)
        if found is None and is_well_formed(text):
            hashed = keyed_hash(text, key=settings.TOKEN_KEY.encode())
            if found := self.tokens.get(hashed):
                self.met[text] = found
        if found is None or found.expires_at <= clock.now():
            return None
        return found


class Reader:
    """Reads the database in a thread of its own and tells the event loop."""

    def __init__(self) -> None:
        self.known = Knowledge()
        self.lines: list[dict[str, Any]] = []  # of the ledger, those of the last read
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._first = threading.Event()
        self._beaten_at = float("-inf")
        self._listeners: set[Callable[[list[dict[str, Any]]], None]] = set()

    def start(self) -> None:
        """Begin; called in the event loop."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._changed = asyncio.Event()
            self._is_stopping.clear()
            self._thread = threading.Thread(
                target=self._run, name="edge-reader", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    async def ready(self) -> None:
        """Wait until something is known; not for ever."""
        self.start()
        if not self._first.is_set():
            await asyncio.to_thread(self._first.wait, 5)

    async def change(self, timeout_s: float) -> None:
        """Wait until something has changed, or for so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return

    def listen(self, listener: Callable[[list[dict[str, Any]]], None]) -> None:
        """Have new lines of the ledger passed on, in the event loop."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[list[dict[str, Any]]], None]) -> None:
        """Pass on no more."""
        self._listeners.discard(listener)

    # In the thread

    def _run(self) -> None:
        trouble = ""
        while not self._is_stopping.is_set():
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {bell.EDGE}")
                while not self._is_stopping.is_set():
                    self._read()
                    self._beat()
                    trouble = ""
                    for _ in connection.connection.notifies(
                        timeout=CHECK_EVERY_S, stop_after=1
                    ):
                        pass
            except Error as error:
                if trouble != type(error).__name__:
                    trouble = type(error).__name__
                    log.warning("edge_waits", error=str(error))
                self._is_stopping.wait(RETRY_S)
            finally:
                connection.close()

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at >= heartbeats.BEAT_EVERY.total_seconds():
            self._beaten_at = now
            heartbeats.beat(heartbeats.EDGE)

    def _read(self) -> None:
        before = self.known
        evaluators, kinds = self._evaluators(before)
        tokens, asked = _tokens(), _asked()
        lines = _lines(before.last_seq)
        self.known = Knowledge(
            evaluators,
            kinds,
            tokens,
            asked,
            lines[-1]["seq"] if lines else before.last_seq,
            time.monotonic(),
        )
        self._first.set()
        EDGE_CONFIRMED.set_to_current_time()
        is_news = asked != before.asked or evaluators != before.evaluators or lines
        if is_news and self._loop is not None and not self._loop.is_closed():
            is_first = before.confirmed_at == 0.0
            self._loop.call_soon_threadsafe(self._tell, [] if is_first else lines)

    def _tell(self, lines: list[dict[str, Any]]) -> None:
        """Wake whoever waits; in the event loop."""
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in tuple(self._listeners):
            listener(lines)

    def _evaluators(
        self, before: Knowledge
    ) -> tuple[dict[str, Evaluator], dict[str, str]]:
        newest = Snapshot.objects.filter(rollout=OuterRef("pk")).order_by("-revision")
        rows = Rollout.objects.annotate(
            newest=Subquery(newest.values("pk")[:1]),
            revision=Subquery(newest.values("revision")[:1]),
        ).values_list("key", "kind", "newest", "revision")
        found, kinds = {}, {}
        for key, kind, pk, revision in rows:
            kinds[key] = kind
            if pk is None:
                continue
            known = before.evaluators.get(key)
            if known is None or known.basis.revision != revision:
                loaded = snapshots.loaded(Snapshot.objects.get(pk=pk))
                known = Evaluator.of(loaded, revision)
            found[key] = known
        return found, kinds


def _tokens() -> dict[str, Token]:
    usable = ApiToken.objects.filter(
        revoked_at=None, expires_at__gt=clock.now(), owner__is_active=True
    )
    return {
        hashed: Token(
            name,
            rollout,
            frozenset().union(*(SCOPE_GRANTS[Scope(scope)] for scope in scopes)),
            expires_at,
        )
        for hashed, name, rollout, scopes, expires_at in usable.values_list(
            "keyed_hash", "name", "rollout", "scopes", "expires_at"
        )
    }


def _asked() -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    issued = Directive.objects.filter(state=DirectiveState.ISSUED)
    for directive in issued.select_related("run__rollout").order_by("due_at"):
        run = directive.run
        found[run.rollout.key][run.run_id].append(
            {
                "id": str(directive.pk),
                "run_id": run.run_id,
                "kind": directive.kind,
                "state": directive.state,
                "reason": directive.reason,
                "issued_at": _moment(directive.issued_at),
                "due_at": _moment(directive.due_at),
                "ended_at": None,
                "revision": None,
            }
        )
    return {key: dict(runs) for key, runs in found.items()}


def _moment(at: datetime) -> str:
    """A moment as the web process writes it."""
    return at.isoformat().replace("+00:00", "Z")


def _lines(after: int) -> list[dict[str, Any]]:
    """The ledger's lines since `after`, or only the newest when there are too many."""
    newest = LedgerEntry.objects.order_by("-seq")
    if after:
        newest = newest.filter(seq__gt=after)
    limit = MOST_LINES if after else 1
    return [told(entry) for entry in reversed(newest[:limit])]


def told(entry: LedgerEntry) -> dict[str, Any]:
    """What listeners are told of a line."""
    return {
        "seq": entry.seq,
        "at": _moment(entry.at),
        "verb": entry.verb,
        "actor": entry.actor_name,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "subject": entry.subject_name,
    }
