"""The scenarios of drills: what is practised, on what, and what has to come out.

A scenario is data: the steady state that is looked at before and after, the method,
each step with what is done, what is expected, and within how many seconds. What a step
does stands under its name in `drills/services/methods.py`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rollout.domain.simulation import Fault


class Scenario(StrEnum):
    """What can be practised."""

    PAUSE_RESUME = "pause_resume"
    EMERGENCY_DISABLE = "emergency_disable"
    HARD_GATE_FALLBACK = "hard_gate_fallback"
    FORCED_TIMEOUT = "forced_timeout"


class Phase(StrEnum):
    """Which part of a drill a step belongs to."""

    BEFORE = "before"  # the steady state, without which nothing is tried
    METHOD = "method"
    AFTER = "after"  # the steady state again
    ROLLBACK = "rollback"  # always, whatever happened before


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `target_s` is within how many seconds it has to be as expected."""

    name: str
    phase: Phase
    does: str
    expects: str
    target_s: float

    def to_json(self) -> dict[str, Any]:
        """As a drill keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A scenario, and how the process that it is tried on is simulated.

    `speed` is in seconds of the run's story per second, `stage_timeout_s` what the run
    says in its own policy.
    """

    scenario: Scenario
    title: str
    proves: str
    steps: tuple[Step, ...]
    fault: Fault | None = None
    speed: float = 1.0
    stage_timeout_s: int = 300

    def of(self, *phases: Phase) -> Iterator[Step]:
        """The steps of these phases, in their order."""
        return (step for step in self.steps if step.phase in phases)


_B, _M, _A, _R = Phase.BEFORE, Phase.METHOD, Phase.AFTER, Phase.ROLLBACK

_OPEN_TWIN = Step(
    "open_twin",
    _B,
    "Copy the active configuration into a twin rollout and start its stage.",
    "The twin's switch is released and its stage admits; it has no runs.",
    30,
)
_BEGIN = Step(
    "begin_run",
    _B,
    "Start the process with a token of the twin; it asks for a decision.",
    "The run is admitted (option_c) and reports that it is running.",
    90,
)
_IN_WAVE = Step(
    "wait_for_wave",
    _B,
    "Wait until the run is in the middle of its first wave.",
    "It is in wave1 and has written an output of it.",
    90,
)
_CAPTURE = Step(
    "capture_before",
    _B,
    "Capture every artifact and document that the run has by now.",
    "Each is in the vault, and its bytes have the digest that it was stored with.",
    30,
)
_SAME = Step(
    "compare",
    _A,
    "Capture everything again and compare it with what was captured before.",
    "Everything from before is there, byte for byte; revisions and events have no "
    "holes, and nothing was written twice.",
    30,
)
_SCAN = Step(
    "scan",
    _A,
    "Read every captured artifact for secrets.",
    "Each was read in full, and none holds any.",
    120,
)
_CLOSE = (
    Step(
        "end_process",
        _R,
        "End the process, if it is still there.",
        "No process of the drill is left.",
        15,
    ),
    Step(
        "close_twin",
        _R,
        "Close the twin: token revoked, switch engaged, open runs ended, its "
        "incidents resolved.",
        "Nobody is admitted any more, and nothing of the twin is open.",
        30,
    ),
)

PAUSE_RESUME = Plan(
    scenario=Scenario.PAUSE_RESUME,
    title="Pause and resume",
    proves=(
        "A run that is paused, killed and started again goes on where it was: nothing "
        "is lost, nothing is done twice, and the paused time does not count."
    ),
    steps=(
        _OPEN_TWIN,
        _BEGIN,
        _IN_WAVE,
        Step(
            "pause",
            _M,
            "Ask the run to pause, by a directive.",
            "It acknowledges, and reports that it is paused; its timer stands.",
            60,
        ),
        Step("capture_before", _M, _CAPTURE.does, _CAPTURE.expects, 30),
        Step(
            "kill",
            _M,
            "kill -9 the process while the run is paused.",
            "The process is gone; the run is paused as before.",
            15,
        ),
        Step(
            "restart",
            _M,
            "Start the process again from its state directory, and resume the run.",
            "It acknowledges, and the run goes on with the time that its timer had "
            "left when it was paused.",
            90,
        ),
        Step(
            "complete",
            _M,
            "Let the run go on to its end.",
            "The run is completed.",
            180,
        ),
        _SAME,
        _SCAN,
        *_CLOSE,
    ),
    speed=4.0,
)

