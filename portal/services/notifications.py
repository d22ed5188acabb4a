"""Telling endpoints what has happened: published with the act, delivered afterwards.

Every event is a line of the ledger (ADR 18): apps register which verbs are events, and
writing such a line writes its notification and its deliveries in the same transaction.
Deliveries are carried out one at a time for each endpoint, so that a slow one holds up
nobody else; a worker that is killed has its delivery done again, with the same id.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from portal import clock
from portal.domain import notifications as domain
from portal.domain import webhooks
from portal.domain.notifications import (
    DeliveryAct,
    DeliveryState,
    EndpointAct,
    EndpointKind,
    EndpointState,
    Happened,
    Severity,
    delivery_after,
    endpoint_after,
)
from portal.domain.redaction import redact
from portal.domain.roles import May, Role
from portal.domain.verbs import Verb
from portal.domain.webhooks import Verdict
from portal.errors import NotFound, WrongMoment
from portal.models import (
    Actor,
    Delivery,
    DeliveryAttempt,
    Endpoint,
    LedgerEntry,
    Notification,
)
from portal.services import actors, durability, heartbeats, ledger, outbound, sending
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record

DELIVER_JOB = "portal.jobs.deliver_next"
NAME = "deliveries"
EVERY = timedelta(seconds=1)
LATE = timedelta(minutes=5)
TEST_EVENT = "endpoint.tested"


@dataclass(frozen=True, slots=True)
class Place:
    """The rollout that a subject belongs to; a drill's twin is not live."""

    rollout: str = ""
    is_live: bool = True


