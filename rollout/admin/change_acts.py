"""What can be done with a change: discuss, edit, agree, apply, and saying no."""

from typing import Any

from django.conf import settings

from portal.admin.acts import Act, Basis, Shown
from portal.admin.approvals import Explained, explain
from portal.domain import strict_json
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May
from portal.errors import Refusal, WrongMoment
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import may
from rollout.admin.change_forms import EditsForm, ImportForm, WhenForm
from rollout.admin.proposing import (
    Proposal,
    as_shown,
    edits_for_display,
    proposing,
    shown,
)
from rollout.domain import changes as domain
from rollout.domain.changes import PENDING, ChangeState, Origin
from rollout.domain.edits import forced
from rollout.domain.exposure import Risk
from rollout.models import Change
from rollout.services import changes, proposals

# What helps against a refusal to apply, by its code.
HELPS = {
    "APPROVAL_REQUIRED": ("approve",),
    "APPROVAL_STALE": ("rebase", "edit"),
    "CHANGE_BASE_MOVED": ("rebase", "edit"),
}


def _told(approval: Approval) -> list[str]:
    """The edits, each in a sentence."""
    change = Change.objects.get(pk=approval.subject_id)
    said = [edit["said"] for edit in edits_for_display(change)]
    return [
        f"{each.place}: "
        + "; ".join(f"{line.mark} {line.text}".strip() for line in each.lines)
        for each in said
    ]


for each_act in (changes.APPROVE, changes.APPROVE_LOW_RISK):
    explain(each_act, Explained(_told))


