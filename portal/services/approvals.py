"""Requests that take a second person: ask, confirm, reject, withdraw."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model

from portal import clock
from portal.domain.approvals import (
    VALID_FOR,
    Act,
    ApprovalState,
    after,
    check_another_person,
    check_unchanged,
    has_lapsed,
)
from portal.domain.canonical import digest_of
from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services.access import require, require_password
from portal.services.ledger import record


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvable:
    """An act that one person asks for and another confirms.

    `subject` locks and returns the row that it is done to; `base` says what the
    request rests on (if that changes, the request is stale); `apply` does it, and
    `reject` what follows a no, within the transaction of the confirmation or the no.
    """

    act: str
    title: str
    ask: May
    confirm: May
    subject: Callable[[str], Model]
    base: Callable[[Any], dict[str, object]]
    apply: Callable[..., None]
    check: Callable[[Any, dict[str, object]], None] = lambda subject, payload: None
    rollout_of: Callable[[Any], str | None] = lambda subject: None
    valid_for: timedelta = VALID_FOR
    reject: Callable[..., None] = lambda subject, *, by, reason: None


APPROVABLES: dict[str, Approvable] = {}

# How a request is told to whoever decides on it: sentences about what it does, now.
Explanation = Callable[[Approval], Iterable[str]]
_explanations: dict[str, Explanation] = {}


def also_explain(act: str, explanation: Explanation) -> None:
    """Have the requests of an act keep what was told of them when they were decided."""
    _explanations[act] = explanation


def told(approval: Approval) -> list[str]:
    """What is asked for, in sentences: as it is, or as it was when it was decided."""
    explanation = _explanations.get(approval.act)
    if approval.state != ApprovalState.PENDING or explanation is None:
        return approval.told
    return list(explanation(approval))


def register(approvable: Approvable) -> None:
    """Make an act known; apps do so in their `approvables.py`."""
    APPROVABLES[approvable.act] = approvable


@transaction.atomic
def request(
    act: str,
    subject_id: object,
    *,
    by: Actor,
    reason: str,
    payload: dict[str, object] | None = None,
) -> Approval:
    """Ask for an act. Asking again for the same thing replaces what was asked."""
    approvable = APPROVABLES[act]
    subject = approvable.subject(str(subject_id))
    require(by, approvable.ask, rollout=approvable.rollout_of(subject))
    if by.person_behind is None:
        raise NotAllowed(
            "Only somebody with a name can ask for this, not the host or the system.",
            code="PERSON_REQUIRED",
        )
    payload = payload or {}
    approvable.check(subject, payload)
    void_pending(act, subject, by=by, reason="Replaced by a newer request.")
    base = approvable.base(subject)
    now = clock.now()
    approval = Approval(
        act=act,
        title=approvable.title,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        subject_name=str(subject)[:300],
        payload=payload,
        base=base,
        digest=_digest(act, subject, payload, base),
        reason=reason,
        requester=by,
        requester_person=by.person_behind,
        requested_at=now,
        expires_at=now + approvable.valid_for,
    )
    approval.told = told(approval)
    approval.save_as(by, reason=reason)
    record(
        Verb.APPROVAL_REQUESTED,
        approval,
        by=by,
        reason=reason,
        act=act,
        subject=str(subject),
        payload=payload,
        digest=approval.digest,
        expires_at=approval.expires_at,
        rollout=approvable.rollout_of(subject),
    )
    return approval


@transaction.atomic
def confirm(approval_id: int, *, by: Actor, reason: str) -> Approval:
    """Do what was asked: another person, the password again, nothing changed since."""
    approval, approvable, subject = _locked(approval_id)
    require(by, approvable.confirm, rollout=approvable.rollout_of(subject))
    state = after(ApprovalState(approval.state), Act.CONFIRM)
    check_another_person(
        requester=approval.requester_person_id,
        approver=by.person_behind.pk if by.person_behind else None,
    )
    require_password(by)
    if has_lapsed(approval.expires_at, now=clock.now()):
        raise WrongMoment(
            "This request has expired; it has to be made anew.",
            code="APPROVAL_EXPIRED",
            expired_at=approval.expires_at.isoformat(),
            possible=["request again"],
        )
    found = _digest(approval.act, subject, approval.payload, approvable.base(subject))
    check_unchanged(asked=approval.digest, found=found)
    approvable.check(subject, approval.payload)
    _decide(approval, state, by=by, reason=reason)
    approvable.apply(subject, approval.payload, by=by, reason=approval.reason)
    record(
        Verb.APPROVAL_CONFIRMED,
        approval,
        by=by,
        reason=reason,
        act=approval.act,
        subject=approval.subject_name,
        requested_by=approval.requester.name,
        digest=approval.digest,
    )
    return approval


@transaction.atomic
def reject(approval_id: int, *, by: Actor, reason: str) -> Approval:
    """Say no, for somebody who could have said yes."""
    approval, approvable, subject = _locked(approval_id)
    require(by, approvable.confirm, rollout=approvable.rollout_of(subject))
    state = after(ApprovalState(approval.state), Act.REJECT)
    _decide(approval, state, by=by, reason=reason)
    approvable.reject(subject, by=by, reason=reason)
    record(Verb.APPROVAL_REJECTED, approval, by=by, reason=reason, act=approval.act)
    return approval


@transaction.atomic
def withdraw(approval_id: int, *, by: Actor, reason: str) -> Approval:
    """Take back one's own request."""
    approval, approvable, subject = _locked(approval_id)
    require(by, approvable.ask, rollout=approvable.rollout_of(subject))
    if by.person_behind is None or by.person_behind.pk != approval.requester_person_id:
        raise NotAllowed("Only who made the request can withdraw it.")
    state = after(ApprovalState(approval.state), Act.WITHDRAW)
    _decide(approval, state, by=by, reason=reason)
    record(Verb.APPROVAL_WITHDRAWN, approval, by=by, reason=reason, act=approval.act)
    return approval


