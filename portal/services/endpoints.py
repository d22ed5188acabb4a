"""Endpoints: who is told of what, and with which secret."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction

from portal import clock
from portal.domain import webhooks
from portal.domain.addresses import read_url
from portal.domain.encryption import encrypt
from portal.domain.notifications import (
    EndpointAct,
    EndpointKind,
    EndpointState,
    Severity,
    check_patterns,
    endpoint_after,
)
from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.errors import Conflict, Invalid, NotFound, WrongMoment
from portal.models import Actor, Endpoint, Notification
from portal.services import notifications
from portal.services.access import require
from portal.services.ledger import record


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint and its secret, which is never to be had again; "" if it has none."""

    endpoint: Endpoint
    secret: str


@transaction.atomic
def create(
    name: str,
    kind: EndpointKind,
    *,
    by: Actor,
    reason: str,
    target: str = "",
    events: Iterable[str] = ("*",),
    rollout: str = "",
    at_least: Severity = Severity.INFO,
) -> NewSecret:
    """Tell somebody of events from now on."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = Endpoint(kind=kind, created_at=clock.now())
    _set_target(endpoint, target)
    _set_filter(endpoint, name, events, rollout, at_least)
    secret = _new_secret() if kind == EndpointKind.WEBHOOK else ""
    endpoint.secret = _encrypted(secret) if secret else ""
    endpoint.save_as(by, reason=reason)
    record(
        Verb.ENDPOINT_CREATED, endpoint, by=by, reason=reason, **_described(endpoint)
    )
    return NewSecret(endpoint, secret)


@transaction.atomic
def edit(
    endpoint_id: int,
    *,
    by: Actor,
    reason: str,
    name: str | None = None,
    target: str | None = None,
    events: Iterable[str] | None = None,
    rollout: str | None = None,
    at_least: Severity | None = None,
) -> Endpoint:
    """Change what is given; what is already waiting goes to the new address."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = locked(endpoint_id)
    if target is not None:
        _set_target(endpoint, target)
    _set_filter(
        endpoint,
        endpoint.name if name is None else name,
        endpoint.events if events is None else events,
        endpoint.rollout if rollout is None else rollout,
        Severity(endpoint.at_least) if at_least is None else at_least,
    )
    endpoint.save_as(by, reason=reason)
    record(
        Verb.ENDPOINT_EDITED,
        endpoint,
        by=by,
        reason=reason,
        has_new_target=target is not None,
        **_described(endpoint),
    )
    return endpoint


@transaction.atomic
def rotate_secret(endpoint_id: int, *, by: Actor, reason: str) -> NewSecret:
    """Make a new secret; for another day the old one signs as well."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = locked(endpoint_id)
    if endpoint.kind != EndpointKind.WEBHOOK:
        raise WrongMoment("Only a webhook has a secret.", possible=["edit"])
    secret = _new_secret()
    endpoint.old_secret, endpoint.secret = endpoint.secret, _encrypted(secret)
    endpoint.old_secret_until = clock.now() + webhooks.OVERLAP
    endpoint.save_as(by, reason=reason)
    record(
        Verb.ENDPOINT_ROTATED,
        endpoint,
        by=by,
        reason=reason,
        old_secret_until=endpoint.old_secret_until,
    )
    return NewSecret(endpoint, secret)


@transaction.atomic
def disable(endpoint_id: int, *, by: Actor, reason: str) -> Endpoint:
    """Tell it nothing more; what waits for it is dropped."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = locked(endpoint_id)
    endpoint.state = endpoint_after(EndpointState(endpoint.state), EndpointAct.DISABLE)
    endpoint.because = reason[:500]
    endpoint.save_as(by, reason=reason)
    notifications.drop_waiting(endpoint)
    record(Verb.ENDPOINT_DISABLED, endpoint, by=by, reason=reason)
    return endpoint


