"""Change requests: every edit of flags, rules, segments, plans and coverage.

What exposes nobody to more is applied as it is proposed; anything else waits for
another person. An approval is bound to the digest of the edits and of what they rest
on: whatever is edited since, on either side, takes a new one.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Func, IntegerField, JSONField, QuerySet, Value

from portal import clock
from portal.domain.numbers import is_number
from portal.domain.roles import May
from portal.errors import NotAllowed, NotFound, PreconditionFailed, Refusal
from portal.models import Actor
from portal.services import approvals
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain import changes as domain
from rollout.domain import edits as differences
from rollout.domain.changes import Act, ChangeState, Origin, after
from rollout.domain.exposure import Risk
from rollout.domain.flags import without_credentials
from rollout.domain.verbs import Verb
from rollout.models import Change, ChangeComment
from rollout.services import configuration, proposals, rollouts, snapshots

APPROVE = "rollout.change.approve"
APPROVE_LOW_RISK = "rollout.change.approve_low_risk"
APPLY_JOB = "rollout.jobs.apply_scheduled_change"
EXPIRE_JOB = "rollout.jobs.expire_change"
FIRST_EDITS = 3


@transaction.atomic
def propose(
    rollout_key: str,
    wanted: proposals.Wanted,
    *,
    by: Actor,
    reason: str,
    title: str = "",
    origin: Origin = Origin.EDIT,
    grant: May = May.PROPOSE_CHANGE,
    waits: bool = False,
) -> Change:
    """Propose another configuration; what exposes nobody to more counts at once.

    Anything else waits until another person has approved it, and whatever `waits`
    until somebody applies it. Raises `Invalid` when nothing would change or the
    configuration cannot be. `grant` is what the proposer has to be allowed: narrowing
    takes less than editing.
    """
    rollout = rollouts.find(rollout_key)
    require(by, grant, rollout=rollout.key)
    now = clock.now()
    change = Change(
        rollout=rollout,
        title=title[:200],
        reason=reason,
        origin=origin,
        author=by,
        author_person=by.person_behind,
        proposed_at=now,
        expires_at=now + domain.VALID_FOR,
    )
    # The long part comes first, while nobody waits; the switch needs this lock too.
    proposals.fill(change, wanted)
    change.rollout = rollouts.locked(rollout.pk)
    if not proposals.is_current(change):
        proposals.fill(change, wanted)
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_PROPOSED, change, by=by, reason=reason, **_said(change))
    _go_on(change, by=by, reason=reason, waits=waits)
    return change


@transaction.atomic
def revise(
    change_id: int,
    wanted: proposals.Wanted,
    *,
    by: Actor,
    reason: str,
    seen: str = "",
) -> Change:
    """Edit one's own proposal, on the newest configuration; approvals are void.

    `seen` is the `version` that is edited: if it is another one by now, nothing is
    done (`PreconditionFailed`). The other acts take it, too.
    """
    change = _locked(change_id, seen)
    _require_author(change, by)
    change.state = after(ChangeState(change.state), Act.EDIT)
    _void_approval(change, by=by, reason="The change was edited.")
    proposals.fill(change, wanted)
    change.scheduled_for, change.blocked_because = None, ""
    change.expires_at = clock.now() + domain.VALID_FOR
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_REVISED, change, by=by, reason=reason, **_said(change))
    _go_on(change, by=by, reason=reason, waits=True)
    return change


def rebase(change_id: int, *, by: Actor, reason: str) -> Change:
    """Put one's own proposal on the newest configuration: the same, where it is now."""
    change = find(change_id)
    edits = proposals.edits_of(change)
    return revise(
        change_id,
        lambda now: differences.forced(now, edits),
        by=by,
        reason=reason,
        seen=version(change),
    )


@transaction.atomic
def comment(change_id: int, *, by: Actor, reason: str) -> ChangeComment:
    """Say something about a change; `reason` is what is said, and it stays."""
    change = _locked(change_id)
    require(by, May.READ, rollout=change.rollout.key)
    said = ChangeComment(change=change, author=by, text=reason, at=clock.now())
    said.save()
    record(Verb.CHANGE_COMMENTED, change, by=by, reason=reason)
    return said


@transaction.atomic
def reject(change_id: int, *, by: Actor, reason: str) -> Change:
    """Say no, also to what was approved or scheduled before."""
    change = _locked(change_id)
    require(by, proposals.approval_of(change), rollout=change.rollout.key)
    _void_approval(change, by=by, reason="The change was rejected.")
    _reject(change, by=by, reason=reason)
    return change


