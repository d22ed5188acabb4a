"""One run root: its documents with their revisions, and its logs."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin import files
from tests.standin.documents import TIMEOUTS_S
from tests.standin.refusals import ThrownError

Document = dict[str, Any]


class Run:
    """A run as its files say it is; nothing is remembered between two looks."""

    def __init__(self, manifest_path: Path) -> None:
        self.manifest_path = manifest_path
        self.root = manifest_path.parent
        self.gates_path = self.root / "gates.json"
        self.run_id: str = self.manifest["run_id"]

    @property
    def manifest(self) -> Document:
        return self._document(self.manifest_path)

    @property
    def gates(self) -> Document:
        return self._document(self.gates_path)

    def _document(self, path: Path) -> Document:
        try:
            return files.read(path)
        except (OSError, ValueError) as error:
            raise ThrownError("INVALID_STATE", f"{path} cannot be read") from error

    @property
    def stage(self) -> str:
        return self.manifest["stage"]["current"]

    @property
    def status(self) -> str:
        return self.manifest["status"]

    @property
    def is_no_web(self) -> bool:
        flags = files.read(self.root / "run-config.json")["effective"]["flags"]
        return flags["no_web"]

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def json(self, path: str) -> Any:
        return files.read(self.root / path)

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def write(self, path: str, content: Any) -> None:
        files.write(self.root / path, content)

    def markdown_in(self, folder: str) -> list[Path]:
        return sorted((self.root / folder).glob("*.md"))

    # Revisions

    def change_manifest(self, change: Callable[[Document], None], reason: str) -> None:
        """Write the next revision of what is there now, whoever has written that."""
        before = self.manifest
        after = self.manifest
        change(after)
        after |= {"revision": before["revision"] + 1, "updated_at": files.now()}
        files.write(self.manifest_path, after)
        self.audit(
            "manifest_write",
            prev_revision=before["revision"],
            new_revision=after["revision"],
            reason=reason,
            patch_digest=files.digest(after),
        )

    def set_gate(self, letter: str, gate: Document, reason: str) -> None:
        document = self.gates
        before = document["revision"]
        document["gates"][letter] |= gate
        document |= {
            "revision": before + 1,
            "updated_at": files.now(),
            "inputs_digest": files.digest(gate),
        }
        files.write(self.gates_path, document)
        self.audit(
            "gates_write",
            prev_revision=before,
            new_revision=before + 1,
            reason=reason,
            inputs_digest=document["inputs_digest"],
        )

    def progress(self, what: str, reason: str) -> None:
        def change(manifest: Document) -> None:
            manifest["stage"]["last_progress_at"] = files.now()

        self.change_manifest(change, f"{reason} [progress:{what}]")

    def set_status(self, status: str, reason: str) -> None:
        def change(manifest: Document) -> None:
            manifest["status"] = status

        self.change_manifest(change, reason)

    # Logs

    def audit(self, kind: str, **facts: Any) -> None:
        line = {"ts": files.now(), "kind": kind, "run_id": self.run_id} | facts
        files.append(self.root / "logs/audit.jsonl", line)

    def audited(self, kind: str) -> list[Document]:
        log = files.lines(self.root / "logs/audit.jsonl")
        return [line for line in log if line["kind"] == kind]

    def events(self) -> list[Document]:
        return files.lines(self.root / "logs/telemetry.jsonl")

    def tell(self, event_type: str, reason: str, **facts: Any) -> None:
        """One more event of the telemetry."""
        seq = len(self.events()) + 1
        event = {
            "event_type": event_type,
            "run_id": self.run_id,
            "schema_version": "telemetry.v1",
            "seq": seq,
            "ts": files.now(),
        } | facts
        files.append(self.root / "logs/telemetry.jsonl", dict(sorted(event.items())))
        index = {"schema_version": "telemetry_index.v1", "last_seq": seq}
        self.write("logs/telemetry.index.json", index)
        self.audit(
            "telemetry_append",
            reason=reason,
            seq=seq,
            event_type=event_type,
            inputs_digest=files.digest(event),
        )

    def attempts(self, stage: str) -> int:
        return sum(
            event["event_type"] == "stage_started" and event["stage_id"] == stage
            for event in self.events()
        )

    def measure(self, reason: str) -> None:
        """Write what the telemetry comes to."""
        events = self.events()
        counted: dict[str, Counter[str]] = {
            name: Counter()
            for name in ("attempts", "failures", "retries", "timeouts", "duration")
        }
        for event in events:
            stage = event.get("stage_id", "")
            match event["event_type"]:
                case "stage_started":
                    counted["attempts"][stage] += 1
                case "stage_retry_planned":
                    counted["retries"][stage] += 1
                case "stage_finished":
                    counted["duration"][stage] += event["elapsed_s"]
                    counted["failures"][stage] += event["outcome"] == "failed"
                    counted["timeouts"][stage] += event["outcome"] == "timed_out"
        finished = [each for each in events if each["event_type"] == "stage_finished"]
        metrics = {
            "inputs_digest": files.digest(events),
            "run": {
                "duration_s": counted["duration"].total(),
                "failures_total": counted["failures"].total(),
                "last_seq": len(events),
                "stage_timeouts_total": counted["timeouts"].total(),
                "stages_finished_total": len(finished),
                "stages_started_total": counted["attempts"].total(),
                "status": self.status,
            },
            "run_id": self.run_id,
            "schema_version": "run_metrics.v1",
            "stage": {
                f"{name}_s" if name == "duration" else f"{name}_total": {
                    "by_stage_id": {
                        stage: counts[stage] for stage in sorted(TIMEOUTS_S)
                    }
                }
                for name, counts in sorted(counted.items())
            },
        }
        self.write("metrics/run-metrics.json", metrics)
        self.audit(
            "run_metrics_write",
            reason=reason,
            telemetry_path="logs/telemetry.jsonl",
            metrics_path="metrics/run-metrics.json",
            inputs_digest=metrics["inputs_digest"],
        )
