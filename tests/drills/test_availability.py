"""General availability: one act of two people, and everything stays armed."""

import pytest

from drills.domain.incidents import Severity
from drills.domain.scenarios import Scenario
from drills.models import Availability, ReleaseGate
from drills.services import availability, signatures
from portal.errors import NotAllowed, WrongMoment
from portal.models import LedgerEntry
from portal.services import actors, approvals
from rollout.domain.stages import StageState
from rollout.models import Stage
from rollout.services import (
    decisions,
    freezes,
    rollbacks,
    snapshots,
    stages,
    switch,
)
from tests.builders import an_actor, with_password
from tests.drills.builders import an_incident
from tests.drills.signing import (
    a_counting_drill,
    a_pack,
    a_verification,
    sign,
    the_gate,
)
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_service,
    an_open_stage,
    confirmed,
    finished_runs,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage() -> Stage:
    """The last stage at half, with its evidence and everything else ready."""
    found = an_open_stage(
        3, judged_gates=(), promote_bar=None, floor=None, coverage_steps=(50, 100)
    )
    for scenario in Scenario:
        a_counting_drill(scenario, found, observer=an_actor("qa"))
    a_verification()
    freezes.confirm_on_call(KEY, by=an_actor("operator"), reason="here")
    return found


def the_gate_is_signed() -> ReleaseGate:
    gate = the_gate()
    pack = a_pack(gate)
    assert pack.is_complete, pack.troubles
    sign(pack, "architect")
    sign(pack, "qa")
    return gate


def asked(stage: Stage):
    return availability.request_availability(
        stage.pk, by=an_actor("engineer"), reason="Everybody, now."
    )


def workflow_of(run_id: str) -> str:
    service, _ = a_service()
    asks = {"run_id": run_id, **ASKED}
    return decisions.decide_for(KEY, asks, by=service, reason="").workflow


def test_the_last_step_is_opened_by_one_act_of_two_people(stage):
    the_gate_is_signed()
    request = asked(stage)
    before = Stage.objects.get(pk=stage.pk).coverage

    confirmed(request)

    stage.refresh_from_db()
    opened = Availability.objects.get()
    assert (before, stage.coverage, stage.state) == (50, 100, "running")
    assert (opened.architect.role, opened.qa.role) == ("architect", "qa")
    line = LedgerEntry.objects.get(verb="drills.availability.opened")
    assert opened.pack.pack_hash in line.body
    assert snapshots.active(stage.rollout_id).digest == opened.snapshot
    assert workflow_of("run-after") == "option_c"


def test_who_asked_does_not_confirm(stage):
    the_gate_is_signed()
    both = an_actor("architect")
    request = availability.request_availability(stage.pk, by=both, reason="t")

    with pytest.raises(NotAllowed):
        approvals.confirm(request.pk, by=with_password(both), reason="t")

    assert not Availability.objects.exists()


def test_without_the_signatures_it_is_not_even_asked_for(stage):
    the_gate()

    with pytest.raises(WrongMoment) as caught:
        asked(stage)

    assert caught.value.code == "NOT_READY"
    assert any("Gate F signed" in each for each in caught.value.facts["lacking"])


def test_everything_is_looked_at_again_when_it_is_confirmed(stage):
    the_gate_is_signed()
    request = asked(stage)
    an_incident(severity=Severity.HIGH)

    with pytest.raises(WrongMoment):
        confirmed(request)

    stage.refresh_from_db()
    assert stage.coverage == 50


def test_no_change_opens_the_last_step(stage):
    the_gate_is_signed()

    with pytest.raises(WrongMoment) as caught:
        stages.set_coverage(stage.pk, 100, by=an_actor("engineer"), reason="bolder")

    assert caught.value.code == "GENERAL_AVAILABILITY"


def test_a_breach_afterwards_rolls_back_as_ever_and_takes_new_signatures(stage):
    gate = the_gate_is_signed()
    confirmed(asked(stage))

    rollbacks.roll_back(stage.pk, by=actors.system(), reason="Gate A fails.")

    stage.refresh_from_db()
    assert stage.state == StageState.ROLLED_BACK
    assert availability.in_force(stage) is None
    assert not signatures.of_gate(gate).is_signed


def test_the_switch_still_wins(stage):
    the_gate_is_signed()
    confirmed(asked(stage))

    switch.engage(KEY, by=an_actor("operator"), reason="smoke")

    assert workflow_of("run-later") == "standard"


def test_a_stage_before_the_last_needs_no_signature():
    first = an_open_stage(1)
    finished_runs("run", "PPP")

    check = availability.gate_signed(first)

    assert check.is_met
    with pytest.raises(WrongMoment):
        asked(first)
