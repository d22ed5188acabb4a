"""Symptoms: what a run's manifest and artifacts say went wrong around it.

Providers that fail and sources that block are recognised by kinds, halt codes and
message patterns: data with a version, which is kept with every symptom. Telemetry is
no source (decision 19), and a halt that only waits for somebody is no failure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rollout.domain.flags import NO_WEB
from rollout.domain.stages import SENSITIVITIES

VERSION = "symptoms.v1/1"
BLOCKED_URLS = "citations/blocked-urls.json"
HALTS = re.compile(r"operator/halt/tick-\d{1,9}\.json")  # `latest.json` repeats one
LONGEST_SAYING = 300


class SymptomKind(StrEnum):
    """What can be seen from outside."""

    PROVIDER_FAILED = "provider_failed"
    SOURCES_BLOCKED = "sources_blocked"
    WEB_EXPOSED = "web_exposed"


@dataclass(frozen=True, slots=True)
class Symptom:
    """One symptom: where it stands, what is said, how many it counts for.

    `place` orders what stands in a row: a halt's tick, a failure's place in its list.
    """

    kind: SymptomKind
    source: str
    says: str
    place: int = 0
    count: int = 1


# The data of this version.

WAITING_CODES = frozenset(
    {
        *("RUN_AGENT_REQUIRED", "RETRY_REQUIRED", "RETRY_CAP_EXHAUSTED"),
        *("PAUSED", "CANCELLED", "DISABLED", "GATE_BLOCKED", "LOCK_HELD"),
    }
)
OWN_FAILURES = frozenset({"timeout", "hard_gate_fallback_offer"})
PROVIDER_KINDS = frozenset(
    {
        *("provider_outage", "provider_error", "provider_unavailable"),
        *("model_unavailable", "model_error", "model_overloaded", "rate_limited"),
    }
)
PROVIDER_MESSAGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(model|provider|inference|llm|upstream)\b.{0,80}"
        r"\b(429|5\d\d|outage|overloaded|unavailable|unreachable|rate.?limit\w*)\b",
        r"\b(429|5\d\d|overloaded|unavailable|rate.?limit\w*)\b.{0,80}"
        r"\b(model|provider|inference|llm|upstream)\b",
        r"\boverloaded_error\b",
    )
)
BLOCKED_STATUS = frozenset({"blocked", "403", "429", "captcha", "paywalled"})


def in_manifest(manifest: Mapping[str, Any]) -> Iterator[Symptom]:
    """The provider failures among a manifest's failures."""
    for number, failure in enumerate(_list(manifest.get("failures")), start=1):
        kind, message = str(failure.get("kind")), str(failure.get("message") or "")
        if kind not in OWN_FAILURES and _is_provider(kind, message):
            yield Symptom(
                SymptomKind.PROVIDER_FAILED,
                f"manifest failure {number}",
                _saying(f"{kind}: {message}"),
                place=number,
            )


def is_told_by(path: str) -> bool:
    """Whether an artifact of this name is looked into."""
    return path == BLOCKED_URLS or HALTS.fullmatch(path) is not None


def in_artifact(
    path: str, content: Mapping[str, Any], *, version: int = 1
) -> Symptom | None:
    """The symptom that an artifact tells of, if it does."""
    if path == BLOCKED_URLS:
        return _blocked(f"{path} version {version}", content)
    error = content.get("error")
    tick = content.get("tick_index")
    if not isinstance(error, Mapping) or type(tick) is not int:
        return None
    code, message = str(error.get("code")), str(error.get("message") or "")
    if code in WAITING_CODES or not _is_provider(code, message):
        return None
    return Symptom(
        SymptomKind.PROVIDER_FAILED, path, _saying(f"{code}: {message}"), place=tick
    )


def _blocked(source: str, content: Mapping[str, Any]) -> Symptom | None:
    items = [
        item
        for item in _list(content.get("items"))
        if str(item.get("status")).lower() in BLOCKED_STATUS
    ]
    if not items:
        return None
    notes = {str(item.get("notes") or item["status"]): None for item in items}
    says = _saying("; ".join(notes))
    return Symptom(SymptomKind.SOURCES_BLOCKED, source, says, count=len(items))


def _is_provider(kind: str, message: str) -> bool:
    return kind.lower() in PROVIDER_KINDS or any(
        pattern.search(message) for pattern in PROVIDER_MESSAGES
    )


def _list(raw: object) -> list[Mapping[str, Any]]:
    if not isinstance(raw, list):
        return []
    return [each for each in raw if isinstance(each, Mapping)]


def _saying(text: str) -> str:
    return " ".join(text.split())[:LONGEST_SAYING]


def in_a_row(places: Iterable[int]) -> int:
    """How many of the last places follow each other without a gap.

    A tick between two failing ones that did not fail this way went on.
    """
    there = set(places)
    last = max(there, default=0)
    count = 0
    while last - count in there:
        count += 1
    return count


def exposure(
    manifest: Mapping[str, Any], *, constraints: Mapping[str, Any]
) -> Symptom | None:
    """A run that has more of the web than its decision gave it (`NO_WEB` undone).

    It runs at a sensitivity above the decided one, or with `NO_WEB` reported off where
    it was decided on.
    """
    query = manifest.get("query") or {}
    flags = (query.get("constraints") or {}).get("deep_research_cli_flags") or {}
    told, reported = constraints.get("sensitivity"), query.get("sensitivity")
    if _is_above(reported, told):
        says = f"A run reports the sensitivity {reported}; it was let in as {told}."
    elif constraints.get("no_web") and flags.get(NO_WEB) is False:
        says = "A run reports NO_WEB off; it was decided on."
    else:
        return None
    return Symptom(SymptomKind.WEB_EXPOSED, "manifest", says)


def _is_above(reported: object, told: object) -> bool:
    if reported not in SENSITIVITIES or told not in SENSITIVITIES:
        return False
    return SENSITIVITIES.index(reported) > SENSITIVITIES.index(told)
