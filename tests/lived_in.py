"""What fills a portal so that something of every kind has happened in it.

Some of its names are as long as they may be, some are written from the right.
"""

from django.db import transaction

from drills.domain.incidents import Severity, State
from drills.services import opening
from portal.domain.notifications import EndpointKind
from portal.domain.roles import Role
from portal.models import Authentication, Person
from portal.services import actors, approvals, endpoints, people
from rollout.models import Freeze, Stage
from rollout.services import (
    changes,
    configuration,
    freezes,
    proposals,
    rollouts,
    stages,
)
from tests.builders import a_person, an_actor
from tests.drills.builders import an_incident, in_state
from tests.drills.signing import a_signed_gate
from tests.rollout.builders import KEY, a_finished_run

LONG = "Wolfeschlegelsteinhausenbergerdorff" * 9
FROM_THE_RIGHT = "دانا <b>الجديدة</b> & 'שלום' تقرير"
EVERYTHING = ("architect", "engineer", "operator", "qa", "administrator")
SINGLE = ("operator", "engineer", "architect", "auditor", "administrator")


@transaction.atomic  # no worker begins a drill that is over
def fill() -> Person:
    """All of it; whoever is returned has (nearly) every role and can sign in."""
    somebody = a_settled_person(*EVERYTHING, name="Somebody with every role")
    for role in SINGLE:
        a_settled_person(role, name=f"The {role}")
    a_signed_gate()
    for number, failed in enumerate(("", "", "A", "B", "C")):
        a_finished_run(
            f"run-{number}", passed="ABCDEF".replace(failed or "-", ""), failed=failed
        )
    _open_incidents()
    propose_more_runs()
    endpoints.create(
        "on call",
        EndpointKind.WEBHOOK,
        by=an_actor("architect"),
        reason="So that somebody knows.",
        target="https://hooks.example.org/portal",
        events=["incident.*"],
    )
    freezes.confirm_on_call(KEY, by=an_actor("operator", name="On call"), reason="here")
    return somebody


def start_again() -> None:
    """Once the runs that failed have brought the stage down, two people start it."""
    stage = Stage.objects.get(rollout__key=KEY, position=0)
    other = an_actor(
        "architect", name="Agrees", authenticated_by=Authentication.PASSWORD
    )
    for each in Freeze.objects.all():
        freezes.lift(each.pk, by=other, reason="Mended.")
    asker = an_actor("engineer", name="Starts again")
    asked = stages.request_start(stage.pk, by=asker, reason="Mended.")
    approvals.confirm(asked.pk, by=other, reason="Yes.")
    for number in range(10, 14):
        a_finished_run(f"run-{number}")


def a_settled_person(*roles: str, name: str) -> Person:
    """Somebody who knows their password."""
    person = a_person(*roles, name=name)
    person.must_change_password = False
    person.save_as(actors.host(), reason="They know their password.")
    return person


def propose_more_runs() -> None:
    """A change of the engineer's that waits for an architect."""
    plan = configuration.read(rollouts.find(KEY))["stages"]["broad-rollout"]["plan"]
    runs = plan["max_runs"] + 10
    where = "/stages/broad-rollout/plan/max_runs"
    patch = [{"op": "replace", "path": where, "value": runs}]
    engineer = actors.for_person(Person.objects.get(username="the-engineer"))
    changes.propose(KEY, proposals.patch(patch), by=engineer, reason="More runs.")


def _open_incidents() -> None:
    in_state(an_incident(severity=Severity.HIGH), State.MITIGATED)
    in_state(an_incident(), State.REVIEWED)
    stranger = people.invite(
        "dana", by=actors.host(), reason=FROM_THE_RIGHT, full_name=FROM_THE_RIGHT
    )
    people.install_role(stranger.pk, Role.OPERATOR, by=actors.host(), reason="joins")
    for title, by in (
        (LONG[:200], an_actor("operator", name=LONG[:100])),
        (FROM_THE_RIGHT, actors.for_person(stranger)),
    ):
        opening.open_by_hand(KEY, title, Severity.LOW, by=by, reason=title)