def _everywhere(subject: Any, details: dict[str, Any]) -> Place:
    return Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a verb of the ledger is called outside, and which of its details go out.

    `place(subject, details)` says where it happened, `waits_for(subject)` the roles
    that can confirm it, and `severity_of(subject)` how much it matters, where that
    differs.
    """

    name: str
    meaning: str
    severity: Severity = Severity.INFO
    facts: tuple[str, ...] = ()
    place: Callable[[Any, dict[str, Any]], Place] = _everywhere
    waits_for: Callable[[Any], Iterable[Role]] = field(default=lambda subject: ())
    severity_of: Callable[[Any], Severity] | None = None


EVENTS: dict[str, Event] = {}


def register(verb: str, event: Event) -> None:
    """Make lines with this verb events; apps do so in their `notifications.py`."""
    EVENTS[str(verb)] = event


def names() -> list[str]:
    """The names of all events."""
    return sorted({event.name for event in EVENTS.values()})


# Publishing, in the transaction of the act


def publish(entry: LedgerEntry, subject: Model, details: dict[str, Any]) -> None:
    """Write down who is told of a line, and that it is to be delivered.

    Called for every line, under the ledger's lock: a line that is no event costs one
    look into a dictionary, one that is costs one query, and more only if it is wanted.
    """
    event = EVENTS.get(str(entry.verb))
    if event is None:
        return
    active = Endpoint.objects.filter(state=EndpointState.ACTIVE)
    told = [each for each in active if each.filter.may_take(event.name)]
    if not told:
        return
    place = event.place(subject, details)
    severity = event.severity_of(subject) if event.severity_of else event.severity
    happened = Happened(event.name, severity, place.rollout, place.is_live)
    roles = [str(role) for role in event.waits_for(subject)]
    wanting = [
        endpoint
        for endpoint in told
        if endpoint.filter.takes(happened)
        and (roles or endpoint.kind != EndpointKind.APPROVERS)
    ]
    if wanting:
        facts = {name: details[name] for name in event.facts if name in details}
        if roles:
            facts["waits_for"] = roles
        _write(entry, happened, facts, wanting, waits_for=roles)


ledger.also_tell(publish)


def _write(
    entry: LedgerEntry,
    happened: Happened,
    facts: dict[str, Any],
    endpoints: Iterable[Endpoint],
    *,
    waits_for: Iterable[str] = (),
) -> Notification:
    body = domain.body_of(
        happened.name,
        entry.at,
        {
            "severity": str(happened.severity),
            "rollout": happened.rollout,
            "is_live": happened.is_live,
            "subject": {"type": entry.subject_type, "id": entry.subject_id},
            "name": entry.subject_name,
            "by": entry.actor_name,
            "reason": entry.reason,
            "seq": entry.seq,
            "facts": facts,
        },
    )
    notification = Notification(
        uuid=entry.uuid,
        entry=entry,
        event=happened.name,
        severity=happened.severity,
        rollout=happened.rollout,
        at=entry.at,
        body=body.decode(),
        waits_for=list(waits_for),
    )
    notification.save()
    now = clock.now()
    for endpoint in endpoints:
        Delivery.objects.create(
            notification=notification, endpoint=endpoint, created_at=now, next_at=now
        )
        _want(endpoint.pk)
    return notification


def _want(endpoint_id: int) -> None:
    enqueue(DELIVER_JOB, once=f"tell endpoint {endpoint_id}", endpoint_id=endpoint_id)


def test(entry: LedgerEntry, endpoint: Endpoint) -> Notification:
    """Tell one endpoint, whatever it wants, that it is tested; a part of an act."""
    return _write(entry, Happened(TEST_EVENT, Severity.INFO), {}, [endpoint])


# Delivering, by the worker


def sweep() -> None:
    """Want the deliveries that are due again; in the relay, every second."""
    heartbeats.beat(NAME)
    now = clock.now()
    due = Delivery.objects.filter(
        endpoint=OuterRef("pk"), state=DeliveryState.WAITING, next_at__lte=now
    )
    awake = Q(rests_until=None) | Q(rests_until__lte=now)
    for pk in (
        Endpoint.objects.filter(awake, Exists(due), state=EndpointState.ACTIVE)
        .order_by()
        .values_list("pk", flat=True)
    ):
        _want(pk)


@transaction.atomic
def deliver_next(
    endpoint_id: int, *, resolve: outbound.Resolve = outbound.resolve
) -> Delivery | None:
    """Tell an endpoint what it has waited for the longest; the delivery, if any.

    The delivery is locked meanwhile and nothing else: other workers pass it by, and an
    endpoint can be edited or disabled while it is spoken to.
    """
    now = clock.now()
    endpoint = Endpoint.objects.get(pk=endpoint_id)
    if endpoint.state != EndpointState.ACTIVE:
        return None
    if endpoint.rests_until and endpoint.rests_until > now:
        return None
    delivery = (
        _due(endpoint, now)
        .select_for_update(of=["self"], skip_locked=True, no_key=True)
        .select_related("notification__entry__actor")
        .first()
    )
    if delivery is None:
        return None
    durability.flush()  # the delivery may be newer than this job
    started = time.monotonic()
    outcome = sending.send(endpoint, delivery.notification, now=now, resolve=resolve)
    took = time.monotonic() - started
    _settle(delivery, outcome, took_ms=int(took * 1000))
    return delivery


def _due(endpoint: Endpoint, now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        endpoint=endpoint, state=DeliveryState.WAITING, next_at__lte=now
    ).order_by("next_at", "pk")


def _settle(delivery: Delivery, outcome: sending.Outcome, *, took_ms: int) -> None:
    """Write down what came of an attempt, and what follows."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(
        pk=delivery.endpoint_id
    )
    now = clock.now()
    delivery.attempts += 1
    delivery.tries += 1
    delivery.status, delivery.says = outcome.status, redact(outcome.says)[:500]
    DeliveryAttempt.objects.create(
        delivery=delivery,
        number=delivery.attempts,
        at=now,
        took_ms=took_ms,
        status=delivery.status,
        says=delivery.says,
    )
    match outcome.verdict:
        case Verdict.DELIVERED:
            _end(delivery, DeliveryAct.ARRIVE)
            _note_success(endpoint)
        case Verdict.NOBODY:
            _end(delivery, DeliveryAct.GIVE_UP)
        case Verdict.GONE:
            _end(delivery, DeliveryAct.GIVE_UP)
            _note_failure(endpoint, outcome, now=now)
            _fail(endpoint, "It says that it is gone (410).")
        case Verdict.FAILED:
            _plan_next(delivery, endpoint, outcome, now=now)
            _note_failure(endpoint, outcome, now=now)
            if webhooks.is_given_up(endpoint.failing_since, now=now):
                days = webhooks.DISABLE_AFTER.days
                _fail(endpoint, f"Nothing has arrived for {days} days.")
    delivery.save()
    if endpoint.rests_until is None and _due(endpoint, now).exists():
        enqueue(
            DELIVER_JOB,
            once=f"tell endpoint {endpoint.pk} after {delivery.pk}.{delivery.attempts}",
            endpoint_id=endpoint.pk,
        )