@transaction.atomic
def cancel(change_id: int, *, by: Actor, reason: str) -> Change:
    """Take back one's own proposal."""
    change = _locked(change_id)
    _require_author(change, by)
    change.state = after(ChangeState(change.state), Act.CANCEL)
    _void_approval(change, by=by, reason="The change was cancelled.")
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_CANCELLED, change, by=by, reason=reason)
    return change


@transaction.atomic
def schedule(
    change_id: int, at: datetime, *, by: Actor, reason: str, seen: str = ""
) -> Change:
    """Have an approved change applied at that time, if it can be by then."""
    change = _locked(change_id, seen)
    require(by, May.PROPOSE_CHANGE, rollout=change.rollout.key)
    now = clock.now()
    domain.check_due(at, now=now, expires_at=change.expires_at)
    change.state = after(ChangeState(change.state), Act.SCHEDULE)
    proposals.check_agreed(change)
    change.scheduled_for = at
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_SCHEDULED, change, by=by, reason=reason, scheduled_for=at)
    enqueue(APPLY_JOB, delay=at - now, change_id=change.pk)
    return change


@transaction.atomic
def apply(change_id: int, *, by: Actor, reason: str, seen: str = "") -> Change:
    """Make an approved change count, after looking at everything once more."""
    change = _locked(change_id, seen)
    require(by, May.PROPOSE_CHANGE, rollout=change.rollout.key)
    _apply(change, by=by, reason=reason)
    return change


@transaction.atomic
def apply_scheduled(change_id: int, *, by: Actor, reason: str) -> Change:
    """Apply what is due; if that cannot be any more, say why and leave it alone."""
    change = _locked(change_id)
    is_due = change.scheduled_for is not None and change.scheduled_for <= clock.now()
    if change.state != ChangeState.SCHEDULED or not is_due:
        return change
    try:
        with transaction.atomic():
            _apply(change, by=by, reason=reason)
    except Refusal as refusal:
        change = _locked(change_id)
        change.state = after(ChangeState(change.state), Act.BLOCK)
        change.blocked_because = str(refusal)
        change.save_as(by, reason=reason)
        record(
            Verb.CHANGE_BLOCKED, change, by=by, reason=str(refusal), code=refusal.code
        )
    return change


@transaction.atomic
def expire(change_id: int, *, by: Actor, reason: str) -> Change:
    """End a proposal whose time is over; nothing else."""
    change = _locked(change_id)
    is_over = change.expires_at <= clock.now()
    if change.state in domain.PENDING and is_over:
        change.state = after(ChangeState(change.state), Act.EXPIRE)
        _void_approval(change, by=by, reason=reason)
        change.save_as(by, reason=reason)
        record(Verb.CHANGE_EXPIRED, change, by=by, reason=reason)
    return change


def summarised(found: QuerySet[Change]) -> QuerySet[Change]:
    """Changes for a list: how many edits each has, and the first few of them.

    The rest stays in the database; an import can have hundreds of kilobytes of edits.
    """
    shown = JSONBPathQueryArray("edits", Value(f"$[0 to {FIRST_EDITS - 1}]"))
    return (
        found.select_related("rollout", "author", "approver", "applier", "snapshot")
        .annotate(edit_count=JSONBArrayLength("edits"), first_edits=shown)
        .defer("edits", "risks")
    )


class JSONBArrayLength(Func):
    function = "jsonb_array_length"
    output_field = IntegerField()


class JSONBPathQueryArray(Func):
    function = "jsonb_path_query_array"
    template = "%(function)s(%(expressions)s::jsonpath)"
    output_field = JSONField()


def find(change_id: object) -> Change:
    """The change of that number, or a refusal."""
    found = None
    if is_number(str(change_id)):
        found = (
            Change.objects.select_related("rollout", "author", "approver", "applier")
            .filter(pk=change_id)
            .first()
        )
    if found is None:
        raise NotFound(f"There is no change {change_id}.")
    return found


def _go_on(change: Change, *, by: Actor, reason: str, waits: bool) -> None:
    """Apply what needs nobody else; ask somebody else for the rest."""
    takes_approval = Risk(change.risk).takes_approval
    if not (takes_approval or waits):
        _apply(change, by=by, reason=reason)
        return
    if takes_approval:
        approvals.request(_approvable(change).act, change.pk, by=by, reason=reason)
    enqueue(EXPIRE_JOB, delay=domain.VALID_FOR, change_id=change.pk)