@transaction.atomic
def enable(endpoint_id: int, *, by: Actor, reason: str) -> Endpoint:
    """Tell it of what happens from now on; what was dropped can be sent again."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = locked(endpoint_id)
    endpoint.state = endpoint_after(EndpointState(endpoint.state), EndpointAct.ENABLE)
    endpoint.because = ""
    endpoint.failures = 0
    endpoint.failing_since = endpoint.rests_until = None
    endpoint.save_as(by, reason=reason)
    record(Verb.ENDPOINT_ENABLED, endpoint, by=by, reason=reason)
    return endpoint


@transaction.atomic
def test(endpoint_id: int, *, by: Actor, reason: str) -> Notification:
    """Send it a message that means nothing, to see whether it arrives."""
    require(by, May.MANAGE_ENDPOINTS)
    endpoint = locked(endpoint_id)
    if endpoint.state != EndpointState.ACTIVE:
        raise WrongMoment(
            "The endpoint is disabled; enable it first.",
            code="ENDPOINT_DISABLED",
            possible=["enable the endpoint"],
        )
    entry = record(Verb.ENDPOINT_TESTED, endpoint, by=by, reason=reason)
    return notifications.test(entry, endpoint)


def find(endpoint_id: int) -> Endpoint:
    """The endpoint, or `NotFound`."""
    found = Endpoint.objects.filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound(f"There is no endpoint {endpoint_id}.")
    return found


def locked(endpoint_id: int) -> Endpoint:
    """The endpoint, held until the end of the transaction."""
    found = (
        Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    )
    if found is None:
        raise NotFound(f"There is no endpoint {endpoint_id}.")
    return found


def _set_target(endpoint: Endpoint, target: str) -> None:
    """Check an address, keep it encrypted, and what may be shown of it in the open."""
    match endpoint.kind:
        case EndpointKind.WEBHOOK | EndpointKind.SLACK:
            read = read_url(target, allowed=settings.WEBHOOK_ALLOWED_HOSTS)
            # A path is often what a chat's secret consists of.
            endpoint.shown = f"{read.scheme}://{read.authority}/…"
        case EndpointKind.EMAIL:
            _check_mail_works()
            try:
                validate_email(target)
            except ValidationError:
                raise _wrong("target", "is no e-mail address") from None
            local, _, domain = target.rpartition("@")
            endpoint.shown = f"{local[0]}…@{domain}"
        case EndpointKind.APPROVERS:
            _check_mail_works()
            if target:
                raise _wrong("target", "is not given: they have their own addresses")
            endpoint.shown = "whoever can confirm"
    endpoint.address = _encrypted(target) if target else ""


def _check_mail_works() -> None:
    if not settings.EMAIL_IS_CONFIGURED:
        raise WrongMoment(
            "The portal has no mail server: the operator names one in EMAIL_URL.",
            code="MAIL_NOT_CONFIGURED",
            possible=["webhook", "slack"],
        )


def _set_filter(
    endpoint: Endpoint,
    name: str,
    events: Iterable[str],
    rollout: str,
    at_least: Severity,
) -> None:
    if Endpoint.objects.filter(name=name).exclude(pk=endpoint.pk).exists():
        raise Conflict(
            f"There is an endpoint {name!r} already.",
            errors=[{"pointer": "/name", "detail": "is taken"}],
        )
    try:
        validate_slug(rollout or "any")
    except ValidationError:
        raise _wrong("rollout", "is the key of a rollout") from None
    endpoint.name = name
    endpoint.events = check_patterns(events, notifications.names())
    endpoint.rollout = rollout
    endpoint.at_least = at_least


def _described(endpoint: Endpoint) -> dict[str, object]:
    return {
        "kind": endpoint.kind,
        "shown": endpoint.shown,
        "events": endpoint.events,
        "rollout": endpoint.rollout,
        "at_least": endpoint.at_least,
    }


def _new_secret() -> str:
    return webhooks.spell(secrets.token_bytes(webhooks.SECRET_BYTES))


def _encrypted(text: str) -> str:
    return encrypt(text, keys=settings.ENCRYPTION_KEYS)


def _wrong(field: str, says: str) -> Invalid:
    return Invalid(
        f"The {field} {says}.", errors=[{"pointer": f"/{field}", "detail": says}]
    )
