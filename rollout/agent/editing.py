"""Writing into a run root, under the run's own lock, as the research system does."""

import asyncio
import json
import os
import shlex
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from portal import clock
from rollout.agent.files import Moving, NoFile, read_document, read_whole
from rollout.domain import manifest_edits, run_locks
from rollout.domain.runs import FINAL

LOOK_AGAIN_S = 0.5
LARGEST_LOCK = 64 * 1024
Document = dict[str, Any]

log = structlog.get_logger(__name__)


def locked_until(root: Path) -> datetime | None:
    """When the lock of a run root ends at the latest; None when nobody holds it."""
    path = root / run_locks.NAME
    try:
        whole = read_whole(path, limit=LARGEST_LOCK)
    except Moving:
        return clock.now() + timedelta(seconds=LOOK_AGAIN_S)
    except NoFile:
        if not os.path.lexists(path):
            return None
        return clock.now() + run_locks.LEASE  # no file that anybody can read
    written = datetime.fromtimestamp(whole.signature.mtime_ns / 1e9, UTC)
    return run_locks.free_at(whole.raw, written)


async def wait_until_free(root: Path) -> None:
    """Until nobody holds the lock, or whoever did has let its lease run out."""
    while (until := locked_until(root)) is not None:
        left = (until - clock.now()).total_seconds()
        if left <= 0:
            return
        await asyncio.sleep(min(left, LOOK_AGAIN_S))


@asynccontextmanager
async def hold(root: Path, reason: str) -> AsyncIterator[None]:
    """Hold the run's lock; waits for its turn, and for leases of the dead."""
    path = root / run_locks.NAME
    while True:
        await wait_until_free(root)
        mine = run_locks.lock(
            pid=os.getpid(), host=socket.gethostname(), reason=reason, now=clock.now()
        )
        if _take(path, mine):
            break
        await asyncio.sleep(LOOK_AGAIN_S / 5)
    try:
        yield
    finally:
        with suppress(OSError):
            if run_locks.is_owned(path.read_bytes(), mine):
                path.unlink()


def _take(path: Path, mine: Mapping[str, Any]) -> bool:
    """Put a lock there whole, in the place of one whose lease is over."""
    beside = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    beside.write_bytes(manifest_edits.as_bytes(mine))
    try:
        until = locked_until(path.parent)
        if until is not None:
            if until > clock.now():
                return False
            with suppress(FileNotFoundError):
                path.unlink()
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)
    return True


def write(path: Path, content: bytes) -> None:
    """A file of a run root, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


async def read_manifest(root: Path, *, patience_s: float = 10) -> Document:
    """The manifest; `Moving` when it is not whole for so long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            return read_document(root / "manifest.json")[1]
        except NoFile as why:
            raise Moving(f"manifest.json: {why}") from None
        except Moving:
            if loop.time() >= deadline:
                raise
            await asyncio.sleep(0.1)


Edit = Callable[[Document], Document | None]


async def edit_manifest(root: Path, edit: Edit, reason: str) -> Document:
    """The next revision of a manifest, as `edit` wants it; None from it: as it is.

    `edit` is given the manifest and returns what changes.
    """
    async with hold(root, reason):
        before = await read_manifest(root)
        changes = edit(before)
        if not changes:
            return before
        now = clock.now()
        after = manifest_edits.edited(before, now, **changes)
        write(root / "manifest.json", manifest_edits.as_bytes(after))
        line = manifest_edits.audit_line(before, after, reason, now)
        audit = root / "logs" / "audit.jsonl"
        audit.parent.mkdir(exist_ok=True)
        with audit.open("ab") as file:
            file.write(line)
    log.info(
        "manifest_edited",
        run_id=after["run_id"],
        revision=after["revision"],
        changed=sorted(changes),
        reason=reason,
    )
    return after


async def set_lever(root: Path, enabled: Any, reason: str) -> Document:
    """Turn the manifest's own switch; a run that has ended is left alone."""

    def turn(manifest: Document) -> Document | None:
        is_there = manifest_edits.enabled_in(manifest) == enabled
        if is_there or manifest["status"] in FINAL:
            return None
        return {"query": manifest_edits.with_lever(manifest, enabled)}

    return await edit_manifest(root, turn, reason)


async def stop_by_hand(
    root: Path, status: str, reason: str, command: tuple[str, ...]
) -> Document:
    """Pause or cancel a run where its command line is disabled: the same files."""
    title, then = {"paused": ("Pause", "resume"), "cancelled": ("Cancel", "status")}[
        status
    ]

    def stop(manifest: Document) -> Document | None:
        if manifest["status"] == status or manifest["status"] in FINAL:
            return None
        next_step = [*command, then, "--manifest", str(root / "manifest.json")]
        content = manifest_edits.checkpoint(
            title,
            run_id=manifest["run_id"],
            stage=manifest["stage"]["current"],
            reason=reason,
            next_step=shlex.join(next_step),
            now=clock.now(),
        )
        write(root / "logs" / f"{title.lower()}-checkpoint.md", content)
        return {"status": status}

    return await edit_manifest(root, stop, f"{title.lower()}: {reason}")


async def fail(
    root: Path, failure: Mapping[str, Any], files: Mapping[str, bytes], reason: str
) -> Document:
    """Write down that a run has failed: its files first, then the manifest, once."""

    def end(manifest: Document) -> Document | None:
        if manifest["status"] in FINAL:
            return None
        for path, content in files.items():
            write(root / path, content)
        failures = list(manifest.get("failures") or [])
        if not manifest_edits.has_failure(manifest, str(failure["kind"])):
            failures.append(dict(failure))
        return {"status": "failed", "failures": failures}

    return await edit_manifest(root, end, reason)


def timeout_failure(checkpoint: bytes) -> Document:
    """The failure that goes with `logs/timeout-checkpoint.json`."""
    said = json.loads(checkpoint)
    return {
        "kind": "timeout",
        "stage": said["stage"],
        "message": f"timeout after {said['elapsed_seconds']}s",
        "retryable": False,
        "ts": said["generated_at"],
    }


def move_marker_aside(root: Path) -> str:
    """Rename what a tick that died has left, and keep it; its new name, or nothing."""
    marker = root / "logs" / "tick-in-progress.json"
    try:
        at = json.loads(marker.read_bytes())["ts"]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        at = "unreadable"
    plain = "".join(letter for letter in str(at) if letter.isalnum())[:40]
    aside = marker.with_name(f"tick-in-progress.stale.{plain}.json")
    number = 1
    while aside.exists():
        number += 1
        aside = marker.with_name(f"tick-in-progress.stale.{plain}.{number}.json")
    with suppress(OSError):
        marker.rename(aside)
        log.info("marker_moved_aside", root=str(root), to=aside.name)
        return aside.name
    return ""


def marker_age_s(root: Path) -> float:
    """For how long a tick's marker has been there; 0 without one."""
    with suppress(OSError):
        marker = (root / "logs" / "tick-in-progress.json").stat()
        return max(0.0, clock.now().timestamp() - marker.st_mtime)
    return 0.0
