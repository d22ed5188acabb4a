"""A research run: its statuses, its stages, and what leads from one to the next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from portal.errors import WrongMoment


class RunKind(StrEnum):
    """Whether a run counts, and how it came here."""

    LIVE = "live"
    DRILL = "drill"
    IMPORTED = "imported"


class RunStatus(StrEnum):
    """What a run is doing; the last three are final for the portal."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RunStage(StrEnum):
    """Where a run is in its own stage machine."""

    INIT = "init"
    PERSPECTIVES = "perspectives"
    WAVE1 = "wave1"
    PIVOT = "pivot"
    WAVE2 = "wave2"
    CITATIONS = "citations"
    SUMMARIES = "summaries"
    SYNTHESIS = "synthesis"
    REVIEW = "review"
    FINALIZE = "finalize"


class Act(StrEnum):
    """What can happen to a run."""

    REPORT_CREATED = "report_created"
    REPORT_RUNNING = "report_running"
    REPORT_PAUSED = "report_paused"
    REPORT_FAILED = "report_failed"
    REPORT_COMPLETED = "report_completed"
    REPORT_CANCELLED = "report_cancelled"
    FALL_BACK = "fall_back"
    REROUTE = "reroute"
    TIME_OUT = "time_out"


FINAL = frozenset({RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.CANCELLED})
OPEN = tuple(status for status in RunStatus if status not in FINAL)

# A report can say anything about an open run: reports may be late, and the research
# system may have done several things since the last one.
MOVES: dict[tuple[RunStatus, Act], RunStatus] = {
    (status, Act(f"report_{reported}")): reported
    for status in OPEN
    for reported in RunStatus
} | {
    (status, act): end
    for status in OPEN
    for act, end in {
        Act.FALL_BACK: RunStatus.FAILED,
        Act.TIME_OUT: RunStatus.FAILED,
        Act.REROUTE: RunStatus.CANCELLED,
    }.items()
}
# A run that failed by its own report can still get its fallback offer, once.
MOVES[RunStatus.FAILED, Act.FALL_BACK] = RunStatus.FAILED

# Seconds without progress after which a run has hung, where its own policy is unknown.
TIMEOUTS_S: dict[RunStage, int] = {
    RunStage.INIT: 120,
    RunStage.PERSPECTIVES: 86400,
    RunStage.WAVE1: 600,
    RunStage.PIVOT: 120,
    RunStage.WAVE2: 600,
    RunStage.CITATIONS: 600,
    RunStage.SUMMARIES: 600,
    RunStage.SYNTHESIS: 600,
    RunStage.REVIEW: 300,
    RunStage.FINALIZE: 120,
}


def after(status: RunStatus, act: Act) -> RunStatus:
    """The status that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[status, act]
    except KeyError:
        possible = sorted(str(each) for found, each in MOVES if found == status)
        raise WrongMoment(
            f"A run that is {status} cannot {act.replace('_', ' ')}.",
            status=str(status),
            possible=possible,
        ) from None


# May a run go on?


class RefusalCode(StrEnum):
    """Why a run may not go on to the stage that it asked for."""

    DISABLED = "DISABLED"
    RUN_FINAL = "RUN_FINAL"
    STAGE_MISMATCH = "STAGE_MISMATCH"
    REQUESTED_NEXT_NOT_ALLOWED = "REQUESTED_NEXT_NOT_ALLOWED"
    MISSING_ARTIFACT = "MISSING_ARTIFACT"
    GATE_BLOCKED = "GATE_BLOCKED"
    WAVE_CAP_EXCEEDED = "WAVE_CAP_EXCEEDED"
    REVIEW_CAP_EXCEEDED = "REVIEW_CAP_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Precondition:
    """One thing that has to hold, and whether it does."""

    code: RefusalCode
    what: str
    holds: bool


@dataclass(frozen=True, slots=True)
class AdvanceFacts:
    """Everything that decides whether a run may go on.

    `paths` are the artifacts that the portal holds, `gates` the portal's own verdict
    per gate. Facts that nobody reported are None, and are judged as not fulfilled.
    """

    status: RunStatus
    stage: RunStage
    is_switch_engaged: bool
    is_disabled_by_manifest: bool
    paths: frozenset[str]
    gates: Mapping[str, str]
    wave1_dir: str = "wave-1"
    wave2_dir: str = "wave-2"
    wave2_required: bool | None = None
    wave2_gaps: int | None = None
    max_wave1_agents: int | None = None
    max_wave2_agents: int | None = None
    review_decision: str | None = None
    review_iterations: int = 0
    max_review_iterations: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a run may go on, with every precondition that was looked at."""

    is_allowed: bool
    code: RefusalCode | None = None
    preconditions: tuple[Precondition, ...] = field(default=())


def _file(facts: AdvanceFacts, path: str) -> Precondition:
    return Precondition(
        RefusalCode.MISSING_ARTIFACT, f"{path} is there", path in facts.paths
    )


