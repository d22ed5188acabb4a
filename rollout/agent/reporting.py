"""Telling the portal what lies in a run root: byte for byte, and nothing twice."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from portal import clock
from portal.domain.canonical import digest as digest_of_bytes
from rollout.agent.files import (
    SMALL,
    Listed,
    Moving,
    NoFile,
    Signature,
    Whole,
    chunks_of,
    digest_of,
    files_under,
    lines_from,
    read_document,
    read_whole,
)
from rollout.agent.portal import Portal, Said
from rollout.agent.state import RunRecord, State
from rollout.domain.runs import FINAL

DOCUMENTS = ("manifest", "gates")
TELEMETRY = "logs/telemetry.jsonl"
LARGEST_BATCH = 1024 * 1024
MOST_LINES = 1000
# What is written again and again is sent as a file when it has come to rest.
MOVING_SUFFIXES = (".jsonl",)
MOVING = frozenset(
    {
        "manifest.json",
        "gates.json",
        "logs/telemetry.index.json",
        "logs/tick-in-progress.json",
        "metrics/run-metrics.json",
        "operator/halt/latest.json",
    }
)
LOCK, LOCK_RESTS_AFTER_S = ".lock", 35.0  # longer than a living holder leaves it alone
LOOK_AGAIN_S, TROUBLE_AFTER_S = 0.3, 10.0
MOST_NOTES = 200

log = structlog.get_logger(__name__)


class Reporter:
    """Reports run roots; one root is reported by one call at a time."""

    def __init__(
        self,
        portal: Portal,
        state: State,
        *,
        settle_s: float,
        largest: int,
        look_again: Callable[[str, float], None],
        dry_run: bool,
    ) -> None:
        self.portal = portal
        self.state = state
        self.settle_s = settle_s
        self.largest = largest
        self.look_again = look_again
        self.dry_run = dry_run
        self.lags: list[tuple[float, float]] = []
        self.half_written: dict[str, float] = {}
        self.at_once = asyncio.Semaphore(4)  # files
        self.started = time.time()

    async def documents(self, record: RunRecord) -> str:
        """Send manifest and gates if they are new; the portal's verdict if it has one.

        A run's last gates go before the manifest that ends it, so that they count.
        """
        root = Path(record.root)
        found: dict[str, tuple[Whole, dict[str, Any]]] = {}
        for kind in DOCUMENTS:
            if (one := self._new_document(record, root, kind)) is not None:
                found[kind] = one
        verdict = ""
        is_last = "manifest" in found and found["manifest"][1].get("status") in FINAL
        for kind in reversed(DOCUMENTS) if is_last else DOCUMENTS:
            if kind in found:
                verdict = (
                    await self._send_document(record, kind, *found[kind]) or verdict
                )
        return verdict

    def _new_document(
        self, record: RunRecord, root: Path, kind: str
    ) -> tuple[Whole, dict[str, Any]] | None:
        path = root / f"{kind}.json"
        known = record.sent.get(kind, [])[:3]
        try:
            if Signature.of(path.lstat()).as_list() == known:
                return None
            whole, document = read_document(path)
        except (NoFile, FileNotFoundError) as why:
            if kind == "manifest":
                self._note(record, "manifest.json", str(why))
            return None
        except Moving as why:
            since = self.half_written.setdefault(str(path), time.monotonic())
            if time.monotonic() - since > TROUBLE_AFTER_S:
                self._note(record, path.name, f"is no whole document: {why}")
            self.look_again(record.run_id, LOOK_AGAIN_S)
            return None
        self.half_written.pop(str(path), None)
        record.notes.pop(path.name, None)
        if kind == "manifest":
            record.status = str(document.get("status") or "")
            revision = document.get("revision")
            record.revision = revision if isinstance(revision, int) else 0
        return whole, document

    async def _send_document(
        self, record: RunRecord, kind: str, whole: Whole, document: dict[str, Any]
    ) -> str:
        signature = whole.signature
        if self.dry_run:
            log.info("would_report", run_id=record.run_id, what=kind)
            return ""
        try:
            taken = await self.portal.document(record.run_id, kind, whole.raw)
        except Said as said:
            self._note(record, f"{kind}.json", f"{said.code}: {said}")
            record.sent[kind] = [*signature.as_list(), said.code]
            return ""
        record.sent[kind] = [*signature.as_list(), taken["outcome"]]
        self._measure(signature)
        log.info(
            "reported",
            run_id=record.run_id,
            what=kind,
            revision=taken["revision"],
            outcome=taken["outcome"],
        )
        is_ended = taken["status"] in FINAL and record.status not in FINAL
        return str(taken["status"]) if is_ended else ""

    def _measure(self, signature: Signature) -> None:
        """How long ago the file was written, if that was in this agent's time."""
        written = signature.mtime_ns / 1e9
        if written >= self.started:
            now = time.monotonic()
            self.lags.append((now, max(0.0, time.time() - written)))
            while self.lags and now - self.lags[0][0] > 60:
                self.lags.pop(0)

    @property
    def lag_s(self) -> float:
        """The worst of the last minute."""
        since = time.monotonic() - 60
        return max((lag for at, lag in self.lags if at >= since), default=0.0)

    # Telemetry

    async def events(self, record: RunRecord) -> None:
        """Send the lines of telemetry that are whole and were not sent yet."""
        path = Path(record.root) / TELEMETRY
        while True:
            inode, offset = record.telemetry
            try:
                if not self._has_grown(path, inode, offset):
                    return
                same = path.lstat().st_ino == inode
                lines, inode, end = await asyncio.to_thread(
                    lines_from, path, offset if same else 0, LARGEST_BATCH
                )
            except (NoFile, FileNotFoundError) as why:
                if path.exists():
                    self._note(record, TELEMETRY, str(why))
                return
            if not lines:
                record.telemetry = [inode, end]
                return
            batch = b"".join(lines.splitlines(keepends=True)[:MOST_LINES])
            if self.dry_run:
                log.info("would_report", run_id=record.run_id, what="events")
                return
            await self._send_events(record, batch)
            record.telemetry = [inode, end - len(lines) + len(batch)]

    @staticmethod
    def _has_grown(path: Path, inode: int, offset: int) -> bool:
        found = path.lstat()
        return found.st_ino != inode or found.st_size != offset

    async def _send_events(self, record: RunRecord, batch: bytes) -> None:
        """A batch, or line by line where one of them is not taken."""
        try:
            await self.portal.events(record.run_id, batch)
        except Said as said:
            lines = batch.splitlines(keepends=True)
            if len(lines) == 1:
                self._note(record, TELEMETRY, f"{said.code}: {said}")
                return
            middle = len(lines) // 2
            await self._send_events(record, b"".join(lines[:middle]))
            await self._send_events(record, b"".join(lines[middle:]))

    # Artifacts

    async def files(self, record: RunRecord) -> None:
        """Send every file that is new or has changed, and has come to rest."""
        root = Path(record.root)
        listed = await asyncio.to_thread(lambda: list(files_under(root)))
        for each in listed:
            if each.why_not:
                self._note(record, each.path, each.why_not)
            if each.signature is None:
                continue
            known = record.files.get(each.path, [])[:3]
            if each.signature.as_list() != known and self._is_at_rest(record, each):
                async with self.at_once:
                    await self._send_file(record, root / each.path, each)

    def _is_at_rest(self, record: RunRecord, each: Listed) -> bool:
        is_moving = each.path in MOVING or each.path.endswith(MOVING_SUFFIXES)
        rests_after = self.settle_s if is_moving else 0.0
        if record.status in FINAL:
            rests_after = 0.0
        if each.path == LOCK:
            rests_after = LOCK_RESTS_AFTER_S
        assert each.signature is not None
        left = rests_after - (clock.now().timestamp() - each.signature.mtime_ns / 1e9)
        if left > 0:
            self.look_again(record.run_id, left + 0.05)
        return left <= 0

    async def _send_file(self, record: RunRecord, path: Path, each: Listed) -> None:
        assert each.signature is not None
        if each.signature.size > self.largest:
            self._note(record, each.path, f"is longer than {self.largest} bytes")
            record.files[each.path] = [*each.signature.as_list(), ""]
            return
        if self.dry_run:
            log.info("would_report", run_id=record.run_id, what=each.path)
            return
        try:
            signature = await self._stream(record, path, each)
        except NoFile as why:
            if "gone" not in str(why):
                self._note(record, each.path, str(why))
            return
        except Moving:
            self.look_again(record.run_id, LOOK_AGAIN_S)
            return
        except Said as said:
            if said.code == "DIGEST_MISMATCH":  # it changed while it was sent
                self.look_again(record.run_id, LOOK_AGAIN_S)
                return
            self._note(record, each.path, f"{said.code}: {said}")
            signature = each.signature
        record.files[each.path] = signature.as_list()
        self.state.save(record)

    async def _stream(self, record: RunRecord, path: Path, each: Listed) -> Signature:
        assert each.signature is not None
        content: Any
        if each.signature.size <= SMALL:
            whole = read_whole(path, limit=SMALL)
            content, signature = whole.raw, whole.signature
            digest = digest_of_bytes(content)
        else:
            digest, signature = await asyncio.to_thread(digest_of, path)
            content = chunks_of(path, signature.size)
        await self.portal.artifact(
            record.run_id, each.path, digest, signature.size, content
        )
        log.info("sent", run_id=record.run_id, path=each.path, size=signature.size)
        return signature

    def _note(self, record: RunRecord, path: str, why: str) -> None:
        """Say once what could not be reported, and remember it."""
        if record.notes.get(path) == why:
            return
        if len(record.notes) < MOST_NOTES:
            record.notes[path] = why
        log.warning("left_out", run_id=record.run_id, path=path, why=why)
