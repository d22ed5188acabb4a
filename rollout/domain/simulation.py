"""The story of a simulated run: what a run of the research system would write.

A `Story` is a list of steps, the same for the same seed; a `Run` goes along it and
knows its documents at every place. What happens from outside (pause, resume, cancel)
is kept in a journal, so that a run that was killed is the same run again when the
steps and the journal are gone through once more.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from portal.domain.canonical import digest_of
from rollout.domain.gates import NAMES, RETRY_CAPS
from rollout.domain.runs import TIMEOUTS_S, RunStage
from rollout.domain.watchdog import POLICY_PATH, moment

CHANCE_OF_RECOVERY = 0.15  # that a gate fails once and then passes
CHANCE_OF_WAVE2 = 0.5
CHANCE_OF_CHANGES = 0.3  # that a review sends the synthesis back once
NOTES = {
    "A": "The plan misses a perspective",
    "B": "Two outputs could not be parsed",
    "C": "Too few citations could be validated",
    "D": "The summary pack misses summaries",
    "E": "The report states numbers without a citation",
    "F": "The run was not safe",
}


class Fault(StrEnum):
    """What can be made to go wrong in a run."""

    CITATIONS_BLOCKED = "citations_blocked"
    PROVIDER_OUTAGE = "provider_outage"
    HANG = "hang"
    GATE_B_FAIL = "gate_b_fail"
    CRASH = "crash"
    REVIVE = "revive"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a story follows from; the same plan is the same story.

    `pass_rates` are probabilities per gate that it passes in the end; `waves` how
    many agents each wave has; `stage_timeout_s` stands in the run's own policy.
    """

    run_id: str
    seed: str
    waves: tuple[int, int] = (2, 2)
    pass_rates: Mapping[str, float] = field(default_factory=dict)
    fault: Fault | None = None
    sensitivity: str = "no_web"
    mode: str = "standard"
    stage_timeout_s: int | None = None


# Steps


@dataclass(frozen=True, slots=True)
class File:
    """An artifact is written."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """An artifact is written that says when, under the name `at`."""

    path: str
    at: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest is written; `changes` say what is new since the last one."""

    status: str = ""
    retry: str = ""
    failure: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The gates are written, with a new verdict on one of them."""

    letter: str
    has_passed: bool
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A telemetry event."""

    kind: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Advance:
    """The run asks to go on, and does when it may."""

    onward: RunStage


@dataclass(frozen=True, slots=True)
class Work:
    """Time passes; here the run looks whether something is asked of it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing happens any more."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The process dies and starts again from its checkpoint."""


Step = File | Report | Manifest | Gate | Event | Advance | Work | Hang | Crash


def story(plan: Plan) -> list[Step]:
    """All steps of a run, in order, if nothing from outside interferes."""
    return list(_Writer(plan).write())


