"""Telemetry: lines of NDJSON, each with its place in the run."""

from dataclasses import dataclass
from typing import Any

from portal.domain.canonical import digest_of
from portal.domain.strict_json import read
from portal.errors import Conflict, Invalid
from rollout.domain import schemas

LONGEST_LINE = 64 * 1024
MOST_EVENTS = 5000


@dataclass(frozen=True, slots=True)
class Event:
    """One event and the digest that tells it from another with its `seq`."""

    seq: int
    content: dict[str, Any]
    digest: str


def read_batch(raw: bytes, *, run_id: str) -> list[Event]:
    """The events of a batch, by `seq`; blank lines are skipped.

    The same event twice in a batch counts once. Raises `Malformed` or `Invalid` with
    the number of the line, and `Conflict` (EVENT_CONFLICT) for two different events
    with one `seq`.
    """
    events: dict[int, Event] = {}
    lines = [
        (number, line)
        for number, line in enumerate(raw.split(b"\n"), start=1)
        if line.strip()
    ]
    if len(lines) > MOST_EVENTS:
        raise Invalid(
            f"A batch holds at most {MOST_EVENTS} events; this one has {len(lines)}.",
            errors=[{"pointer": "", "detail": "send it in parts"}],
        )
    for number, line in lines:
        event = _read_line(line, number, run_id)
        known = events.setdefault(event.seq, event)
        check_same(known.digest, event)
    return [events[seq] for seq in sorted(events)]


def _read_line(line: bytes, number: int, run_id: str) -> Event:
    try:
        content = read(line, limit=LONGEST_LINE)
        schemas.check(schemas.EVENT, content)
    except Invalid as refusal:
        errors = refusal.facts.get("errors")
        raise Invalid(
            f"Line {number}: {refusal}",
            code=refusal.code,
            line=number,
            errors=errors if isinstance(errors, list) else [],
        ) from None
    if content["run_id"] != run_id:
        raise Invalid(
            f"Line {number} belongs to another run.",
            line=number,
            errors=[{"pointer": "/run_id", "detail": f"is not {run_id}"}],
        )
    return Event(content["seq"], content, digest_of(content))


def check_same(known_digest: str, event: Event) -> None:
    """Refuse another event with a `seq` that is taken."""
    if known_digest != event.digest:
        raise Conflict(
            f"Event {event.seq} is known already, with other content.",
            code="EVENT_CONFLICT",
            seq=event.seq,
        )


def gaps(seqs: list[int], *, after: int) -> list[list[int]]:
    """The ranges of missing numbers between `after` and the last of sorted `seqs`."""
    missing, expected = [], after + 1
    for seq in seqs:
        if seq > expected:
            missing.append([expected, seq - 1])
        expected = max(expected, seq + 1)
    return missing
