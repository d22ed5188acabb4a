"""Boxes on the start page about what every part shares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from portal.admin.approvals import may_confirm
from portal.dashboard import Panel, register
from portal.domain.approvals import ApprovalState
from portal.domain.notifications import EndpointState
from portal.domain.verbs import Verb
from portal.models import Actor, Approval, Endpoint, LedgerEntry
from portal.services import health, notifications
from portal.sessions import actor_of
from portal.since import LOOKED_AT, ROUTINE


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person: where it leads, and what it is about."""

    url: str
    title: str
    says: str


SHOWN_LINES = 10
FIRST_VISITS = 3  # to which the start page explains itself
MOST_NEEDS = 50
# What else waits for somebody; apps add theirs, and name the requests that they show.
NEEDS: list[Callable[[Actor], Iterable[Need]]] = []
# What is not well now, whoever looks; apps add theirs.
TROUBLES: list[Callable[[HttpRequest], Iterable[Need]]] = []
SHOWN_BY_APPS: set[str] = set()


def first_visit(request: HttpRequest) -> dict[str, Any]:
    """A minute's walk through the page, for whoever is here for the first times."""
    visits = LedgerEntry.objects.filter(
        actor=actor_of(request), verb=Verb.PERSON_SIGNED_IN
    )
    return {"is_new": len(visits.order_by("-seq")[: FIRST_VISITS + 1]) <= FIRST_VISITS}


def waiting_for_me(request: HttpRequest) -> dict[str, Any]:
    """What this person could confirm, or go on with."""
    actor = actor_of(request)
    return {"needs": [need for source in NEEDS for need in source(actor)]}


def requests_of_others(actor: Actor) -> list[Need]:
    """Requests that this person could confirm."""
    pending = Approval.objects.filter(state=ApprovalState.PENDING).exclude(
        act__in=SHOWN_BY_APPS
    )
    return [
        Need(
            url=reverse("admin:portal_approval_change", args=[approval.pk]),
            title=f"{approval.title} · {approval.subject_name}",
            says=f"{approval.requester} asks: {approval.reason}",
        )
        for approval in pending.select_related("requester")[:MOST_NEEDS]
        if may_confirm(approval, actor)
    ]


def last_lines(request: HttpRequest) -> dict[str, Any]:
    """What happened last, without what happens all the time."""
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
    lately = LedgerEntry.objects.filter(seq__gt=(newest or 0) - LOOKED_AT)
    return {"lines": lately.exclude(verb__in=ROUTINE).order_by("-seq")[:SHOWN_LINES]}


def parts(request: HttpRequest) -> dict[str, Any]:
    """Whether every part of the portal is alive."""
    found = _findings(request)
    return {
        "findings": found,
        "is_well": all(finding.is_well for finding in found.values()),
    }


def _findings(request: HttpRequest) -> dict[str, health.Finding]:
    """Looked at once, though two boxes tell of it."""
    if not hasattr(request, "_findings"):
        request._findings = health.findings()
    return request._findings


def parts_that_are_not_well(request: HttpRequest) -> list[Need]:
    """In one line, which leads to the box that names them."""
    ill = sum(not finding.is_well for finding in _findings(request).values())
    parts = f"{ill} part{'s' if ill > 1 else ''} of the portal"
    says = f"{parts} {'are' if ill > 1 else 'is'} not alive"
    return [Need("#parts", says, "")] if ill else []


def told(request: HttpRequest) -> dict[str, Any]:
    """Whether those who want to know are told."""
    known = list(Endpoint.objects.order_by("name")[:MOST_NEEDS])
    late = notifications.late()
    failed = [each for each in known if each.state == EndpointState.FAILED]
    return {
        "active": [each for each in known if each.state == EndpointState.ACTIVE],
        "failed": failed,
        "late": late,
        "is_known": bool(known),
        "is_well": not late and not failed,
    }


def nobody_is_told(request: HttpRequest) -> list[Need]:
    """Whoever counts on being woken would wait in vain."""
    if Endpoint.objects.exclude(state=EndpointState.DISABLED).exists():
        return []
    return [Need("#told", "Nobody is told of anything by itself", "")]


NEEDS.append(requests_of_others)
TROUBLES.append(nobody_is_told)
TROUBLES.append(parts_that_are_not_well)
register(Panel(12, "portal/panels/waiting_for_me.html", waiting_for_me, width="wide"))
register(Panel(14, "portal/panels/first_visit.html", first_visit, width="full"))
register(Panel(50, "portal/panels/parts.html", parts))
register(Panel(55, "portal/panels/told.html", told))
register(Panel(60, "portal/panels/last_lines.html", last_lines, width="full"))
