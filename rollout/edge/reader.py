"""The thread that keeps the edge's knowledge fresh."""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from django.db import DataError, Error, connection
from django.db.models import OuterRef, Subquery

from portal import clock
from portal.domain.roles import SCOPE_GRANTS, Scope
from portal.models import ApiToken, LedgerEntry
from portal.services import bell, durability, heartbeats
from rollout.domain import safety
from rollout.domain.directives import DirectiveState
from rollout.domain.kill_file import kills
from rollout.domain.ofrep import Evaluator
from rollout.edge import kept, notes
from rollout.edge.knowledge import Held, Knowledge, Token
from rollout.models import Directive, Rollout, Snapshot
from rollout.services import kill_file
from rollout.services.metrics import EDGE_CONFIRMED

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.5  # asked of the database even if no bell rings
KEEP_EVERY_S = 5.0  # the file is written this often even if nothing has changed
RETRY_S = 0.5
HEAD_START_S = 0.1  # of those who are told, before the thread goes on
MOST_LINES = 500
SAFE = safety.safe_values()


class Reader:
    """Reads the database in a thread of its own and tells the event loop."""

    def __init__(self) -> None:
        self.known = Knowledge()
        self.killed: Mapping[str, str] = {}  # by the kill file; set in the event loop
        self.notes = notes.Notes()
        self._batches: deque[notes.Notes] = deque(maxlen=notes.MOST_KEPT)
        self._engaged: dict[str, Evaluator] = {}
        self._absent_since = 0.0
        self._noted_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._first = threading.Event()
        self._beaten_at = self._kept_at = float("-inf")
        self._refused: set[tuple[str, int]] = set()
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
        """Wait until it was tried to know something; not for ever."""
        self.start()
        if not self._first.is_set():
            await asyncio.to_thread(self._first.wait, 5)

    async def change(self, timeout_s: float) -> None:
        """Wait until something has changed, or for so long."""
        if self._changed is None:
            self._changed = asyncio.Event()
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return

    def listen(self, listener: Callable[[list[dict[str, Any]]], None]) -> None:
        """Have new lines of the ledger passed on, in the event loop."""
        self._listeners.add(listener)

    def evaluator(self, rollout: str) -> Evaluator | None:
        """What answers for a rollout now; safe values when nothing is known."""
        if self.known.is_nothing:
            return SAFE
        found = self.known.evaluators.get(rollout)
        if found is None or not self.killed or not kills(self.killed, rollout):
            return found
        engaged = self._engaged.get(rollout)
        if engaged is None or engaged.basis.revision != found.basis.revision:
            engaged = self._engaged[rollout] = safety.engaged(found)
        return engaged

    def look_for_kill_file(self) -> None:
        """Kill what the file says; called in the event loop, database or not.

        Once it is gone, what it killed stays off until the database was read after
        that: there the switch is engaged, for the file goes after the commit.
        """
        killed = kill_file.read()
        now = time.monotonic()
        if killed:
            self.killed, self._absent_since = killed, 0.0
        elif self.killed and not self._absent_since:
            self._absent_since = now
        elif self.killed and self.known.confirmed_at > self._absent_since:
            self.killed, self._absent_since = {}, 0.0

    def hand_over_notes(self) -> None:
        """Let the thread write down what was asked; called in the event loop."""
        now = time.monotonic()
        if now - self._noted_at >= notes.EVERY_S:
            self._noted_at = now
            if not self.notes.is_empty:
                self.notes.at = clock.now()
                self._batches.append(self.notes)
                self.notes = notes.Notes()

    # In the thread

    def _run(self) -> None:
        trouble = ""
        floor = _floor()
        while not self._is_stopping.is_set():
            try:
                bell.listen(bell.EDGE)
                while not self._is_stopping.is_set():
                    self._read(floor)
                    self._beat()
                    self._write_down()
                    trouble = ""
                    bell.wait(CHECK_EVERY_S)
            except Exception as error:  # whatever it is, this thread must not end
                if trouble != type(error).__name__:
                    trouble = type(error).__name__
                    is_outage = isinstance(error, Error)
                    log.warning("edge_waits", error=str(error), exc_info=not is_outage)
                if self.known.is_nothing and not floor.is_nothing:
                    log.warning("edge_goes_by_its_file", age_s=round(floor.age_s, 1))
                    self.known = floor
                    self._tell_loop([])
                self._first.set()
                self._is_stopping.wait(RETRY_S)
            finally:
                connection.close()

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at >= heartbeats.BEAT_EVERY.total_seconds():
            self._beaten_at = now
            heartbeats.beat(heartbeats.EDGE)

    def _write_down(self) -> None:
        while self._batches:
            try:
                self._batches[0].write_down()
            except DataError as error:  # it would fail for ever
                log.warning("edge_notes_dropped", error=str(error))
            self._batches.popleft()

    def _read(self, floor: Knowledge) -> None:
        before = floor if self.known.is_nothing else self.known
        started_at, at = time.monotonic(), time.time()
        held, is_current = self._held(before.held)
        confirmed_at = started_at if is_current else before.confirmed_at
        evaluators = {key: each.evaluator for key, each in held.items()}
        kinds = {key: each.kind for key, each in held.items()}
        if held != before.held:
            durability.flush()  # nobody is given a revision that may come twice
        if held != before.held and not self.known.is_nothing:
            # It may be the switch: everybody is told of that before anything else is
            # read, and without this thread in the way.
            self.known = replace(
                before,
                evaluators=evaluators,
                kinds=kinds,
                held=held,
                confirmed_at=confirmed_at,
            )
            self._tell_loop([])
            self._is_stopping.wait(HEAD_START_S)
        tokens, asked = _tokens(), _asked()
        lines = _lines(before.last_seq)
        is_changed = held != before.held or tokens != before.tokens
        has_news = is_changed or asked != before.asked or bool(lines)
        if has_news:
            durability.flush()
        self.known = Knowledge(
            evaluators,
            kinds,
            tokens,
            asked,
            lines[-1]["seq"] if lines else before.last_seq,
            confirmed_at,
            held,
        )
        self._first.set()
        if is_current:
            EDGE_CONFIRMED.set_to_current_time()
        if has_news:
            self._tell_loop(lines if before.last_seq else [])
        if is_current and (is_changed or started_at - self._kept_at >= KEEP_EVERY_S):
            self._kept_at = started_at
            self._keep(kept.Kept(held, tokens, at))

    def _keep(self, what: kept.Kept) -> None:
        try:
            kept.write(what)
        except OSError as error:
            log.warning("edge_snapshot_not_written", why=str(error))

    def _tell_loop(self, lines: list[dict[str, Any]]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, lines)

    def _tell(self, lines: list[dict[str, Any]]) -> None:
        """Wake whoever waits; in the event loop."""
        if self._changed is not None:
            self._changed.set()
        self._changed = asyncio.Event()
        for listener in tuple(self._listeners):
            listener(lines)

    def _held(self, before: Mapping[str, Held]) -> tuple[dict[str, Held], bool]:
        """The newest snapshots, and whether that is what the database has."""
        newest = Snapshot.objects.filter(rollout=OuterRef("pk")).order_by("-revision")
        rows = Rollout.objects.annotate(
            newest=Subquery(newest.values("pk")[:1]),
            revision=Subquery(newest.values("revision")[:1]),
            digest=Subquery(newest.values("digest")[:1]),
        ).values_list("key", "kind", "newest", "revision", "digest")
        found, is_current = {}, True
        for key, kind, pk, revision, digest in rows:
            known = before.get(key)
            if pk is None:
                continue
            if known is None or (known.revision, known.digest) != (revision, digest):
                row = Snapshot.objects.get(pk=pk)
                new = Held.of(kind, revision, row.body, int(row.created_at.timestamp()))
                if self._leads_back(key, new, known):
                    is_current = False
                else:
                    known = new
            found[key] = known
        return found, is_current

    def _leads_back(self, key: str, new: Held, known: Held | None) -> bool:
        """Whether the database is older than what was served: never go back."""
        is_older = new.is_older_than(known)
        if is_older and (key, new.revision) not in self._refused:
            self._refused.add((key, new.revision))
            log.error(
                "edge_refuses_older_snapshot",
                rollout=key,
                epoch=new.epoch,
                revision=new.revision,
            )
        return is_older


def _floor() -> Knowledge:
    """What the signed file knows, as old as it is; never go below that."""
    found = kept.read()
    if found is None:
        return Knowledge()
    return Knowledge(
        evaluators={key: held.evaluator for key, held in found.held.items()},
        kinds={key: held.kind for key, held in found.held.items()},
        tokens=found.tokens,
        confirmed_at=time.monotonic() - found.age_s,
        held=found.held,
    )


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
            pk,
        )
        for hashed, name, rollout, scopes, expires_at, pk in usable.values_list(
            "keyed_hash", "name", "rollout", "scopes", "expires_at", "pk"
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
                "proof": "",
                "overdue_at": _moment(directive.overdue_at)
                if directive.overdue_at
                else None,
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
