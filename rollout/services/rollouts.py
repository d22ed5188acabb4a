"""Rollouts: finding one, making the baseline, keeping its row locked."""

import secrets

from django.db import connection, transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.domain import baseline
from rollout.domain.stages import StageState
from rollout.domain.verbs import Verb
from rollout.models import Flag, Rollout, Stage, Switch, Trigger
from rollout.services import snapshots


def find(key: str) -> Rollout:
    """The rollout of that key, or a refusal."""
    rollout = Rollout.objects.filter(key=key).first()
    if rollout is None:
        known = ", ".join(Rollout.objects.values_list("key", flat=True)[:10])
        raise NotFound(f"There is no rollout {key!r}. There is: {known or 'none yet'}.")
    return rollout


def locked(rollout_id: int) -> Rollout:
    """The rollout's row, locked for an act that changes what decides."""
    return Rollout.objects.select_for_update(no_key=True).get(pk=rollout_id)


@read_once
def last_stage(rollout: Rollout) -> Stage | None:
    """The stage after which nothing comes; its last step is general availability."""
    used = rollout.stages.exclude(state=StageState.DISABLED)
    found = used.order_by("position").last()
    if found is not None:
        found.rollout = rollout
    return found


def hold_switch_still(rollout_id: int) -> None:
    """Keep the switch from being thrown until this transaction has ended.

    Decisions hold it together; throwing it waits for them, and they for it: no
    decision that was made before the throw is committed after it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM rollout_switch WHERE rollout_id = %s FOR SHARE", [rollout_id]
        )


@transaction.atomic
def seed_baseline(*, by: Actor, reason: str) -> tuple[Rollout, list[str]]:
    """Make what the baseline has; what is there, or was retired, stays as it is.

    Returns the rollout and the names of what was made.
    """
    require(by, May.MANAGE_ACCESS)
    made: list[str] = []
    rollout = Rollout.objects.filter(key=baseline.ROLLOUT).first()
    if rollout is None:
        rollout = Rollout(
            key=baseline.ROLLOUT,
            name=baseline.NAME,
            description=baseline.DESCRIPTION,
            salt=secrets.token_hex(16),
        )
        rollout.save_as(by, reason=reason)
        switch = Switch(
            rollout=rollout, changed_at=clock.now(), changed_by=by, reason=reason
        )
        switch.save_as(by, reason=reason)
        record(
            Verb.ROLLOUT_CREATED,
            rollout,
            by=by,
            reason=reason,
            fallback_workflow=rollout.fallback_workflow,
        )
        made.append(rollout.key)
    known_flags = set(rollout.flags.values_list("key", flat=True))
    for position, (spec, description) in enumerate(baseline.FLAGS):
        if spec.key not in known_flags:
            flag = Flag(
                rollout=rollout,
                key=spec.key,
                description=description,
                position=position,
                **baseline.flag_row(spec),
            )
            flag.save_as(by, reason=reason)
            record(Verb.FLAG_CREATED, flag, by=by, reason=reason, default=spec.default)
            made.append(spec.key)
    known_stages = set(rollout.stages.values_list("key", flat=True))
    for position, (key, name, plan) in enumerate(baseline.STAGES):
        if key not in known_stages:
            plan.check()
            stage = Stage(
                rollout=rollout,
                position=position,
                key=key,
                name=name,
                state=StageState.READY if position == 0 else StageState.DRAFT,
                coverage=plan.coverage_steps[0],
                plan=plan.to_json(),
            )
            stage.save_as(by, reason=reason)
            record(Verb.STAGE_CREATED, stage, by=by, reason=reason, plan=stage.plan)
            made.append(key)
    known_triggers = set(rollout.triggers.values_list("key", flat=True))
    for ships in baseline.TRIGGERS:
        if ships.key not in known_triggers:
            trigger = Trigger(rollout=rollout, key=ships.key, **ships.to_json())
            trigger.save_as(by, reason=reason)
            record(
                Verb.TRIGGER_CREATED,
                trigger,
                by=by,
                reason=reason,
                kind=ships.kind,
                action=ships.action,
            )
            made.append(ships.key)
    if made:
        snapshots.publish(locked(rollout.pk), by=by, reason=reason)
    return rollout, made
