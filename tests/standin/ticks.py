"""`tick`: one unit of work on a run, which advances it by one stage at most."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.standin import files, stages
from tests.standin.job import Job
from tests.standin.lock import Lock, hold
from tests.standin.refusals import Refusal, ThrownError
from tests.standin.run import Run
from tests.standin.scenario import Scenario
from tests.standin.work import WORK

MARKER = "logs/tick-in-progress.json"


def tick(run: Run, scenario: Scenario, driver: str, reason: str) -> dict[str, Any]:
    """Work, and say what came of it; a refusal leaves the tick's marker behind."""
    return Tick(run, scenario, driver, reason).run_it()


class Tick:
    """One tick, from its line in the ledger of ticks to the other."""

    def __init__(self, run: Run, scenario: Scenario, driver: str, reason: str) -> None:
        self.run, self.scenario, self.driver = run, scenario, driver
        self.reason = reason
        self.number = 1 + sum(line["phase"] == "start" for line in self._ledger())
        self.stage, self.status = run.stage, run.status
        self.attempt = 1 + run.attempts(self.stage)
        self.began = time.monotonic()
        scenario.enter(stage=self.stage, tick=self.number)

    def run_it(self) -> dict[str, Any]:
        self._note("start", {"ok": True})
        with hold(self.run.root, f"orchestrator_tick: {self.reason}") as lock:
            self._tell("stage_started", inputs_digest=files.digest(self.run.manifest))
            try:
                changed = self._work(lock)
            except Refusal as refusal:
                if refusal.code in self.scenario.throws:
                    raise ThrownError(refusal.code, refusal.message) from refusal
                self._finish(refusal)
                raise
            self._finish(None)
            (self.run.root / MARKER).unlink(missing_ok=True)
        return {
            "tick_index": self.number,
            "driver": self.driver,
            "stage_before": self.stage,
            "stage_after": self.run.stage,
            "changed": changed,
        }

    def _work(self, lock: Lock) -> bool:
        if self.status in ("paused", "cancelled"):
            raise Refusal(self.status.upper(), f"run is {self.status}")
        if self.status == "completed":
            return False
        self._mark()
        job = Job(self.run, self.scenario, self.driver, self.reason)
        for _ in WORK[self.stage](job):
            self.scenario.reach("work", self.run.root, lock)
        if self.stage != "finalize":
            stages.advance(self.run, stages.onward(self.run), self.reason)
        if self.run.stage == "finalize":
            self.run.set_status("completed", f"run completed: {self.reason}")
        return True

    def _mark(self) -> None:
        marker = self.run.root / MARKER
        if marker.exists():
            age = datetime.now(UTC) - datetime.fromisoformat(files.read(marker)["ts"])
            patience = float(os.environ.get("STANDIN_MARKER_S") or 300)
            if age > timedelta(seconds=patience):
                raise Refusal(
                    "PREVIOUS_TICK_INCOMPLETE", f"an earlier tick has left {MARKER}"
                )
        files.write(
            marker,
            {
                "schema_version": "tick_in_progress.v1",
                "ts": files.now(),
                "stage": self.stage,
                "reason": self.reason,
            },
        )

    def _finish(self, refusal: Refusal | None) -> None:
        facts: dict[str, Any] = {
            "elapsed_s": round(time.monotonic() - self.began),
            "outcome": "failed" if refusal else "succeeded",
        }
        result: dict[str, Any] = {"ok": refusal is None}
        if refusal:
            facts |= {
                "failure_kind": "tool_error",
                "message": refusal.message,
                "retryable": False,
            }
            result["error"] = {"code": refusal.code, "message": refusal.message}
        self._tell("stage_finished", **facts)
        self.run.measure(f"{self.reason} [tick_{self.number}_metrics]")
        self._note("finish", result)

    def _tell(self, event_type: str, **facts: Any) -> None:
        self.run.tell(
            event_type,
            f"{self.reason} [tick_{self.number}_{event_type}]",
            stage_id=self.stage,
            stage_attempt=self.attempt,
            **facts,
        )

    def _ledger(self) -> list[dict[str, Any]]:
        return files.lines(self.run.root / "logs/ticks.jsonl")

    def _note(self, phase: str, result: dict[str, Any]) -> None:
        root = self.run.root
        artifacts = {
            "manifest_path": str(self.run.manifest_path),
            "gates_path": str(self.run.gates_path),
            "telemetry_path": str(root / "logs/telemetry.jsonl"),
        }
        if phase == "finish":
            artifacts["metrics_path"] = str(root / "metrics/run-metrics.json")
        line = {
            "schema_version": "tick_ledger.v1",
            "ts": files.now(),
            "tick_index": self.number,
            "phase": phase,
            "stage_before": self.stage,
            "stage_after": self.run.stage,
            "status_before": self.status,
            "status_after": self.run.status,
            "result": result,
            "inputs_digest": files.digest(self.run.manifest),
            "artifacts": artifacts,
            "run_id": self.run.run_id,
        }
        files.append(root / "logs/ticks.jsonl", line)
        self.run.audit(
            "tick_ledger_append",
            reason=f"{self.reason} [tick_{self.number}_{phase}]",
            tick_index=self.number,
            phase=phase,
            ledger_path="logs/ticks.jsonl",
        )


def halt(run: Run, refusal: Refusal) -> dict[str, Any]:
    """Write down why a tick has come to a halt, and what would go on from there."""
    folder = run.root / "operator/halt"
    number = 1 + len(list(folder.glob("tick-*.json")))
    stage = run.stage
    onward = stages.FOLLOWS[stage][0] if stages.FOLLOWS[stage] else stage
    blocked = [
        {"gate": letter, "status": gate["status"]}
        for letter, gate in run.gates["gates"].items()
        if gate["status"] == "fail"
    ]
    command = f'standin tick --manifest "{run.manifest_path}" --reason "once more"'
    document = {
        "schema_version": "halt.v1",
        "created_at": files.now(),
        "run_id": run.run_id,
        "run_root": str(run.root),
        "tick_index": number,
        "stage_current": stage,
        "blocked_transition": {"from": stage, "to": onward},
        "error": {"code": refusal.code, "message": refusal.message},
        "blockers": {
            "missing_artifacts": [],
            "blocked_gates": blocked,
            "failed_checks": [],
        },
        "related_paths": {
            "manifest_path": str(run.manifest_path),
            "gates_path": str(run.gates_path),
        },
        "next_commands": [command],
        "notes": "The tick was refused.",
    }
    for name in (f"tick-{number:04d}", "latest"):
        files.write(folder / f"{name}.json", document)
    return {
        "tick_index": number,
        "halt_path": str(folder / f"tick-{number:04d}.json"),
        "next_commands": document["next_commands"],
    }
