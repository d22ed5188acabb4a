"""Release gates: what people sign, and what each thing that they sign rests on.

A gate is data of a rollout: its rubric, which signers tick item by item, and what each
item requires. Every requirement names a live source; what the source says now is a
*reading*. The run's own gates A to F (`rollout/domain/gates.py`) are another thing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from drills.domain.scenarios import Scenario
from portal.domain.canonical import digest_of
from portal.errors import Invalid

LETTERS = ("A", "B", "C", "D", "E", "F")
LONGEST_LINE = 500
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
MOST_ITEMS = 30


class Source(StrEnum):
    """Where a requirement looks."""

    FLAGS = "flags"
    PLAN = "plan"
    TRIGGERS = "triggers"
    DRILL = "drill"  # of one scenario
    VERIFICATION = "verification"  # one check of the suite
    FALLBACK = "fallback"
    EVALUATION = "evaluation"
    INCIDENTS = "incidents"
    SCANS = "scans"


TAKES_OF = (Source.DRILL, Source.VERIFICATION)


class State(StrEnum):
    """How a requirement stands."""

    MET = "met"
    WANTING = "wanting"  # there is something, and it does not suffice
    MISSING = "missing"
    UNSCANNED = "unscanned"  # nobody knows whether it holds a secret


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the rubric: what a signer ticks."""

    key: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What an item of the rubric rests on; `of` is the scenario, or the check."""

    key: str
    item: str
    title: str
    threshold: str
    source: Source
    of: str = ""
    is_waivable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a release gate says."""

    title: str
    purpose: str
    rubric: tuple[Item, ...]
    requirements: tuple[Requirement, ...]

    @property
    def digest(self) -> str:
        """The same for the same gate."""
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The gate as it is stored and proposed."""
        return {
            "title": self.title,
            "purpose": self.purpose,
            "rubric": [asdict(each) for each in self.rubric],
            "requirements": [
                {**asdict(each), "source": str(each.source)}
                for each in self.requirements
            ],
        }

    def of_item(self, key: str) -> list[Requirement]:
        """What an item of the rubric rests on."""
        return [each for each in self.requirements if each.item == key]

    def requirement(self, key: str) -> Requirement:
        """The requirement of that key, or a refusal that lists them."""
        for each in self.requirements:
            if each.key == key:
                return each
        known = ", ".join(each.key for each in self.requirements)
        raise Invalid(
            f"The gate has no requirement {key!r}; it has {known}.",
            errors=[{"pointer": "/requirement", "detail": "is not known"}],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source says of a requirement now.

    `rests_on` names exactly what a signature would rest on: if it becomes another, the
    evidence has changed. `facts` say more, and may grow without changing anything.
    """

    state: State
    says: str
    rests_on: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    expires_at: datetime | None = None
    link: str = ""

    @property
    def digest(self) -> str:
        """Over the state and what it rests on."""
        return digest_of({"state": str(self.state), "rests_on": dict(self.rests_on)})


def read(raw: Mapping[str, Any]) -> Gate:
    """The gate in a proposal; `Invalid` names every place that will not do."""
    errors = list(_troubles(raw))
    if errors:
        raise Invalid(
            "This is no release gate.",
            code="GATE_INVALID",
            errors=[{"pointer": at, "detail": what} for at, what in errors],
        )
    return Gate(
        title=raw["title"].strip(),
        purpose=raw["purpose"].strip(),
        rubric=tuple(Item(**each) for each in raw["rubric"]),
        requirements=tuple(
            Requirement(**{**each, "source": Source(each["source"])})
            for each in raw["requirements"]
        ),
    )


_FIELDS = ("title", "purpose", "rubric", "requirements")
_OF_REQUIREMENT = set(Requirement.__dataclass_fields__)
_NEEDED = _OF_REQUIREMENT - {"of", "is_waivable"}


