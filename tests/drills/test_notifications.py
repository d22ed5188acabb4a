"""Whoever wants to is told of incidents, and told apart from drills."""

import pytest

from drills.domain.incidents import Severity, State
from drills.domain.verbs import Verb
from portal.domain import notifications as domain
from portal.services.notifications import EVENTS
from tests.drills.builders import an_incident, in_state

pytestmark = pytest.mark.django_db


def test_what_happens_to_an_incident_is_an_event():
    names = {verb: EVENTS[verb].name for verb in Verb if verb in EVENTS}

    assert names[Verb.INCIDENT_OPENED] == "incident.opened"
    assert names[Verb.TASK_GIVEN] == "incident.task_given"
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("severity", "matters"),
    [
        (Severity.CRITICAL, domain.Severity.CRITICAL),
        (Severity.HIGH, domain.Severity.CRITICAL),
        (Severity.MIDDLE, domain.Severity.WARNING),
        (Severity.LOW, domain.Severity.WARNING),
    ],
)
def test_a_serious_one_matters_more(severity, matters):
    event = EVENTS[Verb.INCIDENT_OPENED]

    assert event.severity_of(an_incident(severity=severity)) == matters


@pytest.mark.parametrize(("kind", "is_live"), [("real", True), ("drill", False)])
def test_a_drill_is_told_as_one(kind, is_live):
    incident = in_state(an_incident(kind=kind), State.ACKNOWLEDGED)

    place = EVENTS[Verb.INCIDENT_ACKNOWLEDGED].place(incident, {})

    assert (place.rollout, place.is_live) == (incident.rollout.key, is_live)
