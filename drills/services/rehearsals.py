"""A drill while it is carried out: its twin, its process, and who may stop it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from drills.domain.drills import Moment
from drills.domain.scenarios import Plan, Step
from drills.models import Drill, DrillCapture
from drills.services import captures, obstacles, twins
from drills.services.processes import Process, state_directory
from portal.models import Actor
from portal.services.jobs import held
from rollout.domain.stages import ANY, StagePlan
from rollout.models import Rollout, Run

POLL_S = 0.1
LOOKS_FOR_OBSTACLES_EVERY_S = 1.0
PATIENCE = 2  # so many times its target a step is waited for; then it went otherwise


class Stopped(Exception):
    """Somebody, or what happened meanwhile, wants the drill to end; the message why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step has shown."""

    is_as_expected: bool
    actual: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Rehearsal:
    """What the steps of one drill share."""

    drill: Drill
    plan: Plan
    by: Actor
    reason: str
    twin: Rollout | None = None
    process: Process | None = None
    known: dict[str, Any] = field(default_factory=dict)  # from one step to a later one
    looked_at: float = 0.0

    def open_twin(self) -> Rollout:
        """Make the twin, and ready the process that gets its token."""
        with held():
            self.twin, token = twins.open_for(
                self.drill.pk, by=self.by, reason=self.reason
            )
        self.drill.refresh_from_db()
        self.process = Process(self._arguments(), token, state_directory(self.drill.pk))
        return self.twin

    def _arguments(self) -> list[str]:
        """What to simulate: one run that the twin's stage lets in."""
        stage = StagePlan.from_json(self.drill.stage.plan)
        team = next((each for each in stage.teams if each != ANY), "alpha")
        known = [each for each in stage.query_classes if each != ANY]
        environment = next((each for each in stage.environments if each != ANY), "")
        said = {
            "--url": settings.INTERNAL_URL,
            "--runs": "1",
            "--seed": str(self.drill.pk),
            "--prefix": "drill",
            "--teams": team,
            "--query-classes": known[0] if known else "fixture_replay",
            "--sensitivity": stage.sensitivity,
            "--speed": str(self.plan.speed),
            "--stage-timeout": str(self.plan.stage_timeout_s),
        }
        if environment:
            said["--environment"] = environment
        if self.plan.fault is not None:
            said["--fault"] = f"{self.plan.fault}@1"
        return [part for pair in said.items() for part in pair]

    def act(self, service: Callable[..., Any], *args: Any, **said: Any) -> Any:
        """Carry out an act as the portal does everywhere, as a step of this job."""
        with held():
            return service(*args, by=self.by, reason=self.reason, **said)

    def capture(self, moment: Moment) -> list[DrillCapture]:
        """Keep what the run has now."""
        made: list[DrillCapture] = self.act(
            captures.take, self.drill.pk, self.run, moment
        )
        return made

    @property
    def run(self) -> Run:
        """The run, as the tables have it now."""
        return Run.objects.select_related("rollout", "attempt__stage").get(
            rollout=self.twin, run_id=self.drill.run_id
        )

    @property
    def has_run(self) -> bool:
        """Whether the run was let in, or has reported."""
        return Run.objects.filter(rollout=self.twin, run_id=self.drill.run_id).exists()

    def check_stop(self) -> None:
        """Raise `Stopped` if the drill shall not go on."""
        if time.monotonic() - self.looked_at < LOOKS_FOR_OBSTACLES_EVERY_S:
            return
        self.looked_at = time.monotonic()
        wants = Drill.objects.filter(pk=self.drill.pk).values_list("stop_reason")
        said = wants.get()[0]
        if why := said or obstacles.of(self.drill.rollout):
            raise Stopped(why)

    def wait_for(self, condition: Callable[[], Any], target_s: float) -> Any:
        """What `condition` gives once it holds; falsy when it does not in good time."""
        deadline = time.monotonic() + target_s * PATIENCE
        while True:
            self.check_stop()
            if (found := condition()) or time.monotonic() > deadline:
                return found
            time.sleep(POLL_S)


Method = Callable[[Rehearsal, Step], Seen]
