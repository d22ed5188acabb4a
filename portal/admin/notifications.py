"""What endpoints were told, and how that went."""

import json
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from portal.admin.acts import Act
from portal.admin.governed import GovernedAdmin
from portal.domain.notifications import DeliveryState, EndpointState
from portal.domain.roles import May
from portal.models import Actor, Delivery, Notification
from portal.services import notifications

MOST_ATTEMPTS = 50


def _redeliver(delivery: Delivery, actor: Actor, said: dict[str, Any]) -> str:
    notifications.redeliver(delivery.pk, by=actor, reason=said["reason"])
    return "It is sent again, with the same id."


def _cannot_redeliver(delivery: Delivery, actor: Actor) -> bool:
    is_off = delivery.endpoint.state != EndpointState.ACTIVE
    return is_off or delivery.state == DeliveryState.WAITING


@admin.register(Delivery)
class DeliveryAdmin(GovernedAdmin):
    """One notification for one endpoint."""

    list_display = [
        "id",
        "event",
        "endpoint",
        "state",
        "attempts",
        "created_at",
        "next_at",
        "status",
        "says",
    ]
    list_filter = ["state", "endpoint"]
    search_fields = ["=notification__uuid", "notification__event"]
    search_help_text = "The webhook-id, or an event."
    list_select_related = ["notification", "endpoint"]
    empty_says = "Nobody was told of anything yet."
    fields = [
        "event",
        "endpoint",
        "state",
        "message",
        "attempts",
        "created_at",
        "next_at",
        "finished_at",
        "status",
        "says",
        "attempts_made",
    ]
    readonly_fields = ["event", "message", "attempts_made"]
    acts = (
        Act(
            name="redeliver",
            title="Deliver again",
            may=May.REDELIVER,
            perform=_redeliver,
            hidden=_cannot_redeliver,
            effects=lambda delivery: [
                "It is sent at once, and tried as often as the first time.",
                "It has the same webhook-id: a receiver that has seen it drops it.",
            ],
        ),
    )

    @admin.display(description="event")
    def event(self, delivery: Delivery) -> str:
        return delivery.notification.event

    @admin.display(description="message")
    def message(self, delivery: Delivery) -> str:
        said = json.loads(delivery.notification.body)
        return format_html("<pre>{}</pre>", json.dumps(said, indent=2))

    @admin.display(description="log")
    def attempts_made(self, delivery: Delivery) -> str:
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{} ms</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    a.number,
                    f"{a.at:%Y-%m-%d %H:%M:%S}",
                    a.took_ms,
                    a.status or "",
                    a.says,
                )
                for a in delivery.log.all()[:MOST_ATTEMPTS]
            ),
        )
        return format_html(
            "<table><thead><tr><th>attempt</th><th>at (UTC)</th><th>took</th>"
            "<th>status</th><th>says</th></tr></thead><tbody>{}</tbody></table>",
            rows,
        )


@admin.register(Notification)
class NotificationAdmin(GovernedAdmin):
    """A line of the ledger that somebody is told of."""

    list_display = ["uuid", "at", "event", "severity", "rollout"]
    list_filter = ["severity", "at"]
    search_fields = ["=uuid", "event"]
    empty_says = "Nothing has happened yet that somebody wants to know."
    fields = ["uuid", "entry", "at", "event", "severity", "rollout", "message"]
    readonly_fields = ["message"]

    @admin.display(description="message")
    def message(self, notification: Notification) -> str:
        said = json.loads(notification.body)
        return format_html("<pre>{}</pre>", json.dumps(said, indent=2))
