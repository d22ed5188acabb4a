"""Incidents, as short as they can be."""

from itertools import count

from drills.domain.incidents import MOVES, Act, Kind, Severity, State
from drills.models import Incident
from drills.services import incidents, opening, postmortems, sightings
from portal.models import Actor
from portal.services import actors
from rollout.models import Run
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import ASKED, KEY, a_rollout, a_service

_numbers = count(1)
WAY = (Act.ACKNOWLEDGE, Act.MITIGATE, Act.RESOLVE, Act.REVIEW, Act.CLOSE)


def an_incident(
    *, severity: Severity = Severity.MIDDLE, by: Actor | None = None, **said: object
) -> Incident:
    """Opened by hand, about something new."""
    a_rollout()
    return opening.open_by_hand(
        KEY,
        f"Trouble {next(_numbers)}",
        severity,
        by=by or an_actor("operator"),
        reason="I have seen it.",
        **said,
    )


def in_state(incident: Incident, state: State, *, by: Actor | None = None) -> Incident:
    """Worked on until it has come to this state."""
    worker = by or an_actor("operator")
    if state == State.CANCELLED:
        return move(incident, Act.CANCEL, by=worker)
    for act in WAY:
        if incident.state == state:
            break
        if (State(incident.state), act) not in MOVES:
            continue  # it has come further already
        if act == Act.REVIEW and incident.severity <= 2 and incident.kind != Kind.TEST:
            a_postmortem(incident, by=worker)
        incident = move(incident, act, by=worker)
    assert incident.state == state
    return incident


def move(incident: Incident, act: Act, *, by: Actor | None = None, **said) -> Incident:
    """One act on it."""
    worker = by or an_actor("operator")
    return incidents.move(incident.pk, act, by=worker, reason="done", **said)


def a_postmortem(incident: Incident, *, by: Actor | None = None) -> None:
    """Drafted, and written on by somebody."""
    worker = by or an_actor("operator")
    postmortems.begin(incident.pk, by=worker, reason="begin")
    postmortems.write(incident.pk, "What it was.", 1, by=worker, reason="learned")


def a_run(name: str = "run-1") -> Run:
    """A run that was let in and has reported nothing."""
    service, _ = a_service()
    decide_for(KEY, {"run_id": name, **ASKED}, by=service, reason="")
    return Run.objects.get(run_id=name)


def taken() -> list[Incident | None]:
    """What a worker makes of all signs that wait."""
    waiting = sightings.Sighting.objects.order_by().values_list("fingerprint")
    return [
        opening.take_signs(fingerprint, by=actors.system(), reason="by itself")
        for (fingerprint,) in waiting.distinct()
    ]
