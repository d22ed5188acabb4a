"""What `settings.json` says, read as leniently as the research system reads it.

It fails open: no file, bad JSON, and values that are no clear "no" mean enabled.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

_TRUE = ("1", "true", "on", "yes")
_FALSE = ("0", "false", "off", "no")
_NUMBERS = {
    "PAI_DR_CLI_MAX_WAVE1_AGENTS": (6, 1, 50),
    "PAI_DR_CLI_MAX_WAVE2_AGENTS": (6, 1, 50),
    "PAI_DR_CLI_MAX_SUMMARY_KB": (5, 1, 1000),
    "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB": (60, 1, 100_000),
    "PAI_DR_CLI_MAX_REVIEW_ITERATIONS": (4, 0, 50),
}
_CHOICES = {
    "PAI_DR_CLI_MODE_DEFAULT": ("standard", "quick", "deep"),
    "PAI_DR_CLI_CITATION_VALIDATION_TIER": ("standard", "basic", "thorough"),
}
_SWITCHES = {"PAI_DR_CLI_ENABLED": True, "PAI_DR_CLI_NO_WEB": False}
_ENDPOINTS = (
    "PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT",
    "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT",
)
_RUNS_ROOT = "PAI_DR_CLI_RUNS_ROOT"
ORDER = (
    "PAI_DR_CLI_ENABLED",
    "PAI_DR_CLI_MODE_DEFAULT",
    *_NUMBERS,
    "PAI_DR_CLI_CITATION_VALIDATION_TIER",
    *_ENDPOINTS,
    "PAI_DR_CLI_NO_WEB",
    _RUNS_ROOT,
)


def root() -> Path:
    """The installation."""
    return Path(os.environ.get("STANDIN_ROOT") or Path.cwd())


def flags() -> dict[str, Any]:
    """Every flag's value, with `source` saying which the file has named."""
    return understood(_written(root() / "settings.json"))


def understood(written: dict[str, Any]) -> dict[str, Any]:
    """What is made of the values in the file."""
    found: dict[str, Any] = {}
    for name in ORDER:
        value = written.get(name)
        if name in _SWITCHES:
            found[name] = _switch(value, _SWITCHES[name])
        elif name in _NUMBERS:
            found[name] = _number(value, *_NUMBERS[name])
        elif name in _CHOICES:
            stripped = value.strip() if isinstance(value, str) else None
            known = _CHOICES[name]
            found[name] = stripped if stripped in known else known[0]
        elif name in _ENDPOINTS:
            found[name] = (value.strip() or None) if isinstance(value, str) else None
        else:
            found[name] = _folder(value)
    named = [name for name in ORDER if name in written]
    return found | {"source": {"env": [], "settings": named}}


def _written(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        place = document.get("deepResearchCli")
        if place is None:
            place = document["pai"]["deepResearchCli"]
        written = place["flags"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return written if isinstance(written, dict) else {}


def _switch(value: object, default: bool) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    return word in _TRUE or (default and word not in _FALSE)


def _number(value: object, default: int, least: int, most: int) -> int:
    if isinstance(value, bool) or value is None:
        return default
    leading = re.match(r"\s*[+-]?\d+", str(value))
    return max(least, min(most, int(leading[0]))) if leading else default


def _folder(value: object) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return os.path.normpath(value)
    return str(Path("~/.config/opencode/research-runs").expanduser())
