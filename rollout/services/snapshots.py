"""Compiling what decides, and finding what decided."""

import json
from functools import lru_cache

from portal import clock
from portal.domain.canonical import canonical, digest
from portal.models import Actor
from portal.services import bell
from rollout.domain import snapshots as domain
from rollout.domain.bucketing import share_of
from rollout.domain.switch import SwitchState
from rollout.models import Rollout, Snapshot


def publish(rollout: Rollout, *, by: Actor, reason: str) -> Snapshot:
    """Write down what decides from now on; a part of every act that changes it.

    The caller holds the lock of the rollout's row, so that revisions have no holes.
    What is the same as before is no new revision.
    """
    content = content_of(rollout)
    body = canonical(content)
    active = Snapshot.objects.filter(rollout=rollout).order_by("-revision").first()
    if active is not None and active.digest == digest(body):
        return active
    snapshot = Snapshot(
        rollout=rollout,
        revision=active.revision + 1 if active else 1,
        epoch=content["switch"]["epoch"],
        digest=digest(body),
        body=body.decode(),
        reason=reason,
        created_by=by,
        created_at=clock.now(),
    )
    snapshot.save()
    bell.ring(bell.EDGE)
    return snapshot


def content_of(rollout: Rollout) -> dict:
    """The content that the tables compile to now."""
    attempts: dict[int, int] = {}
    stages = list(rollout.stages.prefetch_related("attempts"))
    for stage in stages:
        attempts[stage.pk] = max((a.number for a in stage.attempts.all()), default=0)
    switch = rollout.switch
    switch.refresh_from_db()
    return domain.compile_snapshot(
        rollout=rollout.key,
        fallback_workflow=rollout.fallback_workflow,
        salt=rollout.salt,
        switch=SwitchState(switch.state),
        epoch=switch.epoch,
        stages=[
            {
                "key": stage.key,
                "position": stage.position,
                "state": stage.state,
                "is_admitting": stage.is_admitting,
                "share": share_of(stage.coverage),
                "attempt": attempts[stage.pk],
                "plan": stage.plan,
            }
            for stage in stages
        ],
        flags=[
            {
                "key": flag.key,
                "type": flag.type,
                "default": flag.default,
                "minimum": flag.minimum,
                "maximum": flag.maximum,
                "options": flag.options,
                "is_nullable": flag.is_nullable,
                "rules": [
                    {
                        "conditions": rule.conditions,
                        "value": rule.value,
                        "share": None
                        if rule.percentage is None
                        else share_of(rule.percentage),
                    }
                    for rule in flag.rules.all()
                    if rule.is_live
                ],
            }
            for flag in rollout.flags.prefetch_related("rules")
        ],
    )


def active(rollout_id: int) -> Snapshot:
    """The newest revision: what decides now."""
    return Snapshot.objects.filter(rollout_id=rollout_id).order_by("-revision")[0]


def loaded(snapshot: Snapshot) -> domain.Snapshot:
    """A snapshot ready to decide; compiled once per process."""
    return _loaded(snapshot.digest, snapshot.body)


@lru_cache(maxsize=64)
def _loaded(_digest: str, body: str) -> domain.Snapshot:
    return domain.load(json.loads(body))