def _wave(facts: AdvanceFacts, folder: str, cap: int | None) -> list[Precondition]:
    outputs = [
        path
        for path in facts.paths
        if path.startswith(f"{folder}/") and path.endswith(".md")
    ]
    found = [
        Precondition(
            RefusalCode.MISSING_ARTIFACT, f"{folder}/ holds outputs", bool(outputs)
        )
    ]
    if cap is not None:
        found.append(
            Precondition(
                RefusalCode.WAVE_CAP_EXCEEDED,
                f"{len(outputs)} outputs in {folder}/ are at most {cap}",
                len(outputs) <= cap,
            )
        )
    return found


def _gate(facts: AdvanceFacts, gate: str) -> Precondition:
    status = facts.gates.get(gate, "not_run")
    return Precondition(
        RefusalCode.GATE_BLOCKED,
        f"gate {gate} has passed (it is {status})",
        status == "pass",
    )


def _to_wave1(facts: AdvanceFacts) -> list[Precondition]:
    return [_file(facts, "perspectives.json")]


def _wave1_to_pivot(facts: AdvanceFacts) -> list[Precondition]:
    return [
        *_wave(facts, facts.wave1_dir, facts.max_wave1_agents),
        _file(facts, "wave-review.json"),
        _gate(facts, "B"),
    ]


def _pivot_to_wave2(facts: AdvanceFacts) -> list[Precondition]:
    gaps, cap = facts.wave2_gaps, facts.max_wave2_agents
    return [
        _file(facts, "pivot.json"),
        Precondition(
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
            "pivot.json asks for a second wave",
            facts.wave2_required is True,
        ),
        Precondition(
            RefusalCode.WAVE_CAP_EXCEEDED,
            f"{gaps} gaps are at most {cap}",
            gaps is not None and (cap is None or gaps <= cap),
        ),
    ]


def _pivot_to_citations(facts: AdvanceFacts) -> list[Precondition]:
    return [
        _file(facts, "pivot.json"),
        Precondition(
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
            "pivot.json asks for no second wave",
            facts.wave2_required is False,
        ),
    ]


def _review_to_synthesis(facts: AdvanceFacts) -> list[Precondition]:
    done, cap = facts.review_iterations, facts.max_review_iterations
    return [
        Precondition(
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
            "the review asks for changes",
            facts.review_decision == "CHANGES_REQUIRED",
        ),
        Precondition(
            RefusalCode.REVIEW_CAP_EXCEEDED,
            f"{done} review iterations are fewer than {cap}",
            cap is None or done < cap,
        ),
    ]


TRANSITIONS: dict[
    tuple[RunStage, RunStage], Callable[[AdvanceFacts], list[Precondition]]
] = {
    (RunStage.INIT, RunStage.PERSPECTIVES): lambda facts: [],
    (RunStage.INIT, RunStage.WAVE1): _to_wave1,
    (RunStage.PERSPECTIVES, RunStage.WAVE1): _to_wave1,
    (RunStage.WAVE1, RunStage.PIVOT): _wave1_to_pivot,
    (RunStage.PIVOT, RunStage.WAVE2): _pivot_to_wave2,
    (RunStage.PIVOT, RunStage.CITATIONS): _pivot_to_citations,
    (RunStage.WAVE2, RunStage.CITATIONS): lambda facts: _wave(
        facts, facts.wave2_dir, facts.max_wave2_agents
    ),
    (RunStage.CITATIONS, RunStage.SUMMARIES): lambda facts: [
        _file(facts, "citations/citations.jsonl"),
        _gate(facts, "C"),
    ],
    (RunStage.SUMMARIES, RunStage.SYNTHESIS): lambda facts: [
        _file(facts, "summaries/summary-pack.json"),
        _gate(facts, "D"),
    ],
    (RunStage.SYNTHESIS, RunStage.REVIEW): lambda facts: [
        _file(facts, "synthesis/final-synthesis.md")
    ],
    (RunStage.REVIEW, RunStage.SYNTHESIS): _review_to_synthesis,
    (RunStage.REVIEW, RunStage.FINALIZE): lambda facts: [
        _gate(facts, "E"),
        _gate(facts, "F"),
    ],
}


def advance(facts: AdvanceFacts, *, here: RunStage, onward: RunStage) -> Answer:
    """May a run that says it is `here` go `onward`?

    The switch comes first, then whether this is a move at all, then the
    preconditions; the first that does not hold gives the code.
    """
    checks = [
        Precondition(
            RefusalCode.DISABLED,
            "the switch is released",
            not facts.is_switch_engaged,
        ),
        Precondition(
            RefusalCode.DISABLED,
            "the run's manifest does not disable it",
            not facts.is_disabled_by_manifest,
        ),
        Precondition(
            RefusalCode.RUN_FINAL,
            f"the run is open (it is {facts.status})",
            facts.status in OPEN,
        ),
        Precondition(
            RefusalCode.STAGE_MISMATCH,
            f"the run is in {here} (it is in {facts.stage})",
            here == facts.stage,
        ),
    ]
    conditions = TRANSITIONS.get((here, onward))
    checks.append(
        Precondition(
            RefusalCode.REQUESTED_NEXT_NOT_ALLOWED,
            f"{onward} can follow {here}",
            conditions is not None,
        )
    )
    if conditions is not None:
        checks.extend(conditions(facts))
    failed = next((check for check in checks if not check.holds), None)
    return Answer(failed is None, failed.code if failed else None, tuple(checks))