def acts_that_help(
    trouble: Refusal | None, change: Change, buttons: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The buttons that lead on where a change cannot be applied as it is."""
    names = HELPS.get(trouble.code, ()) if trouble else ()
    if change.state == ChangeState.BLOCKED:
        names = ("rebase", "edit")
    return [button for button in buttons if button["name"] in names]


def trouble_of(change: Change) -> Refusal | None:
    """Why the change could not be applied now; None if it could.

    A base that has moved is said first: approving would be in vain.
    """
    try:
        proposals.check_base(change)
        proposals.check_applicable(change)
    except Refusal as refusal:
        return refusal
    return None


def is_author(change: Change, actor: Actor) -> bool:
    """Whether this person proposed the change."""
    person = actor.person_behind
    return person is not None and person.pk == change.author_person_id


def may_approve(change: Change, actor: Actor) -> bool:
    """Whether this person could approve the change, or reject it."""
    return may(actor, proposals.approval_of(change))


def _import(_: None, said: dict[str, Any]) -> Proposal:
    document = strict_json.read(
        said["document"].encode(), limit=settings.MAX_DOCUMENT_BYTES
    )
    return Proposal(
        rollout=said["rollout"],
        wanted=proposals.replacement(document),
        origin=Origin.IMPORT,
    )


# What is done, and what to say afterwards


def _comment(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    changes.comment(change.pk, by=actor, reason=said["reason"])
    return "Said."


def _wanted(said: dict[str, Any]) -> proposals.Wanted:
    return lambda now: forced(now, said["edits"])


def _foresee_edit(change: Change, actor: Actor, said: dict[str, Any]) -> Shown:
    return shown(proposals.drafted(change.rollout, _wanted(said)), waits=True)


def _edit(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    wanted = as_shown(said["foreseen"].data["change"], _wanted(said))
    seen = changes.version(change)
    changes.revise(change.pk, wanted, by=actor, reason=said["reason"], seen=seen)
    return "Edited; whatever was approved before is void."


def _rebase(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    changes.rebase(change.pk, by=actor, reason=said["reason"])
    return "The same edits, on the newest configuration; it has to be approved anew."


def _approve(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    # The request is that of the very digest that was on the page.
    asked = _request_of(change)
    if asked is None or asked.base.get("digest") != change.digest:
        raise WrongMoment(
            "Nobody asks for this any more; look at how the change is now.",
            code="APPROVAL_STALE",
        )
    approvals.confirm(asked.pk, by=actor, reason=said["reason"])
    return "Approved. It counts once somebody applies it."


def _request_of(change: Change) -> Approval | None:
    return Approval.objects.filter(
        subject_type=change._meta.label_lower,
        subject_id=str(change.pk),
        state=ApprovalState.PENDING,
    ).first()


def _reject(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    changes.reject(change.pk, by=actor, reason=said["reason"])
    return "Rejected; nothing was changed."


def _schedule(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    seen = changes.version(change)
    changes.schedule(change.pk, said["at"], by=actor, reason=said["reason"], seen=seen)
    return f"It is applied at {said['at']:%Y-%m-%d %H:%M} UTC, if it can be then."


def _apply(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    seen = changes.version(change)
    changes.apply(change.pk, by=actor, reason=said["reason"], seen=seen)
    return "Applied: it counts now."


def _cancel(change: Change, actor: Actor, said: dict[str, Any]) -> str:
    changes.cancel(change.pk, by=actor, reason=said["reason"])
    return "Taken back; nothing was changed."


# When an act makes sense


def _cannot(change: Change, act: domain.Act) -> bool:
    return (ChangeState(change.state), act) not in domain.MOVES


def _needs_approval(change: Change) -> bool:
    return Risk(change.risk).takes_approval and change.state == ChangeState.OPEN


def _is_not_mine(change: Change, actor: Actor) -> bool:
    return change.state not in PENDING or not is_author(change, actor)


def _has_not_moved(change: Change, actor: Actor) -> bool:
    if _is_not_mine(change, actor):
        return True
    trouble = trouble_of(change)
    return "rebase" not in HELPS.get(trouble.code if trouble else "", ()) and (
        change.state != ChangeState.BLOCKED
    )


def _cannot_approve(change: Change, actor: Actor) -> bool:
    if (
        not _needs_approval(change)
        or is_author(change, actor)
        or not may_approve(change, actor)
    ):
        return True
    trouble = trouble_of(change)
    return trouble is None or trouble.code != "APPROVAL_REQUIRED"


def _cannot_apply(change: Change, actor: Actor) -> bool:
    return _cannot(change, domain.Act.APPLY) or trouble_of(change) is not None


def _about(change: Change) -> Shown:
    return Shown("rollout/about_change.html", {"edits": edits_for_display(change)})


BASIS = Basis(
    mark=lambda change: f"{change.digest}-{change.state}",
    since=lambda change, mark: Shown(
        "rollout/change_now.html",
        {"change": change, "edits": edits_for_display(change)},
    ),
)
ON_A_CHANGE: dict[str, Any] = {"basis": BASIS, "about": _about}
ACTS = (
    Act(
        name="approve",
        title="Approve",
        may=May.APPROVE_LOW_RISK_CHANGE,
        perform=_approve,
        needs_password=True,
        hidden=_cannot_approve,
        effects=lambda change: [
            f"You agree to exactly these edits, which {change.author} proposed.",
            "Nothing changes yet: somebody has to apply it.",
            "If it is edited, or what it rests on changes, your approval is void.",
        ],
        **ON_A_CHANGE,
    ),
    Act(
        name="apply",
        title="Apply now",
        may=May.PROPOSE_CHANGE,
        perform=_apply,
        hidden=_cannot_apply,
        effects=lambda change: [
            "It counts at once, as a new revision of what decides.",
            "Runs that have started keep the values that they started with.",
        ],
        **ON_A_CHANGE,
    ),
    Act(
        name="schedule",
        title="Schedule",
        may=May.PROPOSE_CHANGE,
        perform=_schedule,
        form=WhenForm,
        hidden=lambda change, actor: (
            _cannot(change, domain.Act.SCHEDULE) or _needs_approval(change)
        ),
        effects=lambda change: [
            "Everything is looked at again when its time comes; what cannot be applied "
            "then is blocked, and says why.",
            f"The proposal expires {change.expires_at:%Y-%m-%d %H:%M} UTC.",
        ],
        **ON_A_CHANGE,
    ),
    Act(
        name="rebase",
        title="Put it on the newest configuration",
        may=May.PROPOSE_CHANGE,
        perform=_rebase,
        hidden=_has_not_moved,
        effects=lambda change: [
            "The same places get the same values, whatever is there now.",
            "Whatever was approved before is void; it has to be approved anew.",
        ],
        **ON_A_CHANGE,
    ),
    Act(
        name="edit",
        title="Edit",
        may=May.PROPOSE_CHANGE,
        form=EditsForm,
        foresee=_foresee_edit,
        perform=_edit,
        basis=BASIS,
        done_as="Edit the proposal",
        hidden=_is_not_mine,
        effects=lambda change: [
            "It is put on the newest configuration; whatever was approved is void."
        ],
    ),
    Act(
        name="comment",
        title="Comment",
        may=May.READ,
        perform=_comment,
        effects=lambda change: ["What you say stands on this page for ever."],
    ),
    Act(
        name="reject",
        title="Reject",
        may=May.APPROVE_LOW_RISK_CHANGE,
        perform=_reject,
        is_dangerous=True,
        hidden=lambda change, actor: (
            _cannot(change, domain.Act.REJECT) or not may_approve(change, actor)
        ),
        effects=lambda change: ["This ends the change; nothing is changed by it."],
        **ON_A_CHANGE,
    ),
    Act(
        name="cancel",
        title="Take it back",
        may=May.PROPOSE_CHANGE,
        perform=_cancel,
        is_dangerous=True,
        hidden=_is_not_mine,
        effects=lambda change: ["This ends the change; nothing is changed by it."],
        **ON_A_CHANGE,
    ),
    proposing(
        "import",
        "Import a configuration",
        ImportForm,
        _import,
        is_on_list=True,
        effects=lambda _: [
            "The whole configuration becomes what you give: what it does not name is "
            "removed.",
            "The switch and the states of the stages stay as they are.",
        ],
    ),
)
