"""A portal in which something of every kind has happened, to look at its pages."""

from pathlib import Path

from tests.builders import PASSWORD
from tests.live import LivePortal, wait_until

WHO, WORD = "somebody-with-every-role", PASSWORD
FILL = """
from django.db import transaction
from drills.domain.incidents import Severity, State
from portal.domain.notifications import EndpointKind
from portal.services import actors, endpoints
from rollout.services import changes, freezes, proposals
from tests.builders import a_person, an_actor
from tests.drills.builders import an_incident, in_state
from tests.drills.signing import a_signed_gate
from tests.rollout.builders import KEY, a_finished_run

with transaction.atomic():
    who = a_person(
        *("architect", "engineer", "operator", "qa", "administrator"),
        name="Somebody with every role",
    )
    who.must_change_password = False
    who.save_as(actors.host(), reason="They know their password.")
    a_signed_gate()
    for number, failed in enumerate(("", "", "A", "B", "C")):
        a_finished_run(
            f"run-{number}", passed="ABCDEF".replace(failed or "-", ""), failed=failed
        )
    in_state(an_incident(severity=Severity.HIGH), State.MITIGATED)
    in_state(an_incident(), State.REVIEWED)
    an_incident()
    engineer = an_actor("engineer")
    patch = [{"op": "replace", "path": "/stages/broad-rollout/plan/max_runs",
              "value": 700}]
    changes.propose(KEY, proposals.patch(patch), by=engineer, reason="More runs.")
    endpoints.create(
        "on call", EndpointKind.WEBHOOK, by=an_actor("architect"),
        reason="So that somebody knows.", target="https://hooks.example.org/portal",
        events=["incident.*"],
    )
    freezes.confirm_on_call(KEY, by=an_actor("operator", name="On call"), reason="here")
"""


def lived_in(var: Path) -> LivePortal:
    """Started and filled by acts, as people and services would."""
    live = LivePortal(var)
    live.start()
    wait_until(lambda: live.query("SELECT digest FROM drills_verificationhost"))
    live.manage("shell", "--no-imports", "--verbosity", "0", code=FILL)
    return live
