"""Verification suites: what a file on the worker host may have carried out.

The file is TOML, one table per check:

    [[check]]
    name = "fallback-path"
    title = "The way back to the standard workflow"
    proves = "A run that fell back keeps every artifact."
    argv = ["{python}", "-m", "pytest", "-q", "tests/verification/test_fallback.py"]
    timeout_s = 300

`argv` is a list, never a line for a shell; its program is `{python}` or one that the
host allows. `{python}`, `{project}` and `{scratch}` stand for the interpreter of the
portal, its code, and an empty directory, which alone can be written to.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from portal.domain.canonical import digest_of
from portal.errors import Invalid

LARGEST_FILE = 64 * 1024
MOST_CHECKS = 50
LONGEST_S = 3600
VALID_FOR = timedelta(days=7)  # decision 22
WARNS_FOR = timedelta(days=1)
PLACEHOLDERS = ("python", "project", "scratch")

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "title": str,
    "proves": str,
    "argv": list,
    "expected_exit": int,
    "timeout_s": int,
    "environment": dict,
    "needs_network": bool,
}
_REQUIRED = ("name", "title", "proves", "argv")


class Outcome(StrEnum):
    """How the command of one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One command, and what it proves when it exits as expected."""

    name: str
    title: str
    proves: str
    argv: tuple[str, ...]
    expected_exit: int = 0
    timeout_s: int = 600
    environment: Mapping[str, str]
    needs_network: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in the evidence."""
        return {
            "name": self.name,
            "title": self.title,
            "proves": self.proves,
            "argv": list(self.argv),
            "expected_exit": self.expected_exit,
            "timeout_s": self.timeout_s,
            "environment": dict(self.environment),
            "needs_network": self.needs_network,
        }

    def command(self, **places: str) -> list[str]:
        """What is carried out, with a value for each of `PLACEHOLDERS`."""

        def filled(part: str) -> str:
            return _PLACEHOLDER.sub(lambda found: places[found[1]], part)

        return [filled(part) for part in self.argv]


@dataclass(frozen=True, slots=True)
class Suite:
    """The checks of one file, in their order."""

    checks: tuple[Check, ...]

    @property
    def digest(self) -> str:
        """The same for the same checks, however the file is spelled."""
        return digest_of([check.to_json() for check in self.checks])


def read(raw: bytes, *, programs: Collection[str] = ()) -> Suite:
    """The suite in a file; `programs` are the absolute paths that the host allows.

    Raises `Invalid` (SUITE_INVALID) with every error and its place.
    """
    errors: list[dict[str, str]] = []
    found = _tables(raw, errors)
    checks = [
        _check(table, f"/check/{number}", programs, errors)
        for number, table in enumerate(found)
    ]
    names = [check.name for check in checks if check is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        errors.append({"pointer": "/check", "detail": f"has {name!r} twice"})
    if errors:
        first = errors[0]
        raise Invalid(
            f"The verification file is not valid: {first['pointer'] or 'it'} "
            f"{first['detail']}.",
            code="SUITE_INVALID",
            errors=errors,
        )
    return Suite(tuple(check for check in checks if check is not None))


def _tables(raw: bytes, errors: list[dict[str, str]]) -> list[Any]:
    if len(raw) > LARGEST_FILE:
        errors.append({"pointer": "", "detail": f"is over {LARGEST_FILE} bytes"})
        return []
    try:
        document = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        errors.append({"pointer": "", "detail": f"is no TOML ({error})"})
        return []
    for name in sorted(set(document) - {"check"}):
        errors.append({"pointer": f"/{name}", "detail": "is not known"})
    tables = document.get("check")
    if not isinstance(tables, list) or not 0 < len(tables) <= MOST_CHECKS:
        detail = f"has to be 1 to {MOST_CHECKS} tables [[check]]"
        errors.append({"pointer": "/check", "detail": detail})
        return []
    return tables


def _check(
    table: Any, at: str, programs: Collection[str], errors: list[dict[str, str]]
) -> Check | None:
    before = len(errors)

    def wrong(field: str, detail: str) -> None:
        errors.append({"pointer": f"{at}/{field}".rstrip("/"), "detail": detail})

    if not isinstance(table, dict):
        wrong("", "is no table")
        return None
    for field in sorted(set(table) - set(_FIELDS)):
        wrong(field, "is not known")
    for field in _REQUIRED:
        if field not in table:
            wrong(field, "is missing")
    for field, kind in _FIELDS.items():
        value = table.get(field)
        is_bool = isinstance(value, bool) and kind is not bool  # a bool is an int too
        if value is not None and (is_bool or not isinstance(value, kind)):
            shell = (
                "; a line for a shell is never carried out" if field == "argv" else ""
            )
            wrong(field, f"is no {_WORDS[field]}{shell}")
    if len(errors) > before:
        return None
    _look_at_values(table, programs, wrong)
    if len(errors) > before:
        return None
    return Check(
        **{
            **table,
            "argv": tuple(table["argv"]),
            "environment": table.get("environment", {}),
        }
    )


_WORDS = {
    "name": "text",
    "title": "text",
    "proves": "text",
    "argv": "list of arguments",
    "expected_exit": "whole number",
    "timeout_s": "whole number of seconds",
    "environment": "table of texts",
    "needs_network": "true or false",
}


def _look_at_values(
    table: Mapping[str, Any],
    programs: Collection[str],
    wrong: Callable[[str, str], None],
) -> None:
    if not _NAME.match(table["name"]) or len(table["name"]) > 60:
        wrong("name", "has to be words of small letters, joined by -")
    for field in ("title", "proves"):
        if not table[field].strip() or len(table[field]) > 300:
            wrong(field, "has to be 1 to 300 characters")
    if not 0 <= table.get("expected_exit", 0) <= 255:
        wrong("expected_exit", "has to be 0 to 255")
    if not 0 < table.get("timeout_s", 1) <= LONGEST_S:
        wrong("timeout_s", f"has to be 1 to {LONGEST_S}")
    _look_at_argv(table["argv"], programs, wrong)
    for name, value in table.get("environment", {}).items():
        if not _VARIABLE.match(name) or not isinstance(value, str):
            wrong(f"environment/{name}", "has to be NAME = a text")
        elif _SECRET.search(name):
            wrong(f"environment/{name}", "looks like a secret; evidence is readable")


def _look_at_argv(
    argv: Sequence[Any],
    programs: Collection[str],
    wrong: Callable[[str, str], None],
) -> None:
    if not argv or not all(isinstance(part, str) and part for part in argv):
        wrong("argv", "has to be a list of texts, none of them empty")
        return
    if len(argv) > 100 or any(len(part) > 1000 or "\0" in part for part in argv):
        wrong("argv", "is too long, or holds a NUL")
    for number, part in enumerate(argv):
        for name in _PLACEHOLDER.findall(part):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
                wrong(f"argv/{number}", f"knows only {known}, not {{{name}}}")
    if argv[0] != "{python}" and argv[0] not in programs:
        wrong("argv/0", f"is no program that this host allows: {argv[0]}")


def is_valid(finished_at: datetime, *, now: datetime) -> bool:
    """Whether a green run still says something about today."""
    return now < finished_at + VALID_FOR
