"""One attempt to tell an endpoint, in the form that it takes."""

import json
import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage

from portal.domain import addresses, webhooks
from portal.domain.encryption import decrypt
from portal.domain.notifications import EndpointKind, for_people, for_slack, headline
from portal.domain.webhooks import Verdict
from portal.errors import Refusal
from portal.models import Endpoint, Notification, Person
from portal.services import outbound

USER_AGENT = "Rollout-Governance-Portal"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    verdict: Verdict
    says: str = ""
    status: int | None = None
    retry_after: timedelta | None = None


def send(
    endpoint: Endpoint,
    notification: Notification,
    *,
    now: datetime,
    resolve: outbound.Resolve = outbound.resolve,
) -> Outcome:
    """Try once; whatever goes wrong is an outcome, not an error."""
    try:
        if endpoint.kind in (EndpointKind.EMAIL, EndpointKind.APPROVERS):
            return _mail(endpoint, notification)
        return _post(endpoint, notification, now=now, resolve=resolve)
    except Refusal as refusal:
        return Outcome(Verdict.FAILED, f"{refusal.code}: {refusal}")
    except outbound.Unreached as error:
        return Outcome(Verdict.FAILED, str(error))
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(Verdict.FAILED, f"{type(error).__name__}: {error}")


def _post(
    endpoint: Endpoint,
    notification: Notification,
    *,
    now: datetime,
    resolve: outbound.Resolve,
) -> Outcome:
    url = decrypt(endpoint.address, keys=settings.ENCRYPTION_KEYS)
    target = addresses.read_url(url, allowed=settings.WEBHOOK_ALLOWED_HOSTS)
    body = notification.body.encode()
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
    if endpoint.kind == EndpointKind.WEBHOOK:
        headers |= webhooks.headers(
            secrets_of(endpoint, now=now), str(notification.uuid), now, body
        )
    else:
        body = for_slack(notification.event, _data_of(notification))
    answer = outbound.post(
        target,
        body,
        headers,
        resolve=resolve,
        limit_s=settings.WEBHOOK_TIMEOUT_SECONDS,
    )
    return Outcome(
        webhooks.verdict_on(answer.status),
        answer.excerpt,
        answer.status,
        webhooks.read_retry_after(answer.retry_after, now=now),
    )


def secrets_of(endpoint: Endpoint, *, now: datetime) -> list[str]:
    """The secrets that sign now: the newest, and for a while the one before it."""
    kept = [endpoint.secret]
    if endpoint.old_secret_until is not None and endpoint.old_secret_until > now:
        kept.append(endpoint.old_secret)
    return [decrypt(each, keys=settings.ENCRYPTION_KEYS) for each in kept]


def _mail(endpoint: Endpoint, notification: Notification) -> Outcome:
    """One message for everybody; who else gets it is nobody's business."""
    recipients = (
        [decrypt(endpoint.address, keys=settings.ENCRYPTION_KEYS)]
        if endpoint.kind == EndpointKind.EMAIL
        else _who_can_confirm(notification)
    )
    if not recipients:
        return Outcome(
            Verdict.NOBODY, "Nobody who can confirm this has an e-mail address."
        )
    data = _data_of(notification)
    EmailMessage(
        headline(notification.event, data),
        for_people(notification.event, data),
        bcc=recipients,
        headers={"Message-ID": f"<{notification.uuid}.{endpoint.pk}@portal>"},
    ).send()
    return Outcome(Verdict.DELIVERED, f"handed over for {len(recipients)}")


def _who_can_confirm(notification: Notification) -> list[str]:
    """The addresses of those who can confirm it: with the role, and not who asked."""
    asker = notification.entry.actor.person_behind
    found = (
        Person.objects.filter(
            is_active=True,
            role_grants__role__in=notification.waits_for,
            role_grants__revoked_at=None,
        )
        .exclude(email="")
        .exclude(pk=asker.pk if asker else None)
    )
    return sorted(set(found.values_list("email", flat=True)))


def _data_of(notification: Notification) -> dict[str, object]:
    data: dict[str, object] = json.loads(notification.body)["data"]
    return data