def _apply(change: Change, *, by: Actor, reason: str) -> None:
    change.state = after(ChangeState(change.state), Act.APPLY)
    new = proposals.check_applicable(change)
    edits = proposals.edits_of(change)
    configuration.write(change.rollout, edits, new, by=by, reason=reason)
    snapshot = snapshots.publish(change.rollout, by=by, reason=reason)
    change.applier, change.applied_at = by, clock.now()
    change.snapshot, change.scheduled_for = snapshot, None
    change.save_as(by, reason=reason)
    record(
        Verb.CHANGE_APPLIED,
        change,
        by=by,
        reason=reason,
        **_said(change),
        snapshot=snapshot.digest,
        revision=snapshot.revision,
        author=change.author.name,
        approver=change.approver.name if change.approver else None,
    )


def _require_author(change: Change, by: Actor) -> None:
    require(by, May.PROPOSE_CHANGE, rollout=change.rollout.key)
    person = by.person_behind
    if person is None or person.pk != change.author_person_id:
        raise NotAllowed(
            "Only whoever proposed a change edits it or takes it back; "
            "others comment, approve or reject.",
            code="NOT_THE_AUTHOR",
        )


def _said(change: Change) -> dict[str, object]:
    return {
        "rollout": change.rollout.key,
        "edits": without_credentials(change.edits),
        "risk": str(Risk(change.risk)),
        "digest": change.digest,
        "base": change.base_digest,
    }


def version(change: Change) -> str:
    """What somebody has seen of a change; another one once anything of it differs."""
    at = change.scheduled_for.isoformat() if change.scheduled_for else ""
    return f"{change.digest}-{change.state}-{at}"


def _locked(change_id: int | str, seen: str = "") -> Change:
    found = find(change_id)
    rollout = rollouts.locked(found.rollout_id)
    change = (
        Change.objects.select_for_update(of=["self"], no_key=True)
        .select_related("author", "approver", "approver_person")
        .get(pk=found.pk)
    )
    change.rollout = rollout
    if seen and seen != version(change):
        raise PreconditionFailed(
            "This change is not what it was when you looked. Look again, then decide."
        )
    return change


# Approving, by way of the requests that every act of two people shares


def _approvable(change: Change) -> approvals.Approvable:
    return approve if change.risk == Risk.HIGH else approve_low_risk


def _void_approval(change: Change, *, by: Actor, reason: str) -> None:
    for act in (APPROVE, APPROVE_LOW_RISK):
        approvals.void_pending(act, change, by=by, reason=reason)
    change.approver = change.approver_person = change.approved_at = None
    change.approved_digest = ""


def _approve(change: Change, payload: dict, *, by: Actor, reason: str) -> None:
    change.state = after(ChangeState(change.state), Act.APPROVE)
    change.approver, change.approver_person = by, by.person_behind
    change.approved_at, change.approved_digest = clock.now(), change.digest
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_APPROVED, change, by=by, reason=reason, **_said(change))


def _check_approvable(change: Change, payload: dict) -> None:
    after(ChangeState(change.state), Act.APPROVE)
    proposals.check_widened(change)
    proposals.check_base(change)


def _reject(change: Change, *, by: Actor, reason: str) -> None:
    change.state = after(ChangeState(change.state), Act.REJECT)
    change.save_as(by, reason=reason)
    record(Verb.CHANGE_REJECTED, change, by=by, reason=reason)


def _two_person(act: str, title: str, confirm: May) -> approvals.Approvable:
    return approvals.Approvable(
        act=act,
        title=title,
        ask=May.PROPOSE_CHANGE,
        confirm=confirm,
        subject=_locked,
        base=lambda change: {"digest": change.digest, "state": change.state},
        check=_check_approvable,
        apply=_approve,
        reject=_reject,
        rollout_of=lambda change: change.rollout.key,
        valid_for=domain.VALID_FOR,
    )


approve = _two_person(APPROVE, "Approve a change", May.APPROVE_CHANGE)
approve_low_risk = _two_person(
    APPROVE_LOW_RISK, "Approve a change of low risk", May.APPROVE_LOW_RISK_CHANGE
)
