"""`manage.py run_drill NAME`: have a drill conducted, and wait for its verdict."""

import time
from typing import Any

from django.core.management.base import CommandParser

from drills.domain.drills import VERDICTS, State, lacking
from drills.domain.scenarios import Scenario
from drills.models import Drill
from drills.services import drills, standing
from portal import clock
from portal.commands import PortalCommand
from portal.domain.jobs import Queue
from portal.models import Heartbeat
from portal.services.heartbeats import STALE_AFTER
from rollout.domain.baseline import ROLLOUT

POLL_S = 0.5


class Command(PortalCommand):
    help = (
        "Have the drills worker conduct a drill on a twin of the rollout, and say how "
        "it ended: exit status 0 when it passed, 1 when it did not. It counts once "
        "another person has confirmed it as its observer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help=f"one of {', '.join(Scenario)}")
        parser.add_argument("--rollout", default=ROLLOUT)
        parser.add_argument(
            "--stage", default="", help="the open one, if none is named"
        )
        parser.add_argument("--reason", default="Asked for on the host.")
        parser.add_argument(
            "--wait-s", type=float, default=900, help="give up after this many seconds"
        )

    def carry_out(
        self,
        name: str,
        rollout: str,
        stage: str,
        reason: str,
        wait_s: float,
        **_: Any,
    ) -> None:
        alive = Heartbeat.objects.filter(
            name=f"worker {Queue.DRILLS}", at__gt=clock.now() - STALE_AFTER
        )
        if not alive.exists():
            self.refuse("No drills worker is there: start the portal with `make run`.")
        asked = drills.start(
            rollout, name, by=self.host, reason=reason, stage_key=stage
        )
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            drill = Drill.objects.select_related("twin", "stage").get(pk=asked.pk)
            if drill.state in VERDICTS:
                self._answer(drill)
                return
            time.sleep(POLL_S)
        drills.stop(
            asked.pk, by=self.host, reason="Whoever asked for it waits no more."
        )
        self.found(
            f"Drill {asked.pk} has not ended within {wait_s:.0f} s; it is stopped."
        )

    def _answer(self, drill: Drill) -> None:
        steps = list(drill.steps.all())
        lines = [
            f"{each.outcome:12} {each.took_s:6.1f} s  {each.name}: {each.actual}"
            for each in steps
        ]
        self.say(
            "\n".join([*lines, f"{drill.state} {' '.join(drill.reasons)}".strip()]),
            id=drill.pk,
            scenario=drill.scenario,
            verdict=drill.state,
            reasons=drill.reasons,
            stage=drill.stage.key,
            twin=drill.twin.key if drill.twin else None,
            artifacts=[
                {
                    "path": each.path,
                    "moment": each.moment,
                    "digest": each.digest,
                    "size": each.size,
                    "trouble": each.trouble,
                }
                for each in drill.captures.all()
            ],
            times=[
                {
                    "step": each.name,
                    "took_s": each.took_s,
                    "target_s": each.target_s,
                    "outcome": each.outcome,
                    "actual": each.actual,
                }
                for each in steps
            ],
            lacks=lacking(standing.facts_of(drill)),
        )
        if drill.state != State.PASSED:
            self.found(" ".join(drill.reasons) or f"The drill has {drill.state}.")
