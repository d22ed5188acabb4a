"""The emergency switch: engaged by one person at once, released by two."""

from django.db import connection, transaction

from portal import clock
from portal.domain.roles import May
from portal.models import Actor, Approval
from portal.services import approvals
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.switch import Act, SwitchState, after
from rollout.domain.verbs import Verb
from rollout.models import OPEN_STATES, Rollout, Run, Stage, Switch
from rollout.services import rollouts, snapshots

RELEASE = "rollout.switch.release"


@transaction.atomic
def engage(rollout_key: str, *, by: Actor, reason: str) -> Switch:
    """Turn Option C off everywhere, from the commit on.

    One person or token suffices, nothing can make it stale, and it waits for its locks
    longer than anything else. Throwing a switch that is engaged changes nothing.
    """
    require(by, May.ENGAGE_SWITCH, rollout=rollout_key)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '30s'")
    rollout = rollouts.locked(rollouts.find(rollout_key).pk)
    switch = _locked(rollout.pk)
    if switch.is_engaged:
        return switch
    _turn(switch, Act.ENGAGE, by=by, reason=reason)
    snapshot = snapshots.publish(rollout, by=by, reason=reason)
    approvals.void_pending(
        RELEASE, switch, by=by, reason="The switch was engaged again."
    )
    record(
        Verb.SWITCH_ENGAGED,
        switch,
        by=by,
        reason=reason,
        rollout=rollout.key,
        epoch=switch.epoch,
        snapshot=snapshot.digest,
        affected=effects(rollout),
    )
    return switch


def request_release(rollout_key: str, *, by: Actor, reason: str) -> Approval:
    """Ask that Option C may run again; another person confirms in the admin."""
    switch = rollouts.find(rollout_key).switch
    return approvals.request(RELEASE, switch.pk, by=by, reason=reason)


def effects(rollout: Rollout) -> dict[str, int | str]:
    """Who is affected when the switch is thrown now."""
    open_runs = Run.objects.filter(rollout=rollout, finished_at=None).count()
    stage = Stage.objects.filter(rollout=rollout, state__in=OPEN_STATES).first()
    return {"open_runs": open_runs, "open_stage": stage.key if stage else "none"}


def _locked(rollout_id: int) -> Switch:
    return Switch.objects.select_for_update(no_key=True).get(rollout_id=rollout_id)


def _turn(switch: Switch, act: Act, *, by: Actor, reason: str) -> None:
    switch.state = after(SwitchState(switch.state), act)
    switch.epoch += 1
    switch.changed_at = clock.now()
    switch.changed_by = by
    switch.reason = reason
    switch.save_as(by, reason=reason)


def _release(switch: Switch, payload: dict, *, by: Actor, reason: str) -> None:
    rollout = rollouts.locked(switch.rollout_id)
    _turn(switch, Act.RELEASE, by=by, reason=reason)
    snapshot = snapshots.publish(rollout, by=by, reason=reason)
    record(
        Verb.SWITCH_RELEASED,
        switch,
        by=by,
        reason=reason,
        rollout=rollout.key,
        epoch=switch.epoch,
        snapshot=snapshot.digest,
    )


def _subject(switch_id: str) -> Switch:
    # The rollout first, as in `engage`: two acts never wait for each other.
    rollouts.locked(Switch.objects.get(pk=switch_id).rollout_id)
    return Switch.objects.select_for_update(no_key=True).get(pk=switch_id)


release = approvals.Approvable(
    act=RELEASE,
    title="Release the emergency switch",
    ask=May.REQUEST_EXPOSURE,
    confirm=May.CONFIRM_EXPOSURE,
    subject=_subject,
    base=lambda switch: {"state": switch.state, "epoch": switch.epoch},
    check=lambda switch, payload: (
        after(SwitchState(switch.state), Act.RELEASE) and None
    ),
    apply=_release,
    rollout_of=lambda switch: switch.rollout.key,
)
