"""Twin rollouts: a copy of what decides, on which a drill can do whatever it wants."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import transaction

from drills.domain.incidents import ACTIVE, MOVES, Act, State
from drills.domain.verbs import Verb
from drills.models import Drill, Incident, Sighting
from drills.services import incidents, opening
from portal import clock
from portal.domain.roles import May, Role, Scope
from portal.errors import NotFound, WrongMoment
from portal.models import Actor, Person
from portal.services import tokens
from portal.services.access import require
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.domain import snapshots as compiled
from rollout.domain.directives import DirectiveKind
from rollout.domain.edits import difference
from rollout.domain.stages import Act as StageAct
from rollout.domain.stages import StageState
from rollout.models import OPEN_STATES, Rollout, RolloutKind, Run, Stage, Switch
from rollout.services import (
    configuration,
    directives,
    rollbacks,
    rollouts,
    snapshots,
    stages,
    switch,
)

SCOPES = (Scope.DECIDE, Scope.REPORT_RUNS, Scope.READ)
Step = Callable[[], AbstractContextManager[object]]
EVERYBODY = 100  # percent: the twin's stage admits every unit


def locked(drill_id: int) -> Drill:
    """The drill's row, locked for an act on it; always before a rollout's."""
    found = (
        Drill.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout", "stage", "twin", "conductor", "observer")
        .filter(pk=drill_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no drill {drill_id}.")
    return found


@read_once
def fingerprint_of(stage: Stage) -> str:
    """What a drill for this stage is tried on; a twin's stage has the same."""
    return compiled.fingerprint(
        snapshots.loaded(snapshots.active(stage.rollout_id)).content,
        stage_key=stage.key,
        system_version="unknown",
    )


@transaction.atomic
def open_for(drill_id: int, *, by: Actor, reason: str) -> tuple[Rollout, str]:
    """Make the twin of a drill, its stage running; returns it, and a token for it.

    It has the configuration of the live rollout, salt and coverage apart, and shares
    no row with it.
    """
    require(by, May.CONDUCT_DRILL)
    drill = locked(drill_id)
    if drill.twin is not None:
        raise WrongMoment("This drill has its twin already.", possible=[])
    live = rollouts.locked(drill.rollout_id)
    twin = Rollout(
        key=f"drill-{drill.pk}",
        name=f"Twin of {live.name} for drill {drill.pk}"[:200],
        description=f"A copy of {live.key}; it governs nothing real.",
        kind=RolloutKind.DRILL,
        fallback_workflow=live.fallback_workflow,
        salt=secrets.token_hex(16),
    )
    twin.save_as(by, reason=reason)
    _copy(live, drill, twin, by=by, reason=reason)
    stage = twin.stages.get(key=drill.stage.key)
    attempt = stages.begin(stage, StageAct.START, by=by, reason=reason)
    lent = tokens.lend(
        f"drill {drill.pk}",
        owner=_owner(drill),
        scopes=SCOPES,
        rollout=twin.key,
        by=by,
        reason=reason,
    )
    snapshot = snapshots.publish(rollouts.locked(twin.pk), by=by, reason=reason)
    drill.twin, drill.token = twin, lent.token
    drill.run_id = f"drill-{drill.pk}-0001"
    drill.save_as(by, reason=reason)
    record(
        Verb.TWIN_OPENED,
        twin,
        by=by,
        reason=reason,
        drill=drill.pk,
        copy_of=live.key,
        stage=stage.key,
        fingerprint=attempt.fingerprint,
        snapshot=snapshot.digest,
    )
    return twin, lent.text


def _copy(
    live: Rollout, drill: Drill, twin: Rollout, *, by: Actor, reason: str
) -> None:
    """The names of its stages say that they are a drill's, wherever they are told."""
    released = Switch(
        rollout=twin, changed_at=clock.now(), changed_by=by, reason=reason
    )
    released.save_as(by, reason=reason)
    for each in live.stages.all():
        is_opened = each.key == drill.stage.key
        stage = Stage(
            rollout=twin,
            position=each.position,
            key=each.key,
            name=f"{each.name[:150]} (drill {drill.pk})",
            state=StageState.READY if is_opened else StageState.DRAFT,
            coverage=EVERYBODY if is_opened else each.coverage,
            plan=each.plan,
        )
        stage.save_as(by, reason=reason)
    wanted = configuration.read(live)
    edits = difference(configuration.read(twin), wanted)
    others = [edit for edit in edits if edit.parts[0] != "stages"]
    configuration.write(twin, others, wanted, by=by, reason=reason)


