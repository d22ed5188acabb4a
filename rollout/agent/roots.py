"""Finding run roots: what lies in the runs root, and what its ledger names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rollout.agent.files import Moving, NoFile, lines_from, read_document

LEDGER = "runs-ledger.jsonl"
MANIFEST = "manifest.json"
LONGEST_LEDGER = 64 * 1024 * 1024
_NAMES = ("run_root", "root", "path", "manifest_path")


@dataclass(frozen=True, slots=True)
class Found:
    """Run roots by their path, and what could not be taken for one, with the reason."""

    roots: list[Path]
    troubles: dict[str, str]


def find(runs_root: Path) -> Found:
    """Every folder with a manifest: in the runs root, or named by its ledger."""
    troubles: dict[str, str] = {}
    roots: dict[Path, None] = {}
    try:
        candidates = sorted(runs_root.iterdir())
    except OSError as error:
        return Found([], {str(runs_root): f"cannot be listed ({error.strerror})"})
    for candidate in candidates:
        if candidate.is_symlink() and candidate.is_dir():
            troubles[candidate.name] = "is a link: not followed"
        elif candidate.is_dir() and (candidate / MANIFEST).exists():
            roots[candidate] = None
    inside = runs_root.resolve()
    for named in _in_ledger(runs_root / LEDGER):
        root = named if named.is_absolute() else runs_root / named
        root = root.parent if root.name == MANIFEST else root
        if root in roots or not (root / MANIFEST).is_file():
            continue
        if not root.resolve().is_relative_to(inside):
            troubles[str(root)] = "lies outside of the runs root"
            continue
        roots[root] = None
    return Found(list(roots), troubles)


def _in_ledger(path: Path) -> Iterator[Path]:
    """The paths that whole lines of the ledger name; what is no JSON is left out."""
    try:
        lines, _, _ = lines_from(path, 0, LONGEST_LEDGER)
    except NoFile:
        return
    for line in lines.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict):
            continue
        named = next((entry[n] for n in _NAMES if isinstance(entry.get(n), str)), None)
        if named and "\0" not in named:
            yield Path(named)


def run_id_of(root: Path) -> str:
    """The name of the run that lies there; `Moving` while its manifest is not whole."""
    try:
        _, manifest = read_document(root / MANIFEST)
    except NoFile as why:
        raise Moving(f"manifest.json: {why}") from None
    run_id = manifest.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        raise Moving("manifest.json names no run_id.")
    return run_id