EMERGENCY_DISABLE = Plan(
    scenario=Scenario.EMERGENCY_DISABLE,
    title="Emergency disable and rollback",
    proves=(
        "One act turns Option C off: nobody is let in, a run that is under way does "
        "not get further, the stage is left, and everything that was written stays."
    ),
    steps=(
        _OPEN_TWIN,
        _BEGIN,
        _IN_WAVE,
        _CAPTURE,
        Step(
            "engage_switch",
            _M,
            "Engage the twin's emergency switch.",
            "The switch is engaged, and the epoch has risen.",
            10,
        ),
        Step(
            "decide_again",
            _M,
            "Ask over HTTP for a decision for a new run.",
            "standard, because of KILL_SWITCH.",
            10,
        ),
        Step(
            "refuse_advance",
            _M,
            "Wait until the run asks for its next stage.",
            "It is refused with DISABLED, and reports no further stage.",
            90,
        ),
        Step(
            "roll_back",
            _M,
            "Roll the twin's stage back.",
            "The stage is left, its run is sent to the standard workflow, and the "
            "reconciliation misses nothing.",
            60,
        ),
        _SAME,
        _SCAN,
        *_CLOSE,
    ),
    speed=3.0,
)

# What `logs/fallback-summary.md` has to be, byte for byte, when gate B of a simulated
# run fails for good. It stands here once more on purpose.
SUMMARY = b"""# Fallback Summary

- failed_gate_id: B
- failed_gate_name: Wave output contract compliance
- reason: Two outputs could not be parsed
- operator_instruction: disable Option C and run standard workflow

Operator instruction: disable Option C and run standard workflow.
"""

HARD_GATE_FALLBACK = Plan(
    scenario=Scenario.HARD_GATE_FALLBACK,
    title="Fallback after a hard gate failed",
    proves=(
        "A run whose hard gate fails for good falls back once, says so in the same "
        "bytes every time, its request goes on in the standard workflow, and nothing "
        "that it wrote is lost."
    ),
    steps=(
        _OPEN_TWIN,
        _BEGIN,
        _IN_WAVE,
        _CAPTURE,
        Step(
            "fail_gate",
            _M,
            "Let gate B fail until its retries are spent.",
            "The run is failed, with one fallback offer for gate B.",
            120,
        ),
        Step(
            "check_summary",
            _M,
            "Read logs/fallback-summary.md, and have the fallback offered again.",
            "The summary is exactly what it has to be, and there is still one offer.",
            15,
        ),
        Step(
            "take_offer",
            _M,
            "Take the offer.",
            "The request is with the standard workflow.",
            15,
        ),
        _SAME,
        _SCAN,
        *_CLOSE,
    ),
    fault=Fault.GATE_B_FAIL,
    speed=3.0,
)

FORCED_TIMEOUT = Plan(
    scenario=Scenario.FORCED_TIMEOUT,
    title="Forced timeout",
    proves=(
        "A run that hangs is ended by the watchdog within its limit, leaves a "
        "checkpoint, opens an incident, and has the triggers of the stage considered."
    ),
    steps=(
        _OPEN_TWIN,
        _BEGIN,
        _IN_WAVE,
        _CAPTURE,
        Step(
            "hang",
            _M,
            "Let the process fall silent in wave1.",
            "The process does nothing any more; the run still counts as running.",
            60,
        ),
        Step(
            "time_out",
            _M,
            "Wait for the watchdog.",
            "The run is failed (timeout), no earlier than its limit and within 15 s "
            "after it.",
            60,
        ),
        Step(
            "check_checkpoint",
            _M,
            "Look for what the watchdog has left behind.",
            "logs/timeout-checkpoint.md and .json are there, and name the stage.",
            15,
        ),
        Step(
            "find_incident",
            _M,
            "Look for the incident, and for what the triggers have done.",
            "One incident is open, of the kind drill; the trigger for hangs has fired.",
            60,
        ),
        _SAME,
        _SCAN,
        *_CLOSE,
    ),
    fault=Fault.HANG,
    speed=4.0,
    stage_timeout_s=12,
)

PLANS = {
    plan.scenario: plan
    for plan in (PAUSE_RESUME, EMERGENCY_DISABLE, HARD_GATE_FALLBACK, FORCED_TIMEOUT)
}
CHECKLIST = {
    "expected": "Was everything as expected, and if not, is it an incident or a task?",
    "times": "Were the times within their targets, and is any of them getting worse?",
    "artifacts": "Is every artifact from before the drill there, unchanged?",
    "runbook": "Was the runbook right, and could somebody else have followed it?",
    "cleaned_up": "Is everything that was made for the drill closed?",
}
