"""Importing a run root: what the research system left on a disk, file by file."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from portal.domain.roles import May
from portal.domain.strict_json import read
from portal.errors import Invalid, NotFound, Refusal
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.artifacts import safe_path
from rollout.domain.runs import RunKind
from rollout.domain.verbs import Verb
from rollout.services import artifacts, documents, events, fallback, runs

CHUNK = 1024 * 1024
LARGEST_DOCUMENT = 16 * 1024 * 1024


@dataclass(slots=True)
class Imported:
    """What an import found and did; `left_out` says why, per path."""

    run_id: str
    manifest: str = "missing"
    gates: str = "missing"
    new_events: int = 0
    new_artifacts: int = 0
    known_artifacts: int = 0
    has_adopted_fallback: bool = False
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def has_changed_anything(self) -> bool:
        """Whether the import left the portal other than it was."""
        return bool(
            "accepted" in (self.manifest, self.gates)
            or self.new_events
            or self.new_artifacts
            or self.has_adopted_fallback
        )


def ingest_root(root: Path, *, rollout_key: str, by: Actor, reason: str) -> Imported:
    """Import the run under `root`; importing it again changes nothing.

    Each file is an act of its own, so that an import that was interrupted is simply
    done again. Imported runs are not watched, not directed, and no evidence.
    """
    require(by, May.INGEST, rollout=rollout_key)
    manifest = root / "manifest.json"
    if not manifest.is_file():
        raise NotFound(f"{root} is no run root: it has no manifest.json.")
    raw = manifest.read_bytes()
    document = read(raw, limit=LARGEST_DOCUMENT)
    run_id = document.get("run_id") if isinstance(document, dict) else None
    if not isinstance(run_id, str):
        raise Invalid(f"{manifest} names no run_id.")
    done = Imported(run_id)
    act = {"by": by, "reason": reason, "kind": RunKind.IMPORTED}
    done.manifest = _take(
        done, manifest, documents.receive_manifest(rollout_key, run_id, raw, **act)
    )
    gates = root / "gates.json"
    if gates.is_file():
        receipt = documents.receive_gates(
            rollout_key, run_id, gates.read_bytes(), **act
        )
        done.gates = _take(done, gates, receipt)
    telemetry = root / "logs" / "telemetry.jsonl"
    if telemetry.is_file():
        batch = events.receive(rollout_key, run_id, telemetry.read_bytes(), **act)
        done.new_events = batch.new
    for path, relative in _files(root, done):
        with path.open("rb") as file:
            chunks = iter(lambda file=file: file.read(CHUNK), b"")
            _, is_new = artifacts.store(rollout_key, run_id, relative, chunks, **act)
        done.new_artifacts += is_new
        done.known_artifacts += not is_new
    run = runs.find(rollout_key, run_id)
    adopted = fallback.adopt(run.pk, by=by, reason=reason)
    done.has_adopted_fallback = adopted is not None
    if done.has_changed_anything:
        _note(done, rollout_key, run_id, by=by, reason=reason)
    return done


def _take(done: Imported, path: Path, receipt: documents.Receipt) -> str:
    if receipt.refusal is not None:
        done.left_out[path.name] = str(receipt.refusal)
    return receipt.outcome


@transaction.atomic
def _note(
    done: Imported, rollout_key: str, run_id: str, *, by: Actor, reason: str
) -> None:
    record(
        Verb.RUN_IMPORTED,
        runs.find(rollout_key, run_id),
        by=by,
        reason=reason,
        new_events=done.new_events,
        new_artifacts=done.new_artifacts,
        left_out=done.left_out,
    )


def _files(root: Path, done: Imported) -> Iterator[tuple[Path, str]]:
    """The regular files under `root` that can be artifacts, in a fixed order."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if not stat.S_ISREG(path.lstat().st_mode):
                done.left_out[relative] = "not a regular file"
            elif ".tmp." in name or name.endswith(".tmp"):
                done.left_out[relative] = "half-written"
            else:
                try:
                    safe_path(relative)
                except Refusal as refusal:
                    done.left_out[relative] = str(refusal)
                    continue
                yield path, relative