def _owner(drill: Drill) -> Person:
    """Who answers for the token: the conductor, or for the host an administrator."""
    if (person := drill.conductor.person_behind) is not None:
        return person
    active = Person.objects.filter(is_active=True)
    found = active.filter(
        role_grants__role=Role.ADMINISTRATOR, role_grants__revoked_at=None
    ).order_by("pk")
    if (owner := found.first()) is None:
        raise WrongMoment(
            "Nobody would own the drill's token: make an administrator first.",
            possible=["manage.py create_person NAME --role administrator"],
        )
    return owner


def close(
    drill_id: int, *, by: Actor, reason: str, step: Step = transaction.atomic
) -> list[str]:
    """End everything of a drill's twin; what was left to end. Twice is once.

    Each part is an act of its own, in a `step` of its own: every act locks its rows
    before the ledger.
    """
    found = Drill.objects.select_related("twin", "token").get(pk=drill_id)
    if (twin := found.twin) is None:
        return []
    said = {"by": by, "reason": reason}
    ended = []
    if found.token is not None and found.token.revoked_at is None:
        with step():
            tokens.take_back(found.token_id, **said)
        ended.append("its token")
    if not Switch.objects.get(rollout=twin).is_engaged:
        with step():
            switch.engage(twin.key, **said)
        ended.append("admission, by its switch")
    for stage in Stage.objects.filter(rollout=twin, state__in=OPEN_STATES):
        with step():
            rollbacks.roll_back(stage.pk, **said)
        ended.append(f"the stage {stage.key}")
    for run_id in _open_runs(twin):
        with step():
            directives.issue(twin.key, run_id, DirectiveKind.REROUTE, **said)
        ended.append(f"the run {run_id}")
    for fingerprint in _signs(twin):
        with step():
            opening.take_signs(fingerprint, **said)
    active = Incident.objects.filter(rollout=twin, state__in=list(ACTIVE))
    for pk in list(active.order_by("pk").values_list("pk", flat=True)):
        with step():
            resolve_incident(pk, **said)
        ended.append(f"incident {pk}")
    with step():
        note_closed(drill_id, ended, **said)
    return ended


def _open_runs(twin: Rollout) -> list[str]:
    found = Run.objects.filter(rollout=twin, finished_at=None).order_by("pk")
    return list(found.values_list("run_id", flat=True))


def _signs(twin: Rollout) -> list[str]:
    found = Sighting.objects.filter(rollout=twin).order_by()
    return list(found.values_list("fingerprint", flat=True).distinct())


@transaction.atomic
def resolve_incident(incident_id: int, *, by: Actor, reason: str) -> None:
    """Nothing of a twin keeps ringing; what happened stays in the timeline."""
    require(by, May.CONDUCT_DRILL)
    incident = incidents.locked(incident_id)
    for act in (Act.ACKNOWLEDGE, Act.MITIGATE, Act.RESOLVE):
        if (State(incident.state), act) in MOVES:
            incidents.change_state(incident, act, by=by, reason=reason)
            record(incidents.VERBS[act], incident, by=by, reason=reason)


@transaction.atomic
def note_closed(drill_id: int, ended: list[str], *, by: Actor, reason: str) -> None:
    """Write down that a twin is closed, if there was anything left to end."""
    require(by, May.CONDUCT_DRILL)
    drill = locked(drill_id)
    if ended:
        record(
            Verb.TWIN_CLOSED,
            drill.twin,
            by=by,
            reason=reason,
            drill=drill.pk,
            ended=ended,
        )


def leftovers(twin: Rollout) -> list[str]:
    """What of a twin is still open."""
    found = []
    if not Switch.objects.get(rollout=twin).is_engaged:
        found.append("its switch is released")
    if Stage.objects.filter(rollout=twin, state__in=OPEN_STATES).exists():
        found.append("a stage is open")
    if Run.objects.filter(rollout=twin, finished_at=None).exists():
        found.append("a run is open")
    if Incident.objects.filter(rollout=twin, state__in=list(ACTIVE)).exists():
        found.append("an incident is active")
    return found
