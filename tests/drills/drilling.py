"""Drills that have been conducted, without the minutes that a real one takes."""

from drills.domain.drills import Moment, Outcome, State
from drills.domain.scenarios import PLANS, Scenario
from drills.models import Drill, DrillCapture, DrillStep
from drills.services import conducting, drills
from portal import clock
from portal.models import Actor
from portal.services import actors
from rollout.models import Rollout, Stage
from rollout.services import scans, vault
from tests.builders import an_actor
from tests.rollout.builders import KEY

CONTENT = b"# Findings\n\nLoad arch cable.\n"


def capture(drill: Drill, moment: Moment, content: bytes = CONTENT) -> DrillCapture:
    """An artifact of the drill's run, captured and scanned."""
    stored = vault.put([content], limit=len(content))
    made = DrillCapture(
        drill=drill,
        moment=moment,
        path="wave-1/p1.md",
        digest=stored.digest,
        size=stored.size,
        captured_at=clock.now(),
        captured_by=actors.system(),
    )
    made.save()
    scans.scan(stored.digest, by=actors.system(), reason="test")
    return made


def a_conducted_drill(
    scenario: Scenario = Scenario.PAUSE_RESUME,
    *,
    by: Actor | None = None,
    stage: Stage | None = None,
    outcome: Outcome = Outcome.AS_EXPECTED,
    content: bytes = CONTENT,
) -> Drill:
    """Asked for, begun, every step noted, captured, concluded; not observed."""
    drill = drills.start(
        KEY,
        scenario,
        by=by or an_actor("operator"),
        reason="Practice.",
        stage_key=stage.key if stage else "",
    )
    system = actors.system()
    conducting.begin(drill.pk, by=system, reason="test")
    for number, step in enumerate(PLANS[scenario].steps, start=1):
        row = DrillStep(
            drill=drill,
            number=number,
            name=step.name,
            phase=step.phase,
            does=step.does,
            expects=step.expects,
            actual="So it was.",
            outcome=outcome if number == 4 else Outcome.AS_EXPECTED,
            target_s=step.target_s,
            took_s=1.0,
            started_at=clock.now(),
            ended_at=clock.now(),
        )
        conducting.note(row, by=system, reason="test")
    for moment in (Moment.BEFORE, Moment.AFTER):
        capture(drill, moment, content)
    return conducting.conclude(drill.pk, by=system, reason="test")


def an_observed_drill(
    scenario: Scenario = Scenario.PAUSE_RESUME, *, stage: Stage | None = None
) -> Drill:
    """One that counts."""
    drill = a_conducted_drill(scenario, stage=stage)
    assert drill.state == State.PASSED
    return drills.observe(drill.pk, "", by=an_actor("qa"), reason="I saw it.")


def every_scenario_is_fresh(stage: Stage) -> None:
    """All four count for this stage."""
    for scenario in Scenario:
        an_observed_drill(scenario, stage=stage)


def the_live_one() -> Rollout:
    """The rollout of the baseline."""
    return Rollout.objects.get(key=KEY)
