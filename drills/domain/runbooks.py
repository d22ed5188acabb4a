"""Runbooks: Markdown with steps of a kind each, for whoever has to act now.

A step is an item of a numbered list that begins with its kind in bold:

    1. **Check:** something to look at, and what it has to say.
    2. **Command:** what it does, with the command as code.
    3. **Act:** a link to the page of this portal where it is done.
    4. **Wait 60 s:** for what, and at most that long.

Steps count through all the lists of a runbook; headings between them divide it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from markdown_it.token import Token

from drills.domain.matrix import KEY
from drills.domain.scenarios import Scenario
from portal.domain.markdown import tokens
from portal.errors import Invalid, NotFound

LONGEST_BODY = 40_000
LONGEST_TITLE = 120
MOST_STEPS = 60
MOST_LINKS = 30
FRESH_FOR = timedelta(days=90)


class StepKind(StrEnum):
    """What a step takes."""

    CHECK = "check"  # somebody looks
    COMMAND = "command"  # somebody types it
    ACT = "act"  # somebody does it on a page of the portal
    WAIT = "wait"


class Result(StrEnum):
    """What came of a step."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Freshness(StrEnum):
    """Whether anybody has followed a runbook lately, as it is now."""

    FRESH = "fresh"
    OLD = "old"
    UNTRIED = "untried"  # nobody has followed it since it was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `text` is its Markdown, `section` the heading that it stands under.

    `wait_s` is for how long to wait at most, in seconds.
    """

    number: int
    kind: StepKind
    section: str
    text: str
    wait_s: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The step as a use of the runbook keeps it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """What a runbook says, and for which rows of the matrix and scenarios it is."""

    title: str
    body: str
    rows: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Its steps, in their order."""
        return tuple(step for step in _steps(self.body) if isinstance(step, Step))

    def to_json(self) -> dict[str, Any]:
        """The runbook as it is stored and proposed."""
        return {
            "title": self.title,
            "body": self.body,
            "rows": list(self.rows),
            "scenarios": [str(each) for each in self.scenarios],
        }


def read(raw: Mapping[str, Any]) -> Runbook:
    """The runbook in a proposal; `Invalid` names every place that will not do."""
    errors = list(_troubles(raw))
    if errors:
        raise Invalid(
            "This is no runbook.",
            errors=[{"pointer": at, "detail": what} for at, what in errors],
        )
    return Runbook(
        title=raw["title"].strip(),
        body=_lines_of(raw["body"]),
        rows=tuple(raw["rows"]),
        scenarios=tuple(Scenario(each) for each in raw["scenarios"]),
    )


def _lines_of(body: str) -> str:
    lines = body.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    return "\n".join(line.rstrip() for line in lines) + "\n"


FIELDS = ("title", "body", "rows", "scenarios")


