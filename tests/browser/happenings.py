"""What others do to a live portal while somebody looks at a page in a browser.

Run as a program it does what standard input asks for, one line after the other, so that
Django starts once and not for each happening.
"""

import json
import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.db import transaction

from drills.domain.scenarios import Scenario
from drills.services import packs, release_gates
from portal.domain.roles import Role
from portal.models import Actor, Person
from portal.services import actors, approvals, people
from tests.builders import a_person, with_password
from tests.drills.signing import (
    a_counting_drill,
    a_pack,
    a_verification,
    sent_back,
    sign,
    the_gate,
)
from tests.rollout.builders import KEY, a_running_stage

# Who is there: their user names, and the roles that they got at the installation.
WHO = {
    "engineer": ("engineer",),
    "architect": ("architect",),
    "qa": ("qa",),
    "both": ("architect", "qa"),
    "builder": ("engineer", "architect", "qa"),
    "leaver": ("architect",),
    "loser": ("architect", "operator"),
    "renamed": ("qa",),
    "newcomer": (),
    "keeper": ("administrator", "architect"),
    "keeper-two": ("administrator",),
}


def who(name: str) -> Actor:
    """Somebody who has just typed the password."""
    return with_password(actors.for_person(Person.objects.get(username=name)))


@transaction.atomic
def prepare() -> int:
    """Everybody, and a gate with everything that it requires."""
    for name, roles in WHO.items():
        person = a_person(*roles, name=name)
        person.must_change_password = False
        person.is_superuser = name == "builder"
        person.save_as(actors.host(), reason="They know their password.")
    stage = a_running_stage()
    gate = the_gate()
    for scenario in Scenario:
        a_counting_drill(scenario, stage, observer=who("qa"))
    a_verification()
    return gate.pk


@transaction.atomic
def pack(by: str = "engineer") -> int:
    """A new pack, complete."""
    gate = release_gates.find(KEY, "F")
    made = a_pack(gate, by=who(by))
    assert made.is_complete, made.troubles
    return made.number


@transaction.atomic
def incomplete_pack() -> int:
    """A pack that lacks something."""
    a_verification(failed="fallback-path")
    return a_pack(release_gates.find(KEY, "F"), by=who("engineer")).number


def other_evidence() -> None:
    """The checks have run again, and have passed."""
    a_verification()


def signature(by: str, role: str) -> None:
    """Under the newest pack."""
    sign(packs.newest(release_gates.find(KEY, "F")), role, by=who(by))


def rejection(by: str, role: str) -> None:
    """It is sent back."""
    newest = packs.newest(release_gates.find(KEY, "F"))
    sign(newest, role, by=who(by), said=sent_back("The plan lacks a trigger."))


def other_name(name: str, full_name: str) -> None:
    """Somebody is called otherwise from now on."""
    person = who(name).person
    people.correct(
        person.pk, full_name=full_name, email="", by=who("keeper"), reason="Married."
    )


def deactivation(name: str) -> None:
    """Somebody has left."""
    people.deactivate(who(name).person.pk, by=who("keeper"), reason="Has left.")


def revocation(name: str, role: str) -> None:
    """A role is taken away."""
    people.revoke_role(
        who(name).person.pk, Role(role), by=who("keeper"), reason="Does other work now."
    )


def grant(name: str, role: str) -> None:
    """Two administrators give a role."""
    person = who(name).person
    asked = people.request_role(person.pk, Role(role), by=who("keeper"), reason="t")
    approvals.confirm(asked.pk, by=who("keeper-two"), reason="fine")


if __name__ == "__main__":
    for line in sys.stdin:
        happening, *said = json.loads(line)
        print(json.dumps(globals()[happening](*said)), flush=True)
