"""`manage.py run_verification`: ask for the verification suite, and wait for it."""

import time
from typing import Any

from django.core.management.base import CommandParser

from drills.models import VerificationRun
from drills.services import verification
from portal.commands import PortalCommand
from rollout.domain.baseline import ROLLOUT

POLL_S = 0.5


class Command(PortalCommand):
    help = (
        "Have a drills worker carry out every check of its verification file, and say "
        "how it ended: exit status 0 when all passed, 1 when one did not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", default=ROLLOUT)
        parser.add_argument("--reason", default="Asked for on the host.")
        parser.add_argument(
            "--wait-s", type=float, default=3600, help="give up after this many seconds"
        )

    def carry_out(self, rollout: str, reason: str, wait_s: float, **_: Any) -> None:
        asked = verification.start(rollout, by=self.host, reason=reason)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            run = VerificationRun.objects.select_related("verdict").get(pk=asked.pk)
            if hasattr(run, "verdict"):
                self._answer(run)
                return
            time.sleep(POLL_S)
        self.found(f"Verification {asked.pk} has not ended; is a drills worker there?")

    def _answer(self, run: VerificationRun) -> None:
        results = list(run.results.all())
        lines = [f"{each.outcome:12} {each.name}" for each in results]
        self.say(
            "\n".join([*lines, run.verdict.says]),
            id=run.pk,
            has_passed=run.verdict.has_passed,
            says=run.verdict.says,
            suite=run.verdict.suite_digest,
            results=[
                {
                    "name": each.name,
                    "outcome": each.outcome,
                    "exit_code": each.exit_code,
                    "duration_s": each.duration_s,
                    "transcript_digest": each.transcript_digest,
                }
                for each in results
            ],
        )
        if not run.verdict.has_passed:
            self.found(run.verdict.says)
