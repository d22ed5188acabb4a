"""The response matrix: from a symptom to diagnosis, trigger, action and artifacts.

A row says by which signs it is recognised. The index over all rows is a dictionary, so
that finding the row of a sign costs the same however many rows there are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from drills.domain.incidents import Severity
from drills.domain.signs import Origin
from portal.errors import Conflict, Invalid

KEY = re.compile(r"[a-z][a-z0-9-]{1,59}\Z")
SIGN = re.compile(r"[a-z][a-z0-9_]{1,59}\Z")
LONGEST_LINE = 500
MOST_LINES = 30
GATES = ("", "A", "B", "C", "D", "E", "F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: what is seen, how to find out, what goes back by itself, what to do."""

    symptom: str
    severity: Severity
    matches: tuple[Origin, ...]
    diagnosis: tuple[str, ...]
    rollback_trigger: str
    fallback_action: str
    artifacts: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The row as it is stored and proposed."""
        lists = ("diagnosis", "artifacts")
        return {
            **asdict(self),
            **{name: list(getattr(self, name)) for name in lists},
            "severity": int(self.severity),
            "matches": [{"sign": m.sign, "gate": m.gate} for m in self.matches],
        }


def read(raw: Mapping[str, Any]) -> Row:
    """The row in a proposal; `Invalid` names every place that will not do."""
    errors = list(_troubles(raw))
    if errors:
        raise Invalid(
            "This is no row of the matrix.",
            errors=[{"pointer": at, "detail": what} for at, what in errors],
        )
    return Row(
        symptom=raw["symptom"].strip(),
        severity=Severity(raw["severity"]),
        matches=tuple(Origin(each["sign"], each["gate"]) for each in raw["matches"]),
        diagnosis=tuple(each.strip() for each in raw["diagnosis"]),
        rollback_trigger=raw["rollback_trigger"].strip(),
        fallback_action=raw["fallback_action"].strip(),
        artifacts=tuple(each.strip() for each in raw["artifacts"]),
    )


_TEXTS = ("symptom", "rollback_trigger", "fallback_action")
_LISTS = ("diagnosis", "artifacts")
FIELDS = (*_TEXTS, *_LISTS, "severity", "matches")


def _troubles(raw: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in raw:
        if name not in FIELDS:
            yield f"/{name}", "means nothing in a row"
    for name in _TEXTS:
        if not _is_line(raw.get(name)):
            yield f"/{name}", f"is a text of 1 to {LONGEST_LINE} characters"
    for name in _LISTS:
        found = raw.get(name)
        if not isinstance(found, list) or not 1 <= len(found) <= MOST_LINES:
            yield f"/{name}", f"is a list of 1 to {MOST_LINES} lines"
            continue
        for number, line in enumerate(found):
            if not _is_line(line):
                yield f"/{name}/{number}", f"is 1 to {LONGEST_LINE} characters"
    severity = raw.get("severity")
    if type(severity) is not int or severity not in set(Severity):
        yield "/severity", "is 1, 2, 3 or 4"
    yield from _troubles_of_matches(raw.get("matches"))


def _troubles_of_matches(found: object) -> Iterable[tuple[str, str]]:
    if not isinstance(found, list) or len(found) > MOST_LINES:
        yield "/matches", f"is a list of at most {MOST_LINES} signs"
        return
    for number, match in enumerate(found):
        is_known = (
            isinstance(match, Mapping)
            and set(match) == {"sign", "gate"}
            and isinstance(match["sign"], str)
            and SIGN.match(match["sign"])
            and match["gate"] in GATES
        )
        if not is_known:
            what = "is a sign (such as timed_out) and a gate from A to F, or none"
            yield f"/matches/{number}", what


def _is_line(found: object) -> bool:
    if not isinstance(found, str):
        return False
    return bool(found.strip()) and len(found) <= LONGEST_LINE and "\x00" not in found


def check_key(key: object) -> None:
    """Refuse a name that does not fit into an address."""
    if not isinstance(key, str) or not KEY.match(key):
        raise Invalid(
            "A row's key is 2 to 60 small letters, digits and hyphens.",
            errors=[{"pointer": "/key", "detail": "is no key"}],
        )


Index = dict[Origin, str]


def index(rows: Mapping[str, Row]) -> Index:
    """From signs to the keys of rows; `Conflict` when two rows claim the same."""
    found: Index = {}
    for key, row in sorted(rows.items()):
        for match in row.matches:
            if match in found and found[match] != key:
                what = f"{match.sign} {match.gate}".strip()
                raise Conflict(
                    f"The rows {found[match]} and {key} both claim {what}; an "
                    "incident has one row.",
                    code="MATCHED_TWICE",
                    rows=[found[match], key],
                )
            found[match] = key
    return found


def match(found: Index, origin: Origin) -> str | None:
    """The key of the row for a sign: for its gate, else for any gate."""
    return found.get(origin) or found.get(Origin(origin.sign))
