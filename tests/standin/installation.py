"""An installation of the stand-in for a test: its settings, its runs, its scenario."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standin import files

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    said: str
    status: int

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.said)

    @property
    def code(self) -> str | None:
        error = self.document["error"]
        return error and error["code"]

    @property
    def result(self) -> tuple[bool, str | None, int]:
        return self.document["ok"], self.code, self.status


class Installation:
    """A folder with `settings.json` and runs; each command is a process of its own."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.root = root
        self.runs = root / "runs"
        self.scenario = root / "scenario.json"
        self.settings = root / "settings.json"
        self.runs.mkdir(parents=True)
        self.plan()
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "STANDIN_ROOT": str(root),
            "STANDIN_SCENARIO": str(self.scenario),
            **environment,
        }

    @property
    def command(self) -> list[str]:
        """The command line up to the command's name."""
        return [sys.executable, "-S", "-m", "tests.standin"]  # -S starts sooner

    def plan(self, *, runs: Mapping[str, Any] | None = None, **default: Any) -> None:
        """Say what shall happen (`tests/standin/scenario.py`)."""
        files.write(self.scenario, {"default": default, "runs": runs or {}})

    def set_flags(self, **flags: Any) -> None:
        """What `settings.json` says at `deepResearchCli.flags`."""
        files.write(self.settings, {"deepResearchCli": {"flags": flags}})

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that may not come to its end, with its children."""
        return subprocess.Popen(
            [*self.command, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> Answer:
        """A command to its end."""
        process = self.start(*words)
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return Answer(said, process.returncode)

    def init(self, run_id: str, *options: str, sensitivity: str = "no_web") -> Answer:
        return self.run(
            *("init", "What holds a bridge up?", "--sensitivity", sensitivity),
            *("--mode", "standard", "--run-id", run_id),
            *("--runs-root", str(self.runs), "--reason", "a test", "--json", *options),
        )

    def on(self, run_id: str, command: str, *options: str) -> tuple[str, ...]:
        """The words of a command on a run."""
        manifest = str(self.runs / run_id / "manifest.json")
        options = options or (("--driver", "fixture") if command == "tick" else ())
        return (
            command,
            "--manifest",
            manifest,
            "--reason",
            "a test",
            "--json",
            *options,
        )

    def tell(self, run_id: str, command: str, *options: str) -> Answer:
        """One command on a run."""
        return self.run(*self.on(run_id, command, *options))

    def tick_until(self, run_id: str, status: str = "completed") -> None:
        """Tick until the run has this status."""
        for _ in range(20):
            if self.manifest(run_id)["status"] == status:
                return
            self.tell(run_id, "tick")
        raise AssertionError(f"{run_id} is {self.manifest(run_id)['status']}")

    def manifest(self, run_id: str) -> dict[str, Any]:
        return files.read(self.runs / run_id / "manifest.json")

    def gates(self, run_id: str) -> dict[str, str]:
        """The verdict of each gate."""
        document = files.read(self.runs / run_id / "gates.json")
        return {letter: gate["status"] for letter, gate in document["gates"].items()}

    def log(self, run_id: str, name: str) -> list[dict[str, Any]]:
        return files.lines(self.runs / run_id / "logs" / f"{name}.jsonl")

    def snapshot(self, run_id: str) -> dict[str, bytes]:
        """Every file of a run, byte for byte."""
        root = self.runs / run_id
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