@transaction.atomic
def void_pending(act: str, subject: Model, *, by: Actor, reason: str) -> None:
    """End a pending request because what it rests on has gone; a part of other acts."""
    pending = Approval.objects.select_for_update(no_key=True).filter(
        act=act,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        state=ApprovalState.PENDING,
    )
    for approval in pending:
        lapsed = has_lapsed(approval.expires_at, now=clock.now())
        ending, verb = (
            (Act.EXPIRE, Verb.APPROVAL_EXPIRED)
            if lapsed
            else (Act.VOID, Verb.APPROVAL_VOIDED)
        )
        approval.state = after(ApprovalState.PENDING, ending)
        approval.save_as(by, reason=reason)
        record(verb, approval, by=by, reason=reason, act=act)


def _locked(approval_id: int) -> tuple[Approval, Approvable, Any]:
    """The request, its act, and its subject; the subject is locked first, as it is in
    the acts that void requests, so that the two never wait for each other."""
    approval = Approval.objects.filter(pk=approval_id).first()
    if approval is None:
        raise NotFound(f"There is no request {approval_id}.")
    approvable = APPROVABLES[approval.act]
    subject = approvable.subject(approval.subject_id)
    approval = (
        Approval.objects.select_for_update(of=["self"], no_key=True)
        .select_related("requester")
        .get(pk=approval_id)
    )
    return approval, approvable, subject


def _decide(
    approval: Approval, state: ApprovalState, *, by: Actor, reason: str
) -> None:
    approval.told = told(approval)
    approval.state = state
    approval.decider = by
    approval.decider_person = by.person_behind
    approval.decided_at = clock.now()
    approval.decision_reason = reason
    approval.save_as(by, reason=reason)


def _digest(
    act: str, subject: Model, payload: dict[str, object], base: dict[str, object]
) -> str:
    return digest_of(
        {
            "act": act,
            "subject": [subject._meta.label_lower, str(subject.pk)],
            "payload": payload,
            "base": base,
        }
    )
