"""The matrix is changed by two people, and incidents keep the steps they began with."""

import pytest

from drills.domain.baseline import ROWS
from drills.domain.signs import Origin
from drills.models import Incident, MatrixRow
from drills.services import matrix
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WrongMoment
from portal.models import Actor, LedgerEntry
from portal.services import actors, approvals
from rollout.services.consequences import Cause, announce
from tests.builders import an_actor, with_password
from tests.drills.builders import a_run, taken
from tests.rollout.builders import a_running_stage, confirmed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]
HANG = ROWS["silent-hang"].to_json()
OTHER = {**HANG, "diagnosis": ["Look at the disk."]}


@pytest.fixture
def engineer() -> Actor:
    return an_actor("engineer")


def test_the_matrix_ships_whole_and_is_made_once(rows):
    assert set(rows) == set(ROWS)
    assert {each.key: each.row for each in MatrixRow.objects.all()} == ROWS
    assert matrix.seed(by=actors.host(), reason="again") == []


def test_a_change_takes_another_person_and_makes_a_version(engineer):
    asked = matrix.propose("silent-hang", OTHER, by=engineer, reason="It was the disk.")
    before = MatrixRow.objects.get(key="silent-hang")
    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=with_password(engineer), reason="fine")

    confirmed(asked)

    after = MatrixRow.objects.get(key="silent-hang")
    assert (before.version, before.diagnosis) == (1, HANG["diagnosis"])
    assert (after.version, after.diagnosis) == (2, ["Look at the disk."])
    versions = after.history.order_by("version").values_list("version", flat=True)
    assert list(versions) == [1, 2]
    verbs = LedgerEntry.objects.order_by("-seq").values_list("verb", flat=True)[:2]
    assert "drills.matrix_row.changed" in verbs


@pytest.mark.parametrize("role", ["auditor", "administrator", "qa"])
def test_who_may_not_propose_is_refused(role):
    with pytest.raises(NotAllowed):
        matrix.propose("silent-hang", OTHER, by=an_actor(role), reason="t")


def test_a_new_row_matches_nothing_before_it_is_approved(engineer):
    said = {**HANG, "matches": [{"sign": "agent_silent", "gate": ""}]}
    asked = matrix.propose("agent-silent", said, by=engineer, reason="t")
    assert matrix.match(Origin("agent_silent")) is None

    confirmed(asked)

    assert matrix.match(Origin("agent_silent")).key == "agent-silent"


def test_a_retired_row_matches_nothing_and_can_come_back(engineer):
    act = {"by": engineer, "reason": "t"}
    confirmed(matrix.propose_retirement("silent-hang", **act))
    assert matrix.match(Origin("timed_out")) is None
    with pytest.raises(WrongMoment):
        matrix.propose_retirement("silent-hang", **act)

    confirmed(matrix.propose("silent-hang", HANG, **act))

    assert matrix.match(Origin("timed_out")).version == 3


def test_a_proposal_that_rests_on_an_older_version_is_stale(engineer):
    first = matrix.propose_retirement("silent-hang", by=engineer, reason="t")
    second = matrix.propose("silent-hang", OTHER, by=engineer, reason="t")
    confirmed(second)

    with pytest.raises(WrongMoment) as refused:
        confirmed(first)

    assert refused.value.code == "APPROVAL_STALE"


def test_two_proposals_that_claim_one_sign_are_not_both_approved(engineer):
    said = {**HANG, "matches": [{"sign": "agent_silent", "gate": ""}]}
    first = matrix.propose("first", said, by=engineer, reason="t")
    second = matrix.propose("second", said, by=engineer, reason="t")
    confirmed(first)

    with pytest.raises(Conflict, match="agent_silent"):
        confirmed(second)


def test_what_is_no_row_or_says_nothing_new_is_refused(engineer):
    act = {"by": engineer, "reason": "t"}

    with pytest.raises(WrongMoment):
        matrix.propose("silent-hang", HANG, **act)
    with pytest.raises(Invalid):
        matrix.propose("silent-hang", {**HANG, "severity": 9}, **act)
    with pytest.raises(Invalid):
        matrix.propose("No Key", HANG, **act)
    with pytest.raises(Conflict):
        matrix.propose("another", HANG, **act)
    with pytest.raises(NotFound):
        matrix.propose_retirement("another", **act)
    assert not MatrixRow.objects.filter(key="another").exists()


def test_an_incident_keeps_the_steps_that_it_began_with(engineer):
    a_running_stage()
    run = a_run()
    announce(Cause.TIMED_OUT, run, by=actors.system())
    taken()

    confirmed(matrix.propose("silent-hang", OTHER, by=engineer, reason="t"))

    found = Incident.objects.get()
    assert (found.row_version, found.steps) == (1, HANG["diagnosis"])
