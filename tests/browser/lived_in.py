"""A portal in which something of every kind has happened, to look at its pages.

Some of its names are as long as they may be, some are written from the right.
"""

from pathlib import Path

from tests.live import KEY, PASSWORD, LivePortal, wait_until

WHO, WORD = "somebody-with-every-role", PASSWORD
FILL = """
from django.db import transaction
from drills.domain.incidents import Severity, State
from portal.domain.notifications import EndpointKind
from drills.services import opening
from portal.domain.roles import Role
from portal.services import actors, endpoints, people
from rollout.services import changes, freezes, proposals
from tests.builders import a_person, an_actor
from tests.drills.builders import an_incident, in_state
from tests.drills.signing import a_signed_gate
from tests.rollout.builders import KEY, a_finished_run

LONG = "Wolfeschlegelsteinhausenbergerdorff" * 9
FROM_THE_RIGHT = "دانا <b>الجديدة</b> & 'שלום' \\u202eتقرير"

with transaction.atomic():
    who = a_person(
        *("architect", "engineer", "operator", "qa", "administrator"),
        name="Somebody with every role",
    )
    who.must_change_password = False
    who.save_as(actors.host(), reason="They know their password.")
    for role in ("operator", "engineer", "architect", "auditor", "administrator"):
        person = a_person(role, name=f"The {role}")
        person.must_change_password = False
        person.save_as(actors.host(), reason="They know their password.")
    a_signed_gate()
    for number, failed in enumerate(("", "", "A", "B", "C")):
        a_finished_run(
            f"run-{number}", passed="ABCDEF".replace(failed or "-", ""), failed=failed
        )
    in_state(an_incident(severity=Severity.HIGH), State.MITIGATED)
    in_state(an_incident(), State.REVIEWED)
    opening.open_by_hand(
        KEY, LONG[:200], Severity.LOW, by=an_actor("operator", name=LONG[:100]),
        reason=LONG * 3,
    )
    stranger = people.invite(
        "dana", by=actors.host(), reason=FROM_THE_RIGHT, full_name=FROM_THE_RIGHT
    )
    people.install_role(stranger.pk, Role.OPERATOR, by=actors.host(), reason="joins")
    opening.open_by_hand(
        KEY, FROM_THE_RIGHT, Severity.LOW, by=actors.for_person(stranger),
        reason=FROM_THE_RIGHT,
    )
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
# Once the runs that failed have brought the stage down, two people start it again.
START_AGAIN = """
from portal.models import Authentication
from portal.services import approvals
from rollout.models import Freeze, Stage
from rollout.services import freezes, stages
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_finished_run

stage = Stage.objects.get(rollout__key=KEY, position=0)
asker = an_actor("engineer", name="Starts again")
other = an_actor(
    "architect", name="Agrees", authenticated_by=Authentication.PASSWORD
)
for each in Freeze.objects.all():
    freezes.lift(each.pk, by=other, reason="Mended.")
asked = stages.request_start(stage.pk, by=asker, reason="Mended.")
approvals.confirm(asked.pk, by=other, reason="Yes.")
for number in range(10, 14):
    a_finished_run(f"run-{number}")
"""
ROLLED_BACK = f"""
SELECT 1 FROM rollout_stage JOIN rollout_rollout AS r ON r.id = rollout_id
WHERE r.key = '{KEY}' AND position = 0 AND state = 'rolled_back'
"""


def lived_in(var: Path) -> LivePortal:
    """Started and filled by acts, as people and services would."""
    live = LivePortal(var)
    try:
        live.start()
        wait_until(lambda: live.query("SELECT digest FROM drills_verificationhost"))
        _carry_out(live, FILL)
        wait_until(lambda: live.query(ROLLED_BACK))
        _carry_out(live, START_AGAIN)
    except BaseException:
        live.stop()
        raise
    return live


def _carry_out(live: LivePortal, code: str) -> None:
    live.manage("shell", "--no-imports", "--verbosity", "0", code=code)
