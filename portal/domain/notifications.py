"""What is told to whom: events, their weight, filters, and the words they are sent in.

A message is small and stable: `type`, `timestamp`, `data`. Its `data` names what it is
about and a few facts; whoever wants more asks the API.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from portal.domain.canonical import canonical
from portal.domain.redaction import redact, redact_value
from portal.errors import Invalid, WrongMoment

LONGEST_TEXT = 500
MOST_ITEMS = 20
LARGEST_BODY = 8 * 1024
MOST_PATTERNS = 50

_PATTERN = re.compile(r"(?:\*|[a-z_]+\.(?:\*|[a-z_]+))\Z")


class Severity(StrEnum):
    """How much an event matters to somebody who is asleep."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class EndpointKind(StrEnum):
    """In which form an endpoint is told."""

    WEBHOOK = "webhook"  # Standard Webhooks: JSON, signed
    SLACK = "slack"  # what Slack and those like it take: {"text": …}
    EMAIL = "email"  # one address
    APPROVERS = "approvers"  # e-mail to whoever can confirm what was asked for


class EndpointState(StrEnum):
    """Whether an endpoint is told anything."""

    ACTIVE = "active"
    DISABLED = "disabled"  # by hand
    FAILED = "failed"  # it was away for days, or said that it is gone


class EndpointAct(StrEnum):
    """What can happen to an endpoint."""

    DISABLE = "disable"
    FAIL = "fail"
    ENABLE = "enable"


ENDPOINT_MOVES = {
    (EndpointState.ACTIVE, EndpointAct.DISABLE): EndpointState.DISABLED,
    (EndpointState.ACTIVE, EndpointAct.FAIL): EndpointState.FAILED,
    (EndpointState.FAILED, EndpointAct.DISABLE): EndpointState.DISABLED,
    (EndpointState.DISABLED, EndpointAct.ENABLE): EndpointState.ACTIVE,
    (EndpointState.FAILED, EndpointAct.ENABLE): EndpointState.ACTIVE,
}


class DeliveryState(StrEnum):
    """Where the delivery of a notification to an endpoint is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # the endpoint was disabled meanwhile


class DeliveryAct(StrEnum):
    """What can happen to a delivery."""

    ARRIVE = "arrive"
    GIVE_UP = "give_up"
    DROP = "drop"
    REDELIVER = "redeliver"


DELIVERY_MOVES = {
    (DeliveryState.WAITING, DeliveryAct.ARRIVE): DeliveryState.DELIVERED,
    (DeliveryState.WAITING, DeliveryAct.GIVE_UP): DeliveryState.GIVEN_UP,
    (DeliveryState.WAITING, DeliveryAct.DROP): DeliveryState.DROPPED,
    (DeliveryState.DELIVERED, DeliveryAct.REDELIVER): DeliveryState.WAITING,
    (DeliveryState.GIVEN_UP, DeliveryAct.REDELIVER): DeliveryState.WAITING,
    (DeliveryState.DROPPED, DeliveryAct.REDELIVER): DeliveryState.WAITING,
}


def endpoint_after(state: EndpointState, act: EndpointAct) -> EndpointState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return ENDPOINT_MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"An endpoint that is {state} cannot {act}.",
            state=str(state),
            possible=[str(each) for found, each in ENDPOINT_MOVES if found == state],
        ) from None


def delivery_after(state: DeliveryState, act: DeliveryAct) -> DeliveryState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return DELIVERY_MOVES[state, act]
    except KeyError:
        raise WrongMoment(
            f"A delivery that is {state.replace('_', ' ')} cannot {act}.",
            state=str(state),
            possible=[str(each) for found, each in DELIVERY_MOVES if found == state],
        ) from None


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, as far as filters look at it."""

    name: str
    severity: Severity
    rollout: str = ""  # the key of the rollout that it is about, if it is about one
    is_live: bool = True  # False: about a drill's twin, which governs nothing real


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events an endpoint wants to be told of."""

    patterns: tuple[str, ...]
    rollout: str = ""  # this rollout only; "": any that is live
    at_least: Severity = Severity.INFO

    def may_take(self, name: str) -> bool:
        """Whether events of this name are wanted at all."""
        return any(matches(pattern, name) for pattern in self.patterns)

    def takes(self, event: Happened) -> bool:
        """Whether this event is wanted."""
        ranks = list(Severity)
        return (
            self.may_take(event.name)
            and ranks.index(event.severity) >= ranks.index(self.at_least)
            and self.rollout in ("", event.rollout)
            and (event.is_live or self.rollout == event.rollout)
        )


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern (`*`, `stage.*`, `stage.held`) means an event."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def check_patterns(patterns: Iterable[str], known: Collection[str]) -> list[str]:
    """The patterns, sorted; refuses those that no event could ever match."""
    wanted = sorted(set(patterns))
    wrong = [
        each
        for each in wanted
        if not _PATTERN.match(each) or not any(matches(each, name) for name in known)
    ]
    if not wanted or wrong or len(wanted) > MOST_PATTERNS:
        says = f"{wrong[0]!r} matches no event. " if wrong else ""
        raise Invalid(
            f"{says}Events are named by *, by family (stage.*) or one by one: "
            f"{', '.join(sorted(known))}.",
            errors=[{"pointer": "/events", "detail": "matches no event"}],
        )
    return wanted


def body_of(name: str, at: datetime, data: Mapping[str, object]) -> bytes:
    """The message as it is signed and sent: canonical JSON without secrets.

    Long texts and lists are cut; what is too large even so loses its facts.
    """
    short = {key: _cut(value) for key, value in data.items()}
    said = {
        "type": name,
        "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "data": redact_value(short),
    }
    body = canonical(said)
    if len(body) > LARGEST_BODY:
        said["data"] = redact_value({**short, "facts": {}})
        body = canonical(said)
    return body


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[: LONGEST_TEXT - 1]}…"
    if isinstance(value, dict):
        kept = list(value.items())[:MOST_ITEMS]
        return {key: _cut(item) for key, item in kept}
    if isinstance(value, list):
        return [_cut(item) for item in value[:MOST_ITEMS]]
    return value


MARKS = {Severity.INFO: "●", Severity.WARNING: "▲", Severity.CRITICAL: "■"}


def headline(name: str, data: Mapping[str, object]) -> str:
    """One line for people: what happened, to what."""
    severity = Severity(str(data.get("severity", Severity.INFO)))
    rollout = f" · {data['rollout']}" if data.get("rollout") else ""
    line = f"{MARKS[severity]} {name}: {data.get('name', '')}{rollout}"
    return " ".join(redact(line).split())[:200]


def for_people(name: str, data: Mapping[str, object]) -> str:
    """The same as a few lines of plain text."""
    facts = data.get("facts")
    rows = [
        headline(name, data),
        "",
        f"{data.get('by', '')}: {data.get('reason', '')}",
        *(
            f"{key.replace('_', ' ')}: {value}"
            for key, value in (facts.items() if isinstance(facts, dict) else ())
        ),
        "",
        f"Line {data.get('seq', '')} of the ledger.",
    ]
    return redact("\n".join(rows))


def for_slack(name: str, data: Mapping[str, object]) -> bytes:
    """The same for Slack and those like it; nothing in it is a link or a mention."""
    text = for_people(name, data)
    for mark, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, escaped)
    return canonical({"text": text})
