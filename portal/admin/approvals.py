"""Requests that take a second person."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.admin.acts import Act, Shown
from portal.admin.governed import GovernedAdmin
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May, roles_that
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import may


@dataclass(frozen=True, slots=True)
class Explained:
    """What whoever decides on a request reads: what it does, and what has a say in it.

    `effects` are sentences, which are kept when it is decided; `about` is shown for as
    long as it is not.
    """

    effects: Callable[[Approval], Iterable[str]]
    about: Callable[[Approval], Shown | None] = lambda approval: None


EXPLAINED: dict[str, Explained] = {}


def explain(act: str, explained: Explained) -> None:
    """Have the requests of an act told in words; apps do so beside their own pages."""
    EXPLAINED[act] = explained
    approvals.also_explain(act, explained.effects)


def _confirm(approval: Approval, actor: Actor, said: dict[str, Any]) -> str:
    approvals.confirm(approval.pk, by=actor, reason=said["reason"])
    return f"Confirmed and done: {approval.title} ({approval.subject_name})."


def _reject(approval: Approval, actor: Actor, said: dict[str, Any]) -> str:
    approvals.reject(approval.pk, by=actor, reason=said["reason"])
    return "Rejected; nothing was changed."


def _withdraw(approval: Approval, actor: Actor, said: dict[str, Any]) -> str:
    approvals.withdraw(approval.pk, by=actor, reason=said["reason"])
    return "Withdrawn; nothing was changed."


def may_confirm(approval: Approval, actor: Actor) -> bool:
    """Whether this person could confirm this request."""
    known = approvals.APPROVABLES.get(approval.act)
    return (
        approval.state == ApprovalState.PENDING
        and known is not None
        and may(actor, known.confirm)
        and actor.person_behind is not None
        and approval.requester_person_id != actor.person_behind.pk
    )


def _is_own(approval: Approval, actor: Actor) -> bool:
    person = actor.person_behind
    return (
        approval.state == ApprovalState.PENDING
        and person is not None
        and approval.requester_person_id == person.pk
    )


def _told(approval: Approval) -> list[str]:
    """What is asked for, in sentences, or as data where nobody explains it."""
    said = approvals.told(approval)
    if said or not approval.payload:
        return said
    return [f"As data: {json.dumps(approval.payload, ensure_ascii=False)}"]


def _about(approval: Approval) -> Shown | None:
    known = EXPLAINED.get(approval.act)
    is_open = approval.state == ApprovalState.PENDING
    return known.about(approval) if known and is_open else None


def _effects(approval: Approval) -> list[str]:
    return [
        f"This does: {approval.title} ({approval.subject_name}).",
        *_told(approval),
        f"{approval.requester} asked for it: {approval.reason}",
        "It is done at once, in both your names.",
    ]


def takes_two(act: str, subject: Model) -> list[str]:
    """What to know before one asks for an act that another person has to confirm."""
    known = approvals.APPROVABLES[act]
    roles = " or ".join(roles_that(known.confirm))
    hours = int(known.valid_for.total_seconds() / 3600)
    said = [
        f"Nothing changes until another person ({roles}) has confirmed it, within "
        f"{hours} hours."
    ]
    waiting = Approval.objects.filter(
        act=act,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        state=ApprovalState.PENDING,
    ).select_related("requester")
    said += [
        f"The request of {each.requester}, which still waits, is replaced by yours."
        for each in waiting
    ]
    return said


@admin.register(Approval)
class ApprovalAdmin(GovernedAdmin):
    """What somebody asked for, and what became of it."""

    list_display = [
        "title",
        "subject_name",
        "state",
        "reason",
        "requester",
        "requested_at",
        "decider",
        "expires_at",
    ]
    list_display_links = ["title"]
    list_filter = ["state", "act"]
    search_fields = ["subject_name", "reason", "requester__name"]
    empty_says = "Nobody has asked for anything that takes a second person."
    list_select_related = ["requester", "decider"]
    fields = [
        "title",
        "subject_link",
        "state",
        "asked_for",
        "reason",
        "requester",
        "requested_at",
        "expires_at",
        "decider",
        "decided_at",
        "decision_reason",
        "looked_at",
        "rests_on",
        "digest",
    ]
    readonly_fields = ["subject_link", "asked_for", "looked_at", "rests_on"]
    acts = (
        Act(
            name="confirm",
            title="Confirm",
            may=May.READ,
            perform=_confirm,
            needs_password=True,
            hidden=lambda approval, actor: not may_confirm(approval, actor),
            effects=_effects,
            about=_about,
        ),
        Act(
            name="reject",
            title="Reject",
            may=May.READ,
            perform=_reject,
            is_dangerous=True,
            hidden=lambda approval, actor: not may_confirm(approval, actor),
            effects=lambda approval: [
                "Nothing is changed; the requester sees why.",
                *_told(approval),
                f"{approval.requester} asked for it: {approval.reason}",
            ],
        ),
        Act(
            name="withdraw",
            title="Withdraw",
            may=May.READ,
            perform=_withdraw,
            hidden=lambda approval, actor: not _is_own(approval, actor),
            effects=lambda approval: ["Nothing is changed."],
        ),
    )

    @admin.display(description="to")
    def subject_link(self, approval: Approval) -> str:
        name = f"admin:{approval.subject_type.replace('.', '_')}_change"
        page = reverse(name, args=[approval.subject_id])
        return format_html('<a href="{}">{}</a>', page, approval.subject_name)

    @admin.display(description="asked for")
    def asked_for(self, approval: Approval) -> SafeString:
        told = ((sentence,) for sentence in _told(approval))
        return format_html_join("", "<p>{}</p>", told)

    @admin.display(description="what has a say in it now")
    def looked_at(self, approval: Approval) -> str | None:
        about = _about(approval)
        return about and render_to_string(about.template, {"data": about.data})

    @admin.display(description="rests on")
    def rests_on(self, approval: Approval) -> str:
        base = json.dumps(approval.base, indent=2)
        return format_html(
            "<details><summary>As data</summary><pre>{}</pre></details>", base
        )
