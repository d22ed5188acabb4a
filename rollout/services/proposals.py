"""What a proposed change is, and whether it could count now."""

from collections.abc import Callable, Mapping
from typing import Any

from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid, Refusal
from portal.services import actors
from portal.services.access import may
from rollout.domain import changes as domain
from rollout.domain import configuration as configurations
from rollout.domain import edits as differences
from rollout.domain.compilation import configuration_in
from rollout.domain.configuration import Configuration
from rollout.domain.edits import Edit
from rollout.domain.exposure import Risk, risk_of, worst
from rollout.domain.freezes import Scope
from rollout.domain.stages import StagePlan, check_widening
from rollout.models import Change, Rollout, RolloutKind
from rollout.services import configuration, freezes, rollouts, snapshots

Wanted = Callable[[dict[str, Any]], Any]  # a new configuration from the present one


def patch(operations: list[Mapping[str, Any]]) -> Wanted:
    """What a JSON Patch (RFC 6902) makes of a configuration."""
    return lambda now: differences.patched(now, operations)


def replacement(document: Any) -> Wanted:
    """A whole configuration, as it was exported."""
    return lambda now: configurations.completed(document, now=now)


def revision(rollout: Rollout, number: int) -> Wanted:
    """The configuration of an earlier revision; `NotFound` when there is none."""
    content = snapshots.loaded(snapshots.revision(rollout, number)).content
    return lambda now: configuration_in(content, now=now)


def edits_of(change: Change) -> list[Edit]:
    """The edits of a change."""
    return [Edit.from_json(raw) for raw in change.edits]


def trouble(change: Change) -> str:
    """Why a pending change could not be applied now; empty if it could."""
    if change.state not in domain.PENDING:
        return ""
    try:
        check_applicable(change)
    except Refusal as refusal:
        return str(refusal)
    return ""


def fill(change: Change, wanted: Wanted) -> None:
    """Compute what the proposal is: edits against the present, their risk, a digest."""
    now = configuration.read(change.rollout)
    new = wanted(now)
    configurations.check(new)
    new = configurations.normalised(new)
    edits = differences.difference(now, new)
    if not edits:
        raise Invalid("This would change nothing.", code="NOTHING_CHANGES")
    risks = risk_of(edits, old=now, new=new)
    change.edits = [edit.to_json() for edit in edits]
    change.risks = {path: str(risk) for path, risk in risks.items()}
    change.risk = worst(risks)
    change.base_digest = configurations.digest(now)
    change.base_revision = snapshots.active(change.rollout_id).revision
    change.digest = differences.digest(edits, base=change.base_digest)
    change.title = change.title or _title(change)
    check_widened(change)


def drafted(rollout: Rollout, wanted: Wanted) -> Change:
    """What a proposal would be; nothing is written."""
    draft = Change(rollout=rollout)
    fill(draft, wanted)
    return draft


def is_current(change: Change) -> bool:
    """Whether the configuration is still the one that this rests on."""
    return change.base_digest == configurations.digest(
        configuration.read(change.rollout)
    )


def _title(change: Change) -> str:
    paths = [edit["path"].strip("/").replace("/", " ") for edit in change.edits]
    more = f" and {len(paths) - 1} more" if paths[1:] else ""
    return f"{paths[0][:180]}{more}"


def check_applicable(change: Change) -> Configuration:
    """Look at everything again: time, approval, base, sense; what would come of it."""
    domain.check_unexpired(change.expires_at, now=clock.now())
    check_agreed(change)
    now = check_base(change)
    new = differences.carried_out(now, edits_of(change))
    configurations.check(new)
    check_widened(change)
    check_unfrozen(change)
    return new


def check_unfrozen(change: Change) -> None:
    """Refuse what a freeze stops: more exposure by any, low risk by one of changes."""
    risk = Risk(change.risk)
    if risk.takes_approval:
        stops = Scope.EXPANSION if risk == Risk.HIGH else Scope.CHANGES
        freezes.check_unfrozen(change.rollout_id, stops=stops)


def check_base(change: Change) -> Configuration:
    """The present configuration, if the change still rests on it."""
    now = configuration.read(change.rollout)
    domain.check_base(
        rests_on=change.base_digest,
        found=configurations.digest(now),
        moved=differences.conflicts(now, edits_of(change)),
    )
    return now


def approval_of(change: Change) -> May:
    """What somebody has to be allowed to approve this."""
    is_high = change.risk == Risk.HIGH
    return May.APPROVE_CHANGE if is_high else May.APPROVE_LOW_RISK_CHANGE


def check_agreed(change: Change) -> None:
    """Refuse a change that takes approval and has none that counts now."""
    approver = change.approver_person
    domain.check_agreed(
        Risk(change.risk),
        author=change.author_person_id,
        approver=change.approver_person_id,
        is_still_entitled=approver is not None
        and may(actors.for_person(approver), approval_of(change)),
    )


def check_widened(change: Change) -> None:
    """Refuse to widen the coverage of a stage that is held or left behind."""
    widened = {
        edit.parts[1]: edit
        for edit in edits_of(change)
        if edit.parts[::2] == ["stages", "coverage"] and edit.after > edit.before
    }
    is_live = change.rollout.kind == RolloutKind.LIVE
    last = rollouts.last_stage(change.rollout) if is_live else None
    for stage in change.rollout.stages.filter(key__in=widened):
        plan = StagePlan.from_json(stage.plan)
        edit = widened[stage.key]
        check_widening(
            stage.state,
            plan,
            before=edit.before,
            wanted=edit.after,
            is_last=stage == last,
        )
