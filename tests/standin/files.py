"""Files as the research system writes them: whole, by way of `*.tmp.*`, or by lines."""

import hashlib
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def now() -> str:
    """The moment, in UTC with milliseconds."""
    text = datetime.now(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def digest(document: Any) -> str:
    """What a document is known by."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def pretty(document: Any) -> str:
    """A document as it stands in a file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, content: Any) -> None:
    """Text as it is, anything else as JSON; nobody sees half of it."""
    text = content if isinstance(content, str) else pretty(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp.{os.getpid()}.{time.time_ns()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def lines(path: Path) -> list[dict[str, Any]]:
    """The documents of a log, none when there is no log yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append(path: Path, document: dict[str, Any]) -> None:
    """One more line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(document, separators=(",", ":")) + "\n")
