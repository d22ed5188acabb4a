"""Runs that hang: a timer that pauses with the run, and what is left behind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rollout.domain.runs import TIMEOUTS_S, RunStage

POLICY_PATH = "run-config/policy.json"
CHECKPOINT_JSON = "logs/timeout-checkpoint.json"
CHECKPOINT_TEXT = "logs/timeout-checkpoint.md"
CAUSE = "timeout"

LONGEST_TIMEOUT_S = 30 * 86400
NEXT_STEPS = (
    "Inspect logs/audit.jsonl for recent events.",
    "Decide whether to restart this stage or abort run.",
)


def timeouts_of(policy: Mapping[str, Any]) -> dict[str, int]:
    """The seconds per stage that a run's own policy (`run_policy.v1`) names.

    What is no whole number of seconds that makes sense is left out, so that the
    table holds for it.
    """
    said = policy.get("stage_timeouts_seconds_v1")
    if not isinstance(said, dict):
        return {}
    return {
        str(stage): said[stage]
        for stage in RunStage
        if isinstance(said.get(stage), int)
        and not isinstance(said[stage], bool)
        and 0 < said[stage] <= LONGEST_TIMEOUT_S
    }


def timeout_of(stage: str, own: Mapping[str, int]) -> timedelta:
    """How long a run may stay in a stage without progress; `own` is its policy."""
    known = RunStage(stage or RunStage.INIT)
    return timedelta(seconds=own.get(known, TIMEOUTS_S[known]))


@dataclass(frozen=True, slots=True)
class Timer:
    """A run's timer: it runs towards a moment, or stands with time left, or is off."""

    times_out_at: datetime | None = None
    time_left: timedelta | None = None

    def going(self, now: datetime) -> "Timer":
        """Running; one that stood goes on with what was left."""
        if self.time_left is not None:
            return Timer(times_out_at=now + self.time_left)
        return self

    def standing(self, now: datetime) -> "Timer":
        """Standing: paused time does not count."""
        if self.times_out_at is not None:
            left = max(self.times_out_at - now, timedelta(0))
            return Timer(time_left=left)
        return self

    def stretched(self, by: timedelta) -> "Timer":
        """With more time (or less)."""
        if self.times_out_at is not None:
            return Timer(times_out_at=self.times_out_at + by)
        if self.time_left is not None:
            return Timer(time_left=max(self.time_left + by, timedelta(0)))
        return self


def started(timeout: timedelta, now: datetime) -> Timer:
    """A timer that starts now."""
    return Timer(times_out_at=now + timeout)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stood when its time was up (`timeout_checkpoint.v1`).

    `timer_origin` is on the portal's clock, the two moments of the stage are on the
    run's own; they are None for a run that never reported.
    """

    stage: str
    now: datetime
    timeout_s: int
    elapsed_s: int
    timer_origin: datetime
    started_at: str | None
    last_progress_at: str | None
    subtask: str | None = None

    def content(self) -> dict[str, Any]:
        """The members of `logs/timeout-checkpoint.json`."""
        origin = moment(self.timer_origin)
        started = self.started_at or origin
        progressed = self.last_progress_at
        is_by_progress = progressed is not None and progressed > started
        return {
            "schema_version": "timeout_checkpoint.v1",
            "generated_at": moment(self.now),
            "stage": self.stage,
            "elapsed_seconds": self.elapsed_s,
            "timeout_seconds": self.timeout_s,
            "timer_origin_field": (
                "stage.last_progress_at" if is_by_progress else "stage.started_at"
            ),
            "timer_origin": origin,
            "stage_started_at": started,
            "stage_last_progress_at": progressed,
            "last_known_subtask": self.subtask,
            "next_steps": list(NEXT_STEPS),
        }

    @property
    def as_json(self) -> bytes:
        """The bytes of `logs/timeout-checkpoint.json`."""
        return (json.dumps(self.content(), indent=2) + "\n").encode()

    @property
    def as_text(self) -> bytes:
        """The bytes of `logs/timeout-checkpoint.md`."""
        content = self.content()
        lines = ["# Timeout Checkpoint", ""]
        for name in (
            "stage",
            "elapsed_seconds",
            "timeout_seconds",
            "timer_origin_field",
            "timer_origin",
            "stage_started_at",
            "stage_last_progress_at",
        ):
            lines.append(f"- {name}: {content[name] or 'unavailable'}")
        lines.append(f"- last_known_subtask: {self.subtask or 'unavailable'}")
        lines.append("- next_steps:")
        lines += [f"  {number}. {step}" for number, step in enumerate(NEXT_STEPS, 1)]
        return ("\n".join(lines) + "\n").encode()

    def failure(self) -> dict[str, Any]:
        """The failure entry."""
        return {
            "kind": "timeout",
            "stage": self.stage,
            "message": f"timeout after {self.elapsed_s}s",
            "retryable": False,
            "ts": moment(self.now),
        }


def moment(at: datetime) -> str:
    """A moment as the research system writes it."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