class _Writer:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        self.attempts: dict[RunStage, int] = {}

    def write(self) -> Iterator[Step]:
        fault = self.plan.fault
        yield from self._init()
        yield Advance(RunStage.PERSPECTIVES)
        yield from self._perspectives()
        if not (yield from self._gate("A")):
            return
        yield Advance(RunStage.WAVE1)
        if fault == Fault.PROVIDER_OUTAGE:
            yield from self._outage()
            return
        yield from self._wave(RunStage.WAVE1, "wave-1", self.plan.waves[0])
        if fault == Fault.HANG:
            yield Hang()
            return
        if fault == Fault.CRASH:
            yield Crash()
        if not (yield from self._gate("B")):
            return
        yield Advance(RunStage.PIVOT)
        yield from self._pivot()
        yield from self._citations()
        if not (yield from self._gate("C")):
            return
        yield Advance(RunStage.SUMMARIES)
        yield from self._summaries()
        if not (yield from self._gate("D")):
            return
        yield Advance(RunStage.SYNTHESIS)
        yield from self._synthesis_and_review()
        for letter in "EF":
            if not (yield from self._gate(letter)):
                return
        yield Advance(RunStage.FINALIZE)
        yield from self._stage(RunStage.FINALIZE, 1)
        yield Manifest(status="completed")
        yield Event("run_status", {"status": "completed"})
        if fault == Fault.REVIVE:
            yield Work(2)
            yield Manifest(status="running")

    def _init(self) -> Iterator[Step]:
        yield Manifest(status="created")
        timeouts = {
            str(stage): self.plan.stage_timeout_s or seconds
            for stage, seconds in TIMEOUTS_S.items()
        }
        policy = {
            "schema_version": "run_policy.v1",
            "stage_timeouts_seconds_v1": timeouts,
        }
        yield _json(POLICY_PATH, policy)
        yield _json("operator/scope.json", {"question": QUESTION})
        yield Manifest(status="running")
        yield Event("run_status", {"status": "running"})
        yield from self._stage(RunStage.INIT, 1)

    def _perspectives(self) -> Iterator[Step]:
        yield from self._begin(RunStage.PERSPECTIVES)
        yield Work(4)
        names = [f"p{number}" for number in range(1, self.plan.waves[0] + 1)]
        yield _json("perspectives.json", {"perspectives": names})
        yield self._end(RunStage.PERSPECTIVES)

    def _wave(self, stage: RunStage, folder: str, agents: int) -> Iterator[Step]:
        yield from self._begin(stage)
        for number in range(1, agents + 1):
            yield Work(4 + 4 * self.random.random())
            yield File(f"{folder}/p{number}.md", _prose(self.random, 120))
            yield Manifest()
        yield self._end(stage)

    def _outage(self) -> Iterator[Step]:
        for tick in (1, 2):
            yield from self._begin(RunStage.WAVE1)
            yield Work(3)
            yield self._end(RunStage.WAVE1, failed="tool_error")
            yield self._halt(tick, "PROVIDER_UNAVAILABLE", OUTAGE)
        yield Manifest(
            status="failed",
            failure={
                "kind": "provider_outage",
                "stage": "wave1",
                "message": OUTAGE,
                "retryable": True,
            },
        )
        yield Event("run_status", {"status": "failed"})

    def _pivot(self) -> Iterator[Step]:
        needs_more = self.plan.waves[1] > 0 and self.random.random() < CHANCE_OF_WAVE2
        gaps = ["gap_1", "gap_2"][: self.plan.waves[1]] if needs_more else []
        yield from self._stage(RunStage.PIVOT, 2)
        decision = {"wave2_required": needs_more, "wave2_gap_ids": gaps}
        yield _json("pivot.json", {"decision": decision})
        if needs_more:
            yield Advance(RunStage.WAVE2)
            yield from self._wave(RunStage.WAVE2, "wave-2", len(gaps))
        yield Advance(RunStage.CITATIONS)

    def _citations(self) -> Iterator[Step]:
        yield from self._begin(RunStage.CITATIONS)
        yield Work(4)
        rows = [
            {"cid": f"c{number}", "status": "valid", "url": f"doc://source/{number}"}
            for number in range(1, 6)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        yield File("citations/citations.jsonl", text.encode())
        if self.plan.fault == Fault.CITATIONS_BLOCKED:
            urls = [f"https://example.org/source-{n}" for n in range(1, 5)]
            members = {
                "schema_version": "blocked_urls.v1",
                "run_id": self.plan.run_id,
                "items": [_blocked(url) for url in urls],
            }
            yield Report("citations/blocked-urls.json", "generated_at", members)
        yield self._end(RunStage.CITATIONS)

    def _summaries(self) -> Iterator[Step]:
        yield from self._begin(RunStage.SUMMARIES)
        yield Work(3)
        names = [f"summaries/p{n}.md" for n in range(1, self.plan.waves[0] + 1)]
        for name in names:
            yield File(name, _prose(self.random, 40))
        yield _json("summaries/summary-pack.json", {"summaries": names})
        yield self._end(RunStage.SUMMARIES)

    def _synthesis_and_review(self) -> Iterator[Step]:
        goes_back = self.random.random() < CHANCE_OF_CHANGES
        for decision in ["CHANGES_REQUIRED", "PASS"] if goes_back else ["PASS"]:
            yield from self._begin(RunStage.SYNTHESIS)
            yield Work(5)
            yield File("synthesis/final-synthesis.md", _prose(self.random, 200))
            yield self._end(RunStage.SYNTHESIS)
            yield Advance(RunStage.REVIEW)
            yield from self._begin(RunStage.REVIEW)
            yield Work(3)
            yield _json("review/review-bundle.json", {"decision": decision})
            yield self._end(RunStage.REVIEW)
            if decision == "CHANGES_REQUIRED":
                yield Advance(RunStage.SYNTHESIS)

    def _gate(self, letter: str) -> Generator[Step, None, bool]:
        """The gate's attempts; whether the run may go on."""
        plan, cap = self.plan, RETRY_CAPS[letter]
        is_blocked = letter == "C" and plan.fault == Fault.CITATIONS_BLOCKED
        is_doomed = is_blocked or (letter == "B" and plan.fault == Fault.GATE_B_FAIL)
        passes = self.random.random() < plan.pass_rates.get(letter, 1.0)
        recovers = self.random.random() < CHANCE_OF_RECOVERY
        failures = 1 if recovers and cap else 0
        if is_doomed or not passes:
            failures = cap + 1
        for attempt in range(cap + 1):
            has_passed = attempt >= failures
            if letter == "B":
                review = {"ok": True, "pass": has_passed}
                yield _json("wave-review.json", review)
            yield Gate(letter, has_passed, is_blocked and not has_passed)
            if has_passed:
                return True
            if attempt < cap:
                yield Manifest(retry=letter)
                yield Work(3)
        return False

    def _stage(self, stage: RunStage, seconds: float) -> Iterator[Step]:
        yield from self._begin(stage)
        yield Work(seconds)
        yield self._end(stage)

    def _halt(self, tick: int, code: str, message: str) -> Report:
        """`halt.v1`: a tick that did not go on, and why."""
        root = f"/runs/{self.plan.run_id}"
        members = {
            "schema_version": "halt.v1",
            "run_id": self.plan.run_id,
            "run_root": root,
            "tick_index": tick,
            "stage_current": str(RunStage.WAVE1),
            "blocked_transition": {
                "from": str(RunStage.WAVE1),
                "to": str(RunStage.PIVOT),
            },
            "error": {"code": code, "message": message},
            "blockers": {
                "missing_artifacts": [],
                "blocked_gates": [],
                "failed_checks": [],
            },
            "related_paths": {
                "manifest_path": f"{root}/manifest.json",
                "gates_path": f"{root}/gates.json",
            },
            "next_commands": [],
            "notes": "",
        }
        return Report(f"operator/halt/tick-{tick:04}.json", "created_at", members)

    def _begin(self, stage: RunStage) -> Iterator[Step]:
        self.attempts[stage] = self.attempts.get(stage, 0) + 1
        yield Event("stage_started", self._attempt(stage) | {"inputs_digest": "sim"})

    def _end(self, stage: RunStage, failed: str = "") -> Event:
        members = self._attempt(stage) | {"outcome": "succeeded", "elapsed_s": 0}
        if failed:
            members |= {"outcome": "failed", "failure_kind": failed, "retryable": True}
        return Event("stage_finished", members)

    def _attempt(self, stage: RunStage) -> dict[str, Any]:
        return {"stage_id": str(stage), "stage_attempt": self.attempts[stage]}


OUTAGE = "the model provider answered 503"
QUESTION = "How do bridges carry load?"
_WORDS = ("load", "arch", "cable", "deck", "span", "truss", "pier", "steel", "wind")


def _prose(random: Random, words: int) -> bytes:
    text = " ".join(random.choice(_WORDS) for _ in range(words))
    return f"# Findings\n\n{text.capitalize()}.\n".encode()


def _blocked(url: str) -> dict[str, Any]:
    return {
        "normalized_url": url,
        "cid": f"cid_{digest_of(url).removeprefix('sha256:')}",
        "status": "blocked",
        "url": url,
        "notes": "online ladder blocked: direct_fetch=403",
        "action": "Fetch it by hand, or through another endpoint.",
        "found_by": [],
    }


def _json(path: str, content: Mapping[str, Any]) -> File:
    return File(path, (json.dumps(content, indent=2) + "\n").encode())


# Going along


class Act(StrEnum):
    """What happens to a run from outside."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


_STATUS = {Act.PAUSE: "paused", Act.RESUME: "running", Act.CANCEL: "cancelled"}
_STEP_S = 0.001  # so that no two writes have the same moment


@dataclass(slots=True)
class Run:
    """A run at one place of its story, with its documents as they are there."""

    plan: Plan
    flags: Mapping[str, Any]
    began: datetime
    steps: list[Step] = field(init=False)
    place: int = 0
    seconds: float = 0.0
    status: str = "created"
    stage: RunStage = RunStage.INIT
    history: list[dict[str, Any]] = field(default_factory=list)
    stage_began: datetime = field(init=False)
    manifest_at: datetime = field(init=False)
    gates_at: datetime = field(init=False)
    retries: dict[str, int] = field(default_factory=dict)
    retry_history: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    gates: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifest_revision: int = 0
    gates_revision: int = 0
    seq: int = 0

    def __post_init__(self) -> None:
        self.steps = story(self.plan)
        self.gates = {letter: _gate(letter) for letter in NAMES}
        self.stage_began = self.manifest_at = self.gates_at = self.began

    @property
    def now(self) -> datetime:
        """What the run's own clock says."""
        return self.began + timedelta(seconds=self.seconds)

    @property
    def is_over(self) -> bool:
        """Whether there is no step left."""
        return self.place >= len(self.steps)

    def take(self) -> Step:
        """Do the next step: the documents are as they are after it."""
        step = self.steps[self.place]
        self.place += 1
        self.seconds += _STEP_S
        match step:
            case Manifest():
                self._write_manifest(step)
            case Gate():
                self._write_gate(step)
            case Event():
                self.seq += 1
            case Advance(onward):
                self._advance(onward)
            case Work(seconds):
                self.seconds += seconds
        return step

    def happens(self, act: Act) -> None:
        """Something from outside; a manifest says so."""
        self.seconds += _STEP_S
        self.status = _STATUS[act]
        self._revise()

    def _revise(self) -> None:
        self.manifest_revision += 1
        self.manifest_at = self.now

    def _write_manifest(self, step: Manifest) -> None:
        self._revise()
        if step.status:
            self.status = step.status
        if step.failure:
            self.failures.append({**step.failure, "ts": moment(self.now)})
        if step.retry:
            count = self.retries[step.retry] = self.retries.get(step.retry, 0) + 1
            self.retry_history.append(
                {
                    "ts": moment(self.now),
                    "gate_id": step.retry,
                    "attempt": count,
                    "change_note": "with the failed outputs again",
                    "reason": NOTES[step.retry],
                }
            )

    def _write_gate(self, step: Gate) -> None:
        self.gates_revision += 1
        self.gates_at = self.now
        self.gates[step.letter] = _gate(step.letter, step, self.now)

    def _advance(self, onward: RunStage) -> None:
        self._revise()
        self.history.append(
            {
                "from": str(self.stage),
                "to": str(onward),
                "ts": moment(self.now),
                "reason": "tick",
                "inputs_digest": digest_of([self.plan.run_id, len(self.history)]),
                "gates_revision": self.gates_revision,
            }
        )
        self.stage, self.stage_began = onward, self.now

    # The documents here and now

    def manifest(self) -> dict[str, Any]:
        """`manifest.v1`."""
        plan, flags = self.plan, dict(self.flags)
        if str(flags.get("PAI_DR_CLI_RUNS_ROOT", "")).startswith("~"):
            flags["PAI_DR_CLI_RUNS_ROOT"] = "/runs"
        return {
            "schema_version": "manifest.v1",
            "run_id": plan.run_id,
            "created_at": moment(self.began),
            "updated_at": moment(self.manifest_at),
            "revision": self.manifest_revision,
            "mode": plan.mode,
            "status": self.status,
            "query": {
                "text": QUESTION,
                "sensitivity": plan.sensitivity,
                "constraints": {"deep_research_cli_flags": flags},
            },
            "stage": {
                "current": str(self.stage),
                "started_at": moment(self.stage_began),
                "last_progress_at": moment(self.manifest_at),
                "history": self.history,
            },
            "limits": {
                "max_wave1_agents": plan.waves[0],
                "max_wave2_agents": plan.waves[1],
                "max_summary_kb": flags.get("PAI_DR_CLI_MAX_SUMMARY_KB", 5),
                "max_total_summary_kb": flags.get(
                    "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB", 60
                ),
                "max_review_iterations": flags.get(
                    "PAI_DR_CLI_MAX_REVIEW_ITERATIONS", 4
                ),
            },
            "artifacts": {"root": f"/runs/{plan.run_id}", "paths": dict(_PATHS)},
            "metrics": {
                "retry_counts": self.retries,
                "retry_history": self.retry_history,
            },
            "failures": self.failures,
            "system_version": "simulator-1",
        }

    def gates_document(self) -> dict[str, Any]:
        """`gates.v1`."""
        return {
            "schema_version": "gates.v1",
            "run_id": self.plan.run_id,
            "revision": self.gates_revision,
            "updated_at": moment(self.gates_at),
            "inputs_digest": digest_of([self.plan.run_id, self.gates_revision]),
            "gates": self.gates,
        }

    def artifact(self, step: File | Report) -> bytes:
        """The bytes of an artifact that was just written."""
        if isinstance(step, File):
            return step.content
        return _json(step.path, {**step.members, step.at: moment(self.now)}).content

    def event(self, step: Event) -> dict[str, Any]:
        """`telemetry.v1`."""
        return {
            "schema_version": "telemetry.v1",
            "run_id": self.plan.run_id,
            "seq": self.seq,
            "ts": moment(self.now),
            "event_type": step.kind,
            **step.members,
        }


_PATHS = {
    "wave1_dir": "wave-1",
    "wave2_dir": "wave-2",
    "citations_dir": "citations",
    "summaries_dir": "summaries",
    "synthesis_dir": "synthesis",
    "logs_dir": "logs",
    "gates_file": "gates.json",
    "perspectives_file": "perspectives.json",
    "citations_file": "citations/citations.jsonl",
    "summary_pack_file": "summaries/summary-pack.json",
    "pivot_file": "pivot.json",
    "review_bundle_file": "review/review-bundle.json",
}
_METRICS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "A": ({"plan_valid": 1}, {"plan_valid": 0}),
    "B": (
        {"validated_count": 10, "failed_count": 0},
        {"validated_count": 6, "failed_count": 4},
    ),
    "C": (
        {"validated_url_rate": 1, "invalid_url_rate": 0, "uncategorized_url_rate": 0},
        {
            "validated_url_rate": 0.5,
            "invalid_url_rate": 0.5,
            "uncategorized_url_rate": 0,
        },
    ),
    "D": ({"summary_count_ratio": 1}, {"summary_count_ratio": 0.5}),
    "E": (
        {"uncited_numeric_claims": 0, "report_sections_present": 100},
        {"uncited_numeric_claims": 3, "report_sections_present": 100},
    ),
    "F": ({"sensitivity_no_web": 1}, {"sensitivity_no_web": 0}),
}


def _gate(
    letter: str, step: Gate | None = None, now: datetime | None = None
) -> dict[str, Any]:
    status, metrics, notes = "not_run", {}, ""
    if step is not None:
        status = "pass" if step.has_passed else "fail"
        metrics = _METRICS[letter][0 if step.has_passed else 1]
        notes = "" if step.has_passed else NOTES[letter]
        if step.is_blocked:
            notes = "The sources answered 403: blocked"
    return {
        "id": letter,
        "name": NAMES[letter],
        "class": "hard",
        "status": status,
        "checked_at": None if now is None else moment(now),
        "metrics": metrics,
        "artifacts": [],
        "warnings": [],
        "notes": notes,
    }
