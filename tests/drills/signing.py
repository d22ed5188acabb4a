"""Gates with everything that they require, and people who may sign them."""

from datetime import timedelta

from django.conf import settings

from drills.domain.drills import Means, Moment, State
from drills.domain.release_gates import GATE_F
from drills.domain.scenarios import Scenario
from drills.domain.signoffs import Said, SigningRole, Tick, Verdict
from drills.domain.verification import Outcome
from drills.models import (
    Drill,
    EvidencePack,
    ReleaseGate,
    Signoff,
    VerificationHost,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)
from drills.services import packs, release_gates, signoffs, twins
from portal import clock
from portal.models import Actor
from portal.services import actors
from rollout.models import Stage
from tests.builders import an_actor, with_password
from tests.drills.drilling import capture
from tests.rollout.builders import KEY, a_running_stage

CHECKS = ("feature-flags", "fallback-path", "watchdog-timeout", "fallback-offer")
SUITE = "sha256:" + "5" * 64


def the_gate() -> ReleaseGate:
    """Gate F of the baseline."""
    release_gates.seed(by=actors.host(), reason="test")
    return release_gates.find(KEY, "F")


def a_counting_drill(
    scenario: Scenario,
    stage: Stage,
    *,
    by: Actor | None = None,
    observer: Actor | None = None,
) -> Drill:
    """One that counts, written down as it ends; `drilling` has what leads to it."""
    now, system = clock.now(), actors.system()
    drill = Drill(
        rollout=stage.rollout,
        stage=stage,
        scenario=scenario,
        means=Means.MACHINE,
        state=State.PASSED,
        environment=settings.ENVIRONMENT,
        fingerprint=twins.fingerprint_of(stage),
        reason="Practice.",
        conductor=by or actors.host(),
        observer=observer or an_actor("qa"),
        asked_at=now,
        started_at=now,
        ended_at=now,
        observed_at=now,
    )
    drill.save_as(system, reason="test")
    for moment in (Moment.BEFORE, Moment.AFTER):
        capture(drill, moment)
    return drill


def a_verification(*, by: Actor | None = None, failed: str = "") -> VerificationRun:
    """A run of the four checks that has ended."""
    stage = Stage.objects.get(rollout__key=KEY, position=0)
    now = clock.now()
    host = VerificationHost.objects.order_by("-looked_at").first()
    suite = host.digest if host else SUITE
    run = VerificationRun(
        rollout=stage.rollout,
        reason="test",
        asked_at=now,
        asked_by=by or actors.host(),
    )
    run.save()
    for name in CHECKS:
        VerificationResult(
            run=run,
            name=name,
            suite_digest=suite,
            outcome=Outcome.FAILED if name == failed else Outcome.PASSED,
            exit_code=int(name == failed),
            started_at=now,
            duration_s=1.0,
            transcript=f"$ pytest {name}\n1 passed\n",
            transcript_digest="sha256:" + "7" * 64,
            output_size=20,
            sandbox="test",
        ).save()
    VerificationVerdict(
        run=run,
        has_passed=not failed,
        says="All 4 checks passed." if not failed else f"{failed} failed.",
        suite=[],
        suite_digest=suite,
        host="test",
        finished_at=now,
    ).save()
    return run


def a_ready_gate() -> ReleaseGate:
    """Gate F with everything that it requires, and a stage that a person judges."""
    stage = a_running_stage()
    gate = the_gate()
    observer = an_actor("qa")
    for scenario in Scenario:
        a_counting_drill(scenario, stage, observer=observer)
    a_verification()
    return gate


def a_pack(gate: ReleaseGate, *, by: Actor | None = None) -> EvidencePack:
    """Asked for and assembled."""
    asked = packs.order(
        gate.rollout.key, gate.letter, by=by or an_actor("engineer"), reason="Please."
    )
    return packs.assemble(asked.pk, by=actors.system(), reason="test")


def passed(gate=GATE_F, note: str = "") -> Said:
    """Everything is ticked."""
    ticks = tuple(Tick(item=each.key, is_ticked=True) for each in gate.rubric)
    return Said(verdict=Verdict.PASS, ticks=ticks, note=note)


def sent_back(note: str = "The plan lacks a trigger.", gate=GATE_F) -> Said:
    """Something has to change."""
    ticks = tuple(Tick(item=each.key, is_ticked=False) for each in gate.rubric)
    return Said(verdict=Verdict.CHANGES_REQUIRED, ticks=ticks, note=note)


def sign(
    pack: EvidencePack,
    role: SigningRole | str,
    *,
    by: Actor | None = None,
    said: Said | None = None,
    delegation_id: int | None = None,
) -> Signoff:
    """Read the statement, type the password, sign."""
    role = SigningRole(role)
    person = with_password(by or an_actor(role))
    said = said or passed(pack.gate.gate)
    drafted = signoffs.draft(
        pack.pack_hash, role, said, by=person, delegation_id=delegation_id
    )
    return signoffs.sign(
        pack.pack_hash,
        role,
        said,
        shown=drafted.digest,
        by=person,
        reason="Signed.",
        delegation_id=delegation_id,
    )


def a_signed_gate() -> tuple[ReleaseGate, EvidencePack]:
    """Architect and QA have signed."""
    gate = a_ready_gate()
    pack = a_pack(gate)
    assert pack.is_complete, pack.troubles
    sign(pack, "architect")
    sign(pack, "qa")
    return gate, pack


DAY = timedelta(days=1)
