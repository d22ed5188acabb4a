"""Whoever proposes, approves and applies, and by whichever way: two people, always."""

from datetime import timedelta
from itertools import product

import pytest
import time_machine
from django.db import transaction

from portal import clock
from portal.domain.roles import GRANTS, May, Role
from portal.errors import Refusal
from portal.models import Approval, Authentication
from portal.services import actors, approvals, tokens
from rollout.domain.flags import WAVE1_AGENTS
from rollout.models import Change, Flag
from rollout.services import changes, configuration, proposals
from tests.builders import PASSWORD, a_person
from tests.rollout.builders import KEY, a_rollout, approved_and_applied
from tests.rollout.test_admin import page
from tests.rollout.test_admin_changes import send
from tests.rollout.test_admin_proposing import propose

pytestmark = pytest.mark.django_db

PEOPLE = [Role.ARCHITECT, Role.QA, Role.ENGINEER, Role.OPERATOR]
DEFAULT = f"/flags/{WAVE1_AGENTS}/default"
WIDER = 9


class _Undo(Exception):
    """Everything of one trial is taken back."""


@pytest.fixture
def people(db):
    """Four people; the start value was lowered once, so that it can be restored."""
    a_rollout()
    found = {role: a_person(role) for role in PEOPLE}
    for person in found.values():
        person.must_change_password = False
        person.save_as(actors.host(), reason="test")
    by = actors.for_person(found[Role.ENGINEER])
    for value in (WIDER, 6):
        change = changes.propose(KEY, to(value), by=by, reason="before")
        if change.state != "applied":
            approved_and_applied(change)
    return found


def to(value) -> proposals.Wanted:
    return proposals.patch([{"op": "replace", "path": DEFAULT, "value": value}])


def edited(rollout) -> proposals.Wanted:
    return to(WIDER)


def imported(rollout) -> proposals.Wanted:
    document = configuration.read(rollout)
    document["flags"][WAVE1_AGENTS]["default"] = WIDER
    return proposals.replacement(document)


def restored(rollout) -> proposals.Wanted:
    return proposals.revision(rollout, 2)


def at_once(change, applier) -> None:
    changes.apply(change.pk, by=applier, reason="now")


def by_schedule(change, applier) -> None:
    at = clock.now() + timedelta(hours=1)
    changes.schedule(change.pk, at, by=applier, reason="tonight")
    with time_machine.travel(at, tick=True):
        changes.apply_scheduled(change.pk, by=actors.system(), reason="due")


def as_session(person):
    return actors.for_person(person)


def as_token(person):
    made = tokens.create(
        "t", owner=person, scopes=["operate"], by=actors.host(), reason="t", rollout=KEY
    )
    return actors.for_token(made.token)


def may(role: Role, act: May) -> bool:
    return act in GRANTS[role]


@pytest.mark.parametrize(
    ("proposes_as", "wanted", "apply"),
    [  # every pair of two ways at least once
        (as_session, edited, at_once),
        (as_token, edited, by_schedule),
        (as_session, imported, by_schedule),
        (as_token, imported, at_once),
        (as_session, restored, at_once),
        (as_token, restored, by_schedule),
    ],
)
def test_only_two_people_who_may_ever_expose_more(people, proposes_as, wanted, apply):
    passed = set()
    for author, approver, applier in product(PEOPLE, repeat=3):
        try:
            with transaction.atomic():
                _try(people, author, approver, applier, proposes_as, wanted, apply)
                value = Flag.objects.get(key=WAVE1_AGENTS).default
                raise _Undo
        except _Undo:
            assert value in (6, WIDER)
            if value == WIDER:
                passed.add((author, approver, applier))

    by_token = proposes_as is as_token  # its scope says what it may
    assert passed == {
        (author, approver, applier)
        for author, approver, applier in product(PEOPLE, repeat=3)
        if (by_token or may(author, May.PROPOSE_CHANGE))
        and may(approver, May.APPROVE_CHANGE)
        and may(applier, May.PROPOSE_CHANGE)
        and author != approver
    }


