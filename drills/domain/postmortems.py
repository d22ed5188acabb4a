"""The draft of a postmortem: everything that is known, in the order of a text."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drills.domain.durations import Span

LONGEST = 100_000
MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    who: str
    says: str
    count: int = 1
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a draft is made of; each step is a text with what was found."""

    number: int
    title: str
    severity: int
    cause: str
    symptom: str
    action: str
    links: tuple[str, ...]
    spans: dict[Span, float | None]
    timeline: tuple[Moment, ...]
    steps: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]


def draft(story: Story) -> str:
    """The text that people go on from: facts filled in, judgements left open."""
    parts = [
        f"# Postmortem of incident {story.number}: {story.title}",
        f"Severity {story.severity}. Cause: {story.cause}.",
        "## What happened",
        "_Two or three sentences for somebody who was not there._",
        "## Who was affected",
        _list(story.links) or "_Nothing is linked._",
        "## How long it took",
        _list(_span(span, took) for span, took in story.spans.items()),
        "## Timeline",
        _list(map(_moment, story.timeline)),
        "## Diagnosis",
        _list(f"{step} — {found}" for step, found in story.steps)
        or "_No row of the matrix matched; which one would have helped?_",
        "## Why it happened",
        "_The causes behind the cause; no names._",
        "## What went well, what did not",
        f"Expected: {story.symptom or 'nothing known'}. "
        f"Planned answer: {story.action or 'none'}",
        "_Did the matrix row fit? What was missing?_",
        "## Actions",
        _list(story.tasks) or "_None so far. Give each an owner and a date as a task._",
    ]
    return "\n\n".join(parts) + "\n"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _span(span: Span, took: float | None) -> str:
    said = "not reached" if took is None else f"{took:.0f} s"
    return f"to {span}: {said}"


def _moment(each: Moment) -> str:
    line = f"{each.at:%Y-%m-%d %H:%M:%S} UTC, {each.who}: {' '.join(each.says.split())}"
    if each.count > 1 and each.last_at is not None:
        line += f" ({each.count} times, until {each.last_at:%H:%M:%S})"
    return line
