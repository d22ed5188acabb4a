"""Evidence packs: what is in them, and what they lack."""

from datetime import timedelta

import pytest
import time_machine

from drills.domain.drills import Outcome
from drills.domain.scenarios import Scenario
from drills.models import Waiver
from drills.services import (
    drills,
    packs,
    signatures,
    waivers,
)
from portal import clock
from portal.domain.canonical import digest
from portal.errors import NotAllowed, WrongMoment
from portal.services import actors
from rollout.services import vault
from tests.builders import an_actor
from tests.drills.drilling import a_conducted_drill
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    a_verification,
    sign,
    the_gate,
)
from tests.rollout.builders import KEY, a_running_stage, confirmed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sealer")]


def test_a_pack_names_every_file_with_its_digest_under_one_hash():
    pack = a_pack(a_ready_gate())

    said = packs.said_in(pack)

    assert pack.is_complete, pack.troubles
    assert pack.pack_hash == digest(pack.manifest.encode())
    assert {each["state"] for each in said["evidence"]} == {"met"}
    assert len(said["evidence"]) == 15
    for each in packs.files_of(pack):
        assert digest(b"".join(vault.read(each.digest))) == each.digest
    names = set(said["files"])
    assert {"gate.json", "configuration/triggers.json", "incidents.json"} <= names
    assert sum(name.startswith("drills/") for name in names) == 4
    assert sum(name.startswith("verification/transcripts/") for name in names) == 4


def test_it_names_everybody_who_had_a_part_and_nobody_who_only_looked():
    conductor, submitter = an_actor("operator"), an_actor("engineer")
    gate = a_ready_gate()
    drill = a_conducted_drill(Scenario.PAUSE_RESUME, by=conductor)
    observer = an_actor("qa")
    drills.observe(drill.pk, "", by=observer, reason="I saw it.")

    pack = a_pack(gate, by=submitter)

    involved = {each.person: each.parts for each in pack.participants.all()}
    assert involved[submitter.person] == ["submitter of pack 1"]
    assert involved[conductor.person] == [
        f"conductor of drill {drill.pk} (pause_resume)"
    ]
    assert observer.person not in involved


def test_the_same_evidence_again_is_another_pack_with_the_same_evidence_digest():
    gate = a_ready_gate()

    one, two = a_pack(gate), a_pack(gate)

    assert one.evidence_digest == two.evidence_digest
    assert one.pack_hash != two.pack_hash
    assert (one.number, two.number) == (1, 2)


def test_there_is_one_pack_at_a_time_and_a_job_makes_it_once():
    gate = a_ready_gate()
    asked = packs.order(KEY, "F", by=an_actor("engineer"), reason="Please.")

    with pytest.raises(WrongMoment) as caught:
        packs.order(KEY, "F", by=an_actor("engineer"), reason="Please.")
    once = packs.assemble(asked.pk, by=actors.system(), reason="t")
    twice = packs.assemble(asked.pk, by=actors.system(), reason="t")

    assert caught.value.code == "PACK_UNDER_WAY"
    assert once == twice
    assert packs.newest(gate) == once


@pytest.mark.parametrize("role", ["architect", "qa", "auditor", "administrator"])
def test_who_signs_or_only_reads_assembles_nothing(role):
    the_gate_is_there = a_running_stage() and the_gate()
    assert the_gate_is_there

    with pytest.raises(NotAllowed):
        packs.order(KEY, "F", by=an_actor(role), reason="t")


def test_what_is_missing_is_named_and_makes_the_pack_incomplete():
    a_running_stage()
    gate = the_gate()

    pack = a_pack(gate)

    assert not pack.is_complete
    missing = {e["key"] for e in packs.said_in(pack)["evidence"] if e["state"] != "met"}
    assert missing == {
        *("drill-pause-resume", "drill-emergency-disable"),
        *("drill-hard-gate-fallback", "drill-forced-timeout", "fallback-proof"),
        *("check-feature-flags", "check-fallback-path"),
        *("check-watchdog-timeout", "check-fallback-offer"),
    }


def test_a_drill_that_is_flagged_or_failed_since_does_not_meet_its_requirement():
    gate = a_ready_gate()
    a_conducted_drill(Scenario.FORCED_TIMEOUT, outcome=Outcome.OTHERWISE)

    pack = a_pack(gate)

    (trouble,) = pack.troubles
    assert "has failed since" in trouble


def test_a_waiver_by_two_people_settles_a_requirement_until_it_ends():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        a_verification(failed="watchdog-timeout")
        asker = an_actor("engineer", "architect")
        asked = waivers.request_waiver(
            KEY,
            "F",
            "check-watchdog-timeout",
            clock.now() + timedelta(days=3),
            by=asker,
            reason="The host is too slow for it.",
        )
        confirmed(asked)
        pack = a_pack(gate)
        with pytest.raises(NotAllowed) as caught:
            sign(pack, "architect", by=asker)
        sign(pack, "architect")
        sign(pack, "qa")
        during = signatures.of_gate(gate).is_signed

        now.shift(timedelta(days=3, seconds=1))

        assert pack.is_complete
        assert caught.value.code == "INVOLVED"
        assert "The host is too slow for it." in pack.manifest
        assert during
        assert not signatures.of_gate(gate).is_signed


def test_an_open_serious_incident_cannot_be_waived():
    a_ready_gate()

    with pytest.raises(NotAllowed) as caught:
        waivers.request_waiver(
            KEY,
            "F",
            "no-serious-incident",
            clock.now() + timedelta(days=1),
            by=an_actor("engineer"),
            reason="t",
        )

    assert caught.value.code == "NOT_WAIVABLE"
    assert not Waiver.objects.exists()