def _troubles(raw: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in raw:
        if name not in _FIELDS:
            yield f"/{name}", "means nothing in a gate"
    for name in ("title", "purpose"):
        if not _is_line(raw.get(name)):
            yield f"/{name}", f"is a text of 1 to {LONGEST_LINE} characters"
    items = yield from _troubles_of_list(
        raw, "rubric", {"key", "says"}, {"key", "says"}
    )
    found = yield from _troubles_of_list(raw, "requirements", _NEEDED, _OF_REQUIREMENT)
    known = {each["key"] for each in items}
    for number, each in enumerate(found):
        yield from _troubles_of_requirement(f"/requirements/{number}", each, known)
    resting = {each["item"] for each in found}
    for number, each in enumerate(items):
        if found and each["key"] not in resting:
            yield f"/rubric/{number}", "rests on nothing: it needs a requirement"


def _troubles_of_list(
    raw: Mapping[str, Any], name: str, needed: set[str], known: set[str]
) -> Any:
    """Yields what is wrong with a list of tables; returns those that can be read."""
    found = raw.get(name)
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_ITEMS:
        yield f"/{name}", f"is a list of 1 to {MOST_ITEMS}"
        return []
    readable, keys = [], set()
    for number, each in enumerate(found):
        at = f"/{name}/{number}"
        if not isinstance(each, Mapping) or not needed <= set(each) <= known:
            yield at, f"has {', '.join(sorted(needed))}, and nothing that is not known"
        elif not all(_is_line(each[part]) for part in needed):
            yield at, f"is made of texts of 1 to {LONGEST_LINE} characters"
        elif not _NAME.match(each["key"]):
            yield f"{at}/key", "is words of small letters, joined by -"
        elif each["key"] in keys:
            yield f"{at}/key", "is there twice"
        else:
            keys.add(each["key"])
            readable.append(each)
    return readable


def _troubles_of_requirement(
    at: str, raw: Mapping[str, Any], items: set[str]
) -> Iterable[tuple[str, str]]:
    of = raw.get("of", "")
    if raw["item"] not in items:
        yield f"{at}/item", "is no item of the rubric"
    if raw["source"] not in set(Source):
        yield f"{at}/source", f"is one of {', '.join(Source)}"
    elif raw["source"] == Source.DRILL and of not in set(Scenario):
        yield f"{at}/of", f"is one of {', '.join(Scenario)}"
    elif raw["source"] == Source.VERIFICATION and not _is_line(of):
        yield f"{at}/of", "is the name of a check"
    elif raw["source"] not in TAKES_OF and of != "":
        yield f"{at}/of", "is for drills and checks only"
    if not isinstance(raw.get("is_waivable", True), bool):
        yield f"{at}/is_waivable", "is true or false"


def _is_line(found: object) -> bool:
    if not isinstance(found, str):
        return False
    return bool(found.strip()) and len(found) <= LONGEST_LINE and "\x00" not in found


def check_letter(letter: object) -> None:
    """Refuse what is no gate from A to F."""
    if letter not in LETTERS:
        raise Invalid(
            f"Release gates are {', '.join(LETTERS)}.",
            errors=[{"pointer": "/gate", "detail": "is no gate"}],
        )


# Gate F, as it ships.

_F = {
    "off": "Flags exist to switch Option C on and off, and to cap it.",
    "plan": "A canary plan exists, with triggers that roll back.",
    "fallback": "Falling back to the standard workflow is documented and was tested, "
    "and keeps every artifact.",
    "verified": "The four verification checks exit as they should.",
    "drilled": "The four drills were conducted live, with captured artifacts and a "
    "clean safety scan, and observed by another person.",
    "proven": "What the canary has shown suffices, and nothing serious is open.",
}
_CHECKS = {
    "feature-flags": ("off", "Feature-flag contract"),
    "fallback-path": ("fallback", "Fallback path"),
    "watchdog-timeout": ("verified", "Watchdog time-out"),
    "fallback-offer": ("verified", "Fallback offer on a hard gate"),
}
_DRILLS = {
    Scenario.PAUSE_RESUME: "Pause and resume",
    Scenario.EMERGENCY_DISABLE: "Emergency disable and rollback",
    Scenario.HARD_GATE_FALLBACK: "Fallback after a hard-gate failure",
    Scenario.FORCED_TIMEOUT: "Forced time-out",
}


def _check(name: str, item: str, title: str) -> Requirement:
    return Requirement(
        key=f"check-{name}",
        item=item,
        title=f"Verification: {title}",
        threshold="passed within 7 days, of the verification file as it is",
        source=Source.VERIFICATION,
        of=name,
    )


def _drill(scenario: Scenario, title: str) -> Requirement:
    return Requirement(
        key=f"drill-{scenario}".replace("_", "-"),
        item="drilled",
        title=f"Drill: {title}",
        threshold="passed within 30 days on this configuration and environment, with "
        "captured artifacts, a clean scan and an observer",
        source=Source.DRILL,
        of=scenario,
    )


GATE_F = Gate(
    title="Rollout safety",
    purpose="Opens Option C for general use.",
    rubric=tuple(Item(key, says) for key, says in _F.items()),
    requirements=(
        Requirement(
            key="flags-document",
            item="off",
            title="Flags document",
            threshold="a flag that enables, and flags that cap",
            source=Source.FLAGS,
        ),
        Requirement(
            key="canary-plan",
            item="plan",
            title="Canary and rollout playbook",
            threshold="every stage has a plan that does not contradict itself",
            source=Source.PLAN,
        ),
        Requirement(
            key="rollback-triggers",
            item="plan",
            title="Rollback triggers",
            threshold="at least one live trigger rolls back or switches off",
            source=Source.TRIGGERS,
        ),
        Requirement(
            key="fallback-proof",
            item="fallback",
            title="Fallback proof",
            threshold="in a drill that counts, every artifact from before the fallback "
            "was there after it, byte for byte",
            source=Source.FALLBACK,
        ),
        *(_check(name, *said) for name, said in _CHECKS.items()),
        *(_drill(scenario, title) for scenario, title in _DRILLS.items()),
        Requirement(
            key="canary-evidence",
            item="proven",
            title="Evaluation of the open stage",
            threshold="its evidence shows its bar, or a person judges it",
            source=Source.EVALUATION,
        ),
        Requirement(
            key="no-serious-incident",
            item="proven",
            title="Open incidents",
            threshold="no real incident of severity 1 or 2 is active",
            source=Source.INCIDENTS,
            is_waivable=False,
        ),
        Requirement(
            key="artifact-scans",
            item="proven",
            title="Safety scans of the runs' artifacts",
            threshold="everything was read in full, and nothing found",
            source=Source.SCANS,
        ),
    ),
)
GATES = {"F": GATE_F}
