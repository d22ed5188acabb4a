"""Boxes on the start page about what every part shares."""

from typing import Any

from django.http import HttpRequest

from portal.admin.approvals import may_confirm, title_of
from portal.dashboard import Panel, register
from portal.domain.approvals import ApprovalState
from portal.models import Approval, LedgerEntry
from portal.services import health
from portal.sessions import actor_of

SHOWN_LINES = 10
LOOKED_AT = 5000  # lines; so that a quiet past costs nothing
ROUTINE: set[str] = set()  # verbs that tell no story; apps add theirs


def waiting_for_me(request: HttpRequest) -> dict[str, Any]:
    """Requests that this person could confirm."""
    actor = actor_of(request)
    pending = Approval.objects.filter(state=ApprovalState.PENDING).select_related(
        "requester"
    )[:50]
    return {
        "approvals": [
            {"approval": approval, "title": title_of(approval)}
            for approval in pending
            if may_confirm(approval, actor)
        ]
    }


def last_lines(request: HttpRequest) -> dict[str, Any]:
    """What happened last, without what happens all the time."""
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
    lately = LedgerEntry.objects.filter(seq__gt=(newest or 0) - LOOKED_AT)
    return {"lines": lately.exclude(verb__in=ROUTINE).order_by("-seq")[:SHOWN_LINES]}


def parts(request: HttpRequest) -> dict[str, Any]:
    """Whether every part of the portal is alive."""
    found = health.findings()
    return {
        "findings": found,
        "is_well": all(finding.is_well for finding in found.values()),
    }


register(Panel(40, "portal/panels/waiting_for_me.html", waiting_for_me, width="wide"))
register(Panel(50, "portal/panels/parts.html", parts))
register(Panel(60, "portal/panels/last_lines.html", last_lines, width="full"))
