"""Compiling what decides, and finding what decided."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Max

from portal import clock
from portal.domain.canonical import canonical, digest
from portal.errors import NotFound
from portal.models import Actor
from portal.services import bell
from portal.services.reading import read_once
from rollout.domain import snapshots as domain
from rollout.domain.bucketing import share_of
from rollout.domain.compilation import compiled_flag, configuration_in, standing
from rollout.domain.configuration import Configuration
from rollout.domain.edits import Edit, difference
from rollout.domain.switch import SwitchState
from rollout.models import Rollout, Snapshot
from rollout.services import configuration as configurations


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


def content_of(
    rollout: Rollout, configuration: Configuration | None = None
) -> dict[str, Any]:
    """The content that the tables compile to now, or would with that configuration."""
    configured = configuration or configurations.read(rollout)
    stages = rollout.stages.annotate(newest=Max("attempts__number", default=0))
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
                "share": share_of(configured["stages"][stage.key]["coverage"]),
                "attempt": stage.newest,
                "plan": configured["stages"][stage.key]["plan"],
            }
            for stage in stages
        ],
        flags=[compiled_flag(key, raw) for key, raw in configured["flags"].items()],
        segments={
            key: raw["conditions"] for key, raw in configured["segments"].items()
        },
    )


@read_once
def active(rollout_id: int) -> Snapshot:
    """The newest revision: what decides now."""
    return Snapshot.objects.filter(rollout_id=rollout_id).order_by("-revision")[0]


def revision(rollout: Rollout, number: int) -> Snapshot:
    """The snapshot of that revision, or a refusal."""
    found = Snapshot.objects.filter(rollout=rollout, revision=number).first()
    if found is None:
        raise NotFound(f"There is no revision {number} of {rollout.key}.")
    return found


def active_at(rollout: Rollout, moment: datetime) -> Snapshot:
    """What decided at that moment; `NotFound` before there was anything."""
    found = (
        Snapshot.objects.filter(rollout=rollout, created_at__lte=moment)
        .order_by("-revision")
        .first()
    )
    if found is None:
        raise NotFound(f"Nothing decided for {rollout.key} at {moment.isoformat()}.")
    return found


def compare(rollout: Rollout, old: int, new: int) -> list[Edit]:
    """Where two revisions differ: the configuration, the stages and the switch."""
    before, after = (loaded(revision(rollout, number)).content for number in (old, new))
    now = configurations.read(rollout)
    edits = difference(
        *(configuration_in(content, now=now) for content in (before, after))
    )
    return [*edits, *standing(before, after)]


def loaded(snapshot: Snapshot) -> domain.Snapshot:
    """A snapshot ready to decide; compiled once per process."""
    return _loaded(snapshot.digest, snapshot.body)


@lru_cache(maxsize=64)
def _loaded(_digest: str, body: str) -> domain.Snapshot:
    return domain.load(json.loads(body))
