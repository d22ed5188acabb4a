"""An installation's settings file: written whole or not at all, and read back."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from portal.errors import Refusal
from rollout.domain.flags import Value
from rollout.domain.settings_export import placed


class CannotWrite(Refusal):
    """The file does not say what it should; whatever it said before, it still says."""

    code = "SETTINGS_FILE_UNUSABLE"


def write(path: Path, block: Mapping[str, Value]) -> None:
    """Put a block of flags in its place; other settings stay as they are.

    The research system takes a file that it cannot read for "enabled". So nobody ever
    sees half of one, and a file that is not understood is not replaced.
    """
    path = path.resolve()  # a link stays a link
    try:
        wanted = placed(_read(path) if path.exists() else {}, block)
        _replace(path, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
        found = _read(path)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}.") from error
    if found != wanted:
        raise CannotWrite(f"{path} does not say what was written to it.")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CannotWrite(f"{path} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise CannotWrite(f"{path} is no JSON object.")
    return found


def _replace(path: Path, text: str) -> None:
    """Write beside it, to the disk, and only then take its place."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
