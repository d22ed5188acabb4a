"""Whatever a stage needs besides its statistics, made green."""

from drills.domain.verification import Outcome
from drills.models import (
    VerificationHost,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)
from portal import clock
from portal.domain.canonical import digest_of
from rollout.models import OPEN_STATES, Rollout, Stage
from rollout.services import freezes
from tests.builders import an_actor
from tests.drills.drilling import every_scenario_is_fresh
from tests.rollout.builders import KEY


def all_else_is_green(key: str = KEY) -> None:
    """Somebody is on call; a moment ago all was verified, and practised."""
    freezes.confirm_on_call(key, by=an_actor("operator"), reason="here")
    a_green_verification(key)
    for stage in Stage.objects.filter(rollout__key=key, state__in=OPEN_STATES):
        every_scenario_is_fresh(stage)


def a_green_verification(key: str = KEY) -> VerificationRun:
    """A run of a suite with one check, which passed."""
    run = VerificationRun(
        rollout=Rollout.objects.get(key=key),
        reason="test",
        asked_at=clock.now(),
        asked_by=an_actor("engineer"),
    )
    run.save()
    host = VerificationHost.objects.order_by("-looked_at").first()
    suite = host.digest if host else digest_of(["one"])
    VerificationResult(
        run=run,
        name="one",
        suite_digest=suite,
        outcome=Outcome.PASSED,
        exit_code=0,
        started_at=clock.now(),
        duration_s=1.0,
        transcript="fine",
        transcript_digest=digest_of("fine"),
        output_size=4,
        sandbox="bubblewrap",
    ).save()
    VerificationVerdict(
        run=run,
        has_passed=True,
        says="All 1 checks passed.",
        suite_digest=suite,
        host="test",
        finished_at=clock.now(),
    ).save()
    return run
