"""Four people, four duties: of 256 assignments only the legal ones can sign."""

import re

import pytest
from django.db import transaction
from django.urls import reverse

from drills.domain.duties import Duties, assignments
from drills.domain.scenarios import Scenario
from drills.domain.signoffs import SigningRole
from drills.models import ReleaseGate, Signoff
from portal.errors import NotAllowed
from portal.models import Actor, Person
from portal.services import actors
from rollout.services import changes, proposals
from tests.builders import PASSWORD, an_actor
from tests.drills.signing import a_counting_drill, a_pack, a_ready_gate, sign
from tests.rollout.builders import KEY
from tests.rollout.test_admin import BACKEND

# All of them, on both ways, take minutes.
pytestmark = [pytest.mark.django_db, pytest.mark.faults]
ROLES = ("engineer", "architect", "qa")
LEGAL = {each for each in assignments(range(4)) if each.is_legal}


class Undo(Exception):
    """Put everything back as it was."""


@pytest.fixture
def four() -> list[Actor]:
    """Four people who may do everything, superusers too."""
    made = []
    for _ in range(4):
        actor = an_actor(*ROLES)
        actor.person.is_superuser = True
        actor.person.must_change_password = False
        actor.person.save_as(actors.host(), reason="test")
        made.append(actor)
    return made


def a_pack_built_by(author: Actor, conductor: Actor, gate: ReleaseGate):
    """One has written what is configured, the other has conducted the drills."""
    changes.propose(
        KEY,
        proposals.patch(
            [
                {
                    "op": "replace",
                    "path": "/flags/PAI_DR_CLI_MAX_WAVE1_AGENTS/description",
                    "value": f"As {author} wants it.",
                }
            ]
        ),
        by=author,
        reason="clearer",
    )
    stage = gate.rollout.stages.get(position=0)
    for scenario in Scenario:
        a_counting_drill(scenario, stage, by=conductor, observer=an_actor("qa"))
    return a_pack(gate)


def every_pair(people: list[Actor], gate: ReleaseGate):
    """A pack for each author and conductor, put back afterwards."""
    for author in range(4):
        for conductor in range(4):
            try:
                with transaction.atomic():
                    pack = a_pack_built_by(people[author], people[conductor], gate)
                    yield author, conductor, pack
                    raise Undo
            except Undo:
                pass


def undone(act) -> bool:
    """Whether it can be done; it is undone in any case."""
    try:
        with transaction.atomic():
            act()
            raise Undo
    except Undo:
        return True
    except NotAllowed:
        return False


def test_by_the_service_exactly_the_legal_ones_pass(four):
    gate = a_ready_gate()
    passed = set()

    for author, conductor, pack in every_pair(four, gate):
        for architect in range(4):
            for qa in range(4):

                def both(architect=architect, qa=qa, pack=pack):
                    sign(pack, SigningRole.ARCHITECT, by=four[architect])
                    sign(pack, SigningRole.QA, by=four[qa])

                if undone(both):
                    passed.add(Duties(author, conductor, architect, qa))

    assert passed == LEGAL
    assert len(passed) == 48


def signed_on_the_page(client, person: Person, gate: ReleaseGate, role: str) -> bool:
    """Fill in the form, read the statement, type the password, sign."""
    client.force_login(person, BACKEND)
    address = reverse(f"admin:drills_releasegate_sign_as_{role}", args=[gate.pk])
    said = {f"tick-{n}": "on" for n in range(len(gate.gate.rubric))}
    said |= {"verdict": "pass", "reason": "I have read all of it."}
    said |= hidden(client.get(address))
    shown = client.post(address, said)
    mark = re.search(r'name="shown" value="([^"]+)"', shown.content.decode())
    if mark is None:
        return False
    answer = client.post(address, said | {"shown": mark[1], "password": PASSWORD})
    return answer.status_code == 302


def hidden(page) -> dict[str, str]:
    found = re.findall(
        r'type="hidden" name="(once|rests_on)" value="([^"]*)"', page.content.decode()
    )
    return dict(found)


def test_on_the_pages_exactly_the_legal_ones_pass(client, four):
    gate = a_ready_gate()
    passed = set()

    for author, conductor, _ in every_pair(four, gate):
        for architect in range(4):
            try:
                with transaction.atomic():
                    if not signed_on_the_page(
                        client, four[architect].person, gate, "architect"
                    ):
                        raise Undo
                    for qa in range(4):
                        try:
                            with transaction.atomic():
                                person = four[qa].person
                                if signed_on_the_page(client, person, gate, "qa"):
                                    passed.add(Duties(author, conductor, architect, qa))
                                raise Undo
                        except Undo:
                            pass
                    raise Undo
            except Undo:
                pass

    assert passed == LEGAL
    assert not Signoff.objects.exists()