def _try(people, author, approver, applier, proposes_as, wanted, apply) -> None:
    """Each of the three goes as far as they are let."""
    by = proposes_as(people[author])
    try:
        with transaction.atomic():
            rollout = Flag.objects.get(key=WAVE1_AGENTS).rollout
            changes.propose(KEY, wanted(rollout), by=by, reason="more")
    except Refusal:
        return
    change = Change.objects.first()
    signed_in = actors.for_person(
        people[approver], authenticated_by=Authentication.PASSWORD
    )
    for act in (
        lambda: approvals.confirm(
            Approval.objects.get(state="pending").pk, by=signed_in, reason="fine"
        ),
        lambda: apply(change, actors.for_person(people[applier])),
    ):
        try:
            with transaction.atomic():
                act()
        except Refusal:
            continue


def test_a_superuser_is_nobody(people):
    everything = a_person("auditor")
    everything.is_superuser = True
    everything.save_as(actors.host(), reason="t")
    by = actors.for_person(everything, authenticated_by=Authentication.PASSWORD)

    with pytest.raises(Refusal):
        changes.propose(KEY, to(WIDER), by=by, reason="mine")
    change = changes.propose(
        KEY, to(WIDER), by=actors.for_person(people[Role.ENGINEER]), reason="more"
    )
    pending = Approval.objects.get(state="pending")
    for act in (
        lambda: approvals.confirm(pending.pk, by=by, reason="mine"),
        lambda: changes.apply(change.pk, by=by, reason="mine"),
    ):
        with pytest.raises(Refusal):
            act()


def test_the_host_exposes_nobody(people):
    lower = changes.propose(KEY, to(2), by=actors.host(), reason="quota")
    with pytest.raises(Refusal) as refusal:
        changes.propose(KEY, to(WIDER), by=actors.host(), reason="more")

    assert lower.state == "applied"
    assert refusal.value.code == "PERSON_REQUIRED"


BACKEND = "django.contrib.auth.backends.ModelBackend"


def in_the_admin(client, people, author, approver, applier) -> None:
    """Pages only: propose, approve with the password, apply."""
    client.force_login(people[author], backend=BACKEND)
    address = page(Flag, "change_default", Flag.objects.get(key=WAVE1_AGENTS).pk)
    if client.get(address).status_code != 200:
        return
    propose(client, address, default=str(WIDER), reason="more")
    change = Change.objects.first()
    for person, act, said in (
        (approver, "approve", {"password": PASSWORD}),
        (applier, "apply", {}),
    ):
        client.force_login(people[person], backend=BACKEND)
        address = page(Change, act, change.pk)
        if client.get(address).status_code == 200:
            send(client, address, reason="fine", **said)


def over_http(client, people, author, approver, applier) -> None:
    """The API with sessions; approving is for the admin alone."""

    def post(person, path, **body):
        client.force_login(people[person], backend=BACKEND)
        return client.post(
            f"/api/v1/{path}?rollout={KEY}",
            {"reason": "more"} | body,
            content_type="application/json",
            headers={"idempotency-key": f"{author}-{approver}-{applier}-{path}"},
        )

    patch = [{"op": "replace", "path": DEFAULT, "value": WIDER}]
    asked = post(author, "changes", patch=patch)
    if asked.status_code != 201:
        return
    change = Change.objects.first()
    signed_in = actors.for_person(
        people[approver], authenticated_by=Authentication.PASSWORD
    )
    try:
        with transaction.atomic():
            pending = Approval.objects.get(state="pending")
            approvals.confirm(pending.pk, by=signed_in, reason="fine")
    except Refusal:
        pass
    post(applier, f"changes/{change.pk}/apply")


@pytest.mark.parametrize("way", [in_the_admin, over_http])
def test_pages_and_api_let_the_same_people_through(client, people, way):
    passed, tried = set(), []
    for number, (author, approver) in enumerate(product(PEOPLE, repeat=2)):
        applier = PEOPLE[number % len(PEOPLE)]
        tried.append((author, approver, applier))
        try:
            with transaction.atomic():
                way(client, people, author, approver, applier)
                if Flag.objects.get(key=WAVE1_AGENTS).default == WIDER:
                    passed.add((author, approver, applier))
                raise _Undo
        except _Undo:
            continue

    assert passed == {
        (author, approver, applier)
        for author, approver, applier in tried
        if may(author, May.PROPOSE_CHANGE)
        and may(approver, May.APPROVE_CHANGE)
        and may(applier, May.PROPOSE_CHANGE)
        and author != approver
    }
    assert passed