def _end(delivery: Delivery, act: DeliveryAct) -> None:
    delivery.state = delivery_after(DeliveryState(delivery.state), act)
    delivery.next_at, delivery.finished_at = None, clock.now()


def _plan_next(
    delivery: Delivery, endpoint: Endpoint, outcome: sending.Outcome, *, now: datetime
) -> None:
    wait = webhooks.wait_after(
        delivery.tries, chance=random.random(), retry_after=outcome.retry_after
    )
    if endpoint.state != EndpointState.ACTIVE:
        _end(delivery, DeliveryAct.DROP)
    elif wait is None:
        _end(delivery, DeliveryAct.GIVE_UP)
    else:
        delivery.next_at = now + wait


def _note_success(endpoint: Endpoint) -> None:
    if endpoint.failures:
        endpoint.failures = 0
        endpoint.failing_since = endpoint.rests_until = None
        endpoint.save(update_fields=["failures", "failing_since", "rests_until"])


def _note_failure(
    endpoint: Endpoint, outcome: sending.Outcome, *, now: datetime
) -> None:
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.rests_until = now + webhooks.rest_after(
        endpoint.failures, retry_after=outcome.retry_after
    )
    endpoint.save(update_fields=["failures", "failing_since", "rests_until"])


def _fail(endpoint: Endpoint, because: str) -> None:
    """Disable an endpoint that cannot be reached; others are told, and the page."""
    if endpoint.state != EndpointState.ACTIVE:
        return
    system = actors.system()
    endpoint.state = endpoint_after(EndpointState.ACTIVE, EndpointAct.FAIL)
    endpoint.because = because
    endpoint.save_as(system, reason=because)
    drop_waiting(endpoint)
    record(
        Verb.ENDPOINT_FAILED,
        endpoint,
        by=system,
        reason=because,
        kind=endpoint.kind,
        failures=endpoint.failures,
    )


def drop_waiting(endpoint: Endpoint) -> None:
    """End what waits for an endpoint, but for what is under way; a part of acts."""
    waiting = Delivery.objects.select_for_update(skip_locked=True, no_key=True).filter(
        endpoint=endpoint, state=DeliveryState.WAITING
    )
    Delivery.objects.filter(pk__in=list(waiting.values_list("pk", flat=True))).update(
        state=delivery_after(DeliveryState.WAITING, DeliveryAct.DROP),
        next_at=None,
        finished_at=clock.now(),
        says="The endpoint was disabled.",
    )


@transaction.atomic
def redeliver(delivery_id: int, *, by: Actor, reason: str) -> Delivery:
    """Send something again, now and as often as the first time, with the same id."""
    delivery = (
        Delivery.objects.select_for_update(of=["self"], no_key=True)
        .select_related("notification", "endpoint")
        .filter(pk=delivery_id)
        .first()
    )
    if delivery is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    require(by, May.REDELIVER, rollout=delivery.notification.rollout)
    if delivery.endpoint.state != EndpointState.ACTIVE:
        raise WrongMoment(
            "The endpoint is disabled; enable it first.",
            code="ENDPOINT_DISABLED",
            possible=["enable the endpoint"],
        )
    delivery.state = delivery_after(
        DeliveryState(delivery.state), DeliveryAct.REDELIVER
    )
    delivery.tries = 0
    delivery.next_at, delivery.finished_at = clock.now(), None
    delivery.save()
    record(
        Verb.DELIVERY_REPEATED,
        delivery,
        by=by,
        reason=reason,
        endpoint=delivery.endpoint.name,
        event=delivery.notification.event,
        webhook_id=delivery.notification.uuid,
    )
    _want(delivery.endpoint_id)
    return delivery


def late() -> int:
    """How many deliveries have waited for more than five minutes; counted to 1,000."""
    waiting = Delivery.objects.filter(
        state=DeliveryState.WAITING, created_at__lt=clock.now() - LATE
    )
    return len(waiting.order_by("created_at").values_list("pk", flat=True)[:1000])
