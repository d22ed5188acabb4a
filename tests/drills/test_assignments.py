"""Four people, four duties: of 256 assignments only the legal ones can sign."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import reverse

from drills.domain.duties import Duties, assignments
from drills.domain.scenarios import Scenario
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
# Author and conductor, and the pairs of architect and QA that may sign what they built.
WHO_MAY_SIGN = {
    "00": "12 13 21 23 31 32",
    "01": "23 32",
    "02": "13 31",
    "03": "12 21",
    "10": "23 32",
    "11": "02 03 20 23 30 32",
    "12": "03 30",
    "13": "02 20",
    "20": "13 31",
    "21": "03 30",
    "22": "01 03 10 13 30 31",
    "23": "01 10",
    "30": "12 21",
    "31": "02 20",
    "32": "01 10",
    "33": "01 02 10 12 20 21",
}
LEGAL = {
    Duties(*map(int, builders + signers))
    for builders, pairs in WHO_MAY_SIGN.items()
    for signers in pairs.split()
}


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
    for author, conductor in product(range(4), repeat=2):
        with undoing():
            pack = a_pack_built_by(people[author], people[conductor], gate)
            yield author, conductor, pack


@contextmanager
def undoing():
    """Whatever is done in here is undone afterwards."""
    with suppress(Undo), transaction.atomic():
        yield
        raise Undo


def passing(
    author: int, conductor: int, signs: Callable[[int, str], bool]
) -> Iterator[Duties]:
    """Who can sign what these two have built; `signs` says whether somebody could."""
    for architect in range(4):
        with undoing():
            if not signs(architect, "architect"):
                continue
            for qa in range(4):
                with undoing():
                    if signs(qa, "qa"):
                        yield Duties(author, conductor, architect, qa)


def test_the_48_that_are_listed_are_those_that_the_rule_calls_legal():
    every = assignments(range(4))

    legal = {each for each in every if each.is_legal}

    assert len(every) == 256
    assert legal == LEGAL


def test_by_the_service_exactly_the_legal_ones_pass(four):
    gate = a_ready_gate()
    passed = set()

    for author, conductor, pack in every_pair(four, gate):

        def signs(person: int, role: str, pack=pack) -> bool:
            try:
                sign(pack, role, by=four[person])
            except NotAllowed:
                return False
            return True

        passed |= set(passing(author, conductor, signs))

    assert passed == LEGAL
    assert len(passed) == 48


class SigningPage:
    """The pages on which a pack is signed, read once; its forms are sent by anybody.

    What a form rests on is the same for everybody who looks at the same evidence. A
    button that is hidden from somebody keeps nobody from sending its form, and that is
    what is tried here.
    """

    def __init__(self, client, gate: ReleaseGate, reader: Person) -> None:
        self.client, self.gate = client, gate
        client.force_login(reader, BACKEND)
        page = client.get(self.address("qa")).content.decode()
        self.rests_on = re.search(r'name="rests_on" value="([^"]+)"', page)[1]

    def address(self, role: str) -> str:
        return reverse(f"admin:drills_releasegate_sign_as_{role}", args=[self.gate.pk])

    def sign(self, person: Person, role: str) -> bool:
        """Fill in the form, read the statement, type the password, sign."""
        self.client.force_login(person, BACKEND)
        said = {f"tick-{n}": "on" for n in range(len(self.gate.gate.rubric))}
        said |= {"verdict": "pass", "reason": "I have read all of it."}
        said |= {"once": uuid4().hex, "rests_on": self.rests_on}
        shown = self.client.post(self.address(role), said)
        mark = re.search(r'name="shown" value="([^"]+)"', shown.content.decode())
        if mark is None:
            assert shown.status_code == 422
            return False
        said |= {"shown": mark[1], "password": PASSWORD}
        return self.client.post(self.address(role), said).status_code == 302


def test_on_the_pages_exactly_the_legal_ones_pass(client, four):
    gate = a_ready_gate()
    passed = set()

    for author, conductor, _ in every_pair(four, gate):
        pages = SigningPage(client, gate, four[0].person)

        def signs(person: int, role: str, pages=pages) -> bool:
            return pages.sign(four[person].person, role)

        passed |= set(passing(author, conductor, signs))

    assert passed == LEGAL
    assert len(passed) == 48
    assert not Signoff.objects.exists()
