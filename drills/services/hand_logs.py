"""Drills that people conduct themselves, and log: steps, times, artifacts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction

from drills.domain import drills as domain
from drills.domain.drills import Done, Means, Moment, State
from drills.domain.hand_logs import Logged, check
from drills.domain.scenarios import Phase
from drills.domain.verbs import Verb
from drills.models import Drill, DrillCapture, DrillStep
from drills.services import drills, twins
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.artifacts import safe_path
from rollout.services import scans, vault


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was captured by hand."""

    path: str
    chunks: Iterable[bytes] = field(repr=False)
    expected: str | None = None  # the digest that was announced


@transaction.atomic
def log(
    rollout_key: str,
    name: str,
    steps: Iterable[Logged],
    uploads: Iterable[Upload],
    *,
    started_at: datetime,
    ended_at: datetime,
    by: Actor,
    reason: str,
    stage_key: str = "",
    environment: str = "",
) -> Drill:
    """Log a drill that `by` has conducted; its verdict follows from the steps.

    It counts like any other: with captured artifacts, a clean scan, and an observer.
    Raises `Invalid` with every error, and its place.
    """
    require(by, May.WORK_INCIDENT, rollout=rollout_key)
    scenario = drills.scenario_of(name)
    rollout = drills.live_rollout(rollout_key)
    stage = drills.stage_of(rollout, stage_key)
    done = list(steps)
    now = clock.now()
    check(done, started_at=started_at, ended_at=ended_at, now=now)
    act, against = domain.verdict(
        [Done(each.does, each.outcome, each.actual) for each in done],
        planned=len(done),
    )
    drill = Drill(
        rollout=rollout,
        stage=stage,
        scenario=scenario,
        means=Means.HAND,
        state=domain.after(State.RUNNING, act),
        reasons=against,
        environment=environment or settings.ENVIRONMENT,
        fingerprint=twins.fingerprint_of(stage),
        plan=[],
        reason=reason,
        conductor=by,
        asked_at=now,
        started_at=started_at,
        ended_at=ended_at,
    )
    drill.save_as(by, reason=reason)
    for number, each in enumerate(done, start=1):
        _write(drill, number, each)
    captured = [_store(drill, each, by=by) for each in uploads]
    scans.want([each.digest for each in captured])
    record(
        Verb.DRILL_LOGGED,
        drill,
        by=by,
        reason=reason,
        scenario=scenario,
        stage=stage.key,
        state=drill.state,
        environment=drill.environment,
        fingerprint=drill.fingerprint,
        steps=len(done),
        artifacts={each.path: each.digest for each in captured},
    )
    return drill


def _write(drill: Drill, number: int, logged: Logged) -> None:
    DrillStep(
        drill=drill,
        number=number,
        phase=Phase.METHOD,
        does=redact(logged.does),
        expects=redact(logged.expects),
        actual=redact(logged.actual),
        outcome=logged.outcome,
        took_s=(logged.ended_at - logged.started_at).total_seconds(),
        started_at=logged.started_at,
        ended_at=logged.ended_at,
    ).save()


@transaction.atomic
def attach(
    drill_id: int, uploads: Iterable[Upload], *, by: Actor, reason: str
) -> list[DrillCapture]:
    """Add artifacts to a drill that was logged by hand and not observed yet."""
    drill = twins.locked(drill_id)
    require(by, May.WORK_INCIDENT, rollout=drill.rollout.key)
    if drill.means != Means.HAND or drill.observer is not None:
        raise WrongMoment(
            "Artifacts are added to drills logged by hand, before they are observed.",
            possible=["note"],
        )
    captured = [_store(drill, each, by=by) for each in uploads]
    scans.want([each.digest for each in captured])
    record(
        Verb.DRILL_CAPTURED,
        drill,
        by=by,
        reason=reason,
        moment=Moment.UPLOADED,
        artifacts={each.path: each.digest for each in captured},
    )
    return captured


def _store(drill: Drill, upload: Upload, *, by: Actor) -> DrillCapture:
    path = safe_path(upload.path)
    if drill.captures.filter(path=path).exists():
        raise WrongMoment(f"The drill has {path} already.", possible=["another name"])
    stored = vault.put(
        upload.chunks, limit=settings.MAX_ARTIFACT_BYTES, expected=upload.expected
    )
    made = DrillCapture(
        drill=drill,
        moment=Moment.UPLOADED,
        path=path,
        digest=stored.digest,
        size=stored.size,
        captured_at=clock.now(),
        captured_by=by,
    )
    made.save()
    return made