def _troubles(raw: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in raw:
        if name not in FIELDS:
            yield f"/{name}", "means nothing in a runbook"
    if not _is_text(raw.get("title"), LONGEST_TITLE):
        yield "/title", f"is a text of 1 to {LONGEST_TITLE} characters"
    elif "\n" in raw["title"].strip():
        yield "/title", "is one line"
    yield from _troubles_of_links(raw)
    if not _is_text(raw.get("body"), LONGEST_BODY):
        yield "/body", f"is a text of 1 to {LONGEST_BODY} characters"
        return
    found = list(_steps(_lines_of(raw["body"])))
    if not 1 <= len(found) <= MOST_STEPS:
        yield "/body", f"has 1 to {MOST_STEPS} steps, the items of numbered lists"
    for number, step in enumerate(found, start=1):
        if isinstance(step, str):
            yield "/body", f"step {number} {step}"


def _troubles_of_links(raw: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in ("rows", "scenarios"):
        found = raw.get(name)
        if not isinstance(found, list) or len(found) > MOST_LINKS:
            yield f"/{name}", f"is a list of at most {MOST_LINKS} names"
            continue
        for number, key in enumerate(found):
            if not isinstance(key, str) or not _is_known(name, key):
                yield f"/{name}/{number}", "is not known"
            elif key in found[:number]:
                yield f"/{name}/{number}", "stands there twice"


def _is_known(name: str, key: str) -> bool:
    return bool(KEY.match(key)) if name == "rows" else key in set(Scenario)


def _is_text(found: object, longest: int) -> bool:
    if not isinstance(found, str):
        return False
    return bool(found.strip()) and len(found) <= longest and "\x00" not in found


_KIND = re.compile(r"(Check|Command|Act|Wait (\d{1,5}) (s|min|h)):?\Z")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
NO_KIND = (
    "does not begin with its kind in bold: **Check:**, **Command:**, **Act:** or "
    "**Wait 60 s:**"
)


def _steps(body: str) -> Iterable[Step | str]:
    """Every step, or what is wrong with it."""
    lines = body.split("\n")
    found = tokens(body)
    section, number, at = "", 0, 0
    while at < len(found):
        token = found[at]
        if token.type == "heading_open":
            section = _plain(found[at + 1])
        if token.type == "ordered_list_open" and token.level == 0:
            end = _end_of(found, at)
            for first, last in _items(found, at, end):
                number += 1
                start, stop = found[first].map or (0, 0)
                text = _dedented(lines[start:stop])
                yield _step(number, section, text, found[first : last + 1])
            at = end
        at += 1


def _end_of(found: list[Token], at: int) -> int:
    """Where the list that begins at `at` ends."""
    level = found[at].level
    return next(
        n
        for n in range(at + 1, len(found))
        if found[n].type == "ordered_list_close" and found[n].level == level
    )


def _items(found: list[Token], at: int, end: int) -> Iterable[tuple[int, int]]:
    level = found[at].level + 1
    opened = 0
    for n in range(at + 1, end):
        if found[n].level == level and found[n].type == "list_item_open":
            opened = n
        if found[n].level == level and found[n].type == "list_item_close":
            yield opened, n


def _dedented(lines: list[str]) -> str:
    """The Markdown of an item without its number."""
    marker = re.match(r"\s*\d{1,9}[.)]\s{0,4}", lines[0])
    width = len(marker[0]) if marker else 0
    rest = [line[min(width, len(line) - len(line.lstrip())) :] for line in lines[1:]]
    return "\n".join([lines[0][width:], *rest]).strip()


def _step(number: int, section: str, text: str, item: list[Token]) -> Step | str:
    first = next((token for token in item if token.type == "inline"), None)
    children = [c for c in _children(first) if c.content or c.type != "text"]
    is_bold = len(children) >= 3 and children[0].type == "strong_open"
    said = _KIND.match(children[1].content.strip()) if is_bold else None
    if said is None:
        return NO_KIND
    kind = StepKind(said[1].split()[0].lower())
    inlines = [c for token in item for c in _children(token)]
    if kind == StepKind.COMMAND and not (
        any(token.type == "fence" for token in item)
        or any(c.type == "code_inline" for c in inlines)
    ):
        return "is a command, and has none as code"
    if kind == StepKind.ACT and not any(
        c.type == "link_open" and str(c.attrGet("href") or "").startswith("/")
        for c in inlines
    ):
        return "is an act, and has no link to a page of this portal, such as /admin/"
    wait_s = int(said[2]) * _SECONDS[said[3]] if kind == StepKind.WAIT else None
    return Step(number=number, kind=kind, section=section, text=text, wait_s=wait_s)


def _plain(token: Token) -> str:
    return "".join(c.content for c in _children(token))


def _children(token: Token | None) -> list[Token]:
    return list(token.children or ()) if token is not None else []


def check_step(number: int, steps: int) -> None:
    """Refuse a step that a use does not have; they count from 1."""
    if not 1 <= number <= steps:
        raise NotFound(f"There is no step {number}; there are steps 1 to {steps}.")


def freshness(
    last: datetime | None, version_used: int, version: int, now: datetime
) -> Freshness:
    """What its last use, at `version_used`, says about a runbook of this version."""
    if last is None or version_used < version:
        return Freshness.UNTRIED
    return Freshness.FRESH if now - last <= FRESH_FOR else Freshness.OLD
