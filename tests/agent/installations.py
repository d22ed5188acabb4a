"""An installation of the research system on this disk, and an agent beside it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rollout.settings_file import write
from tests.live import ROOT
from tests.rollout.documents import a_manifest, raw, some_gates


class Place:
    """A folder with a settings file, a runs root, and the agent's state and words."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder = folder
        self.url = url
        self.token = token
        self.runs = folder / "runs"
        self.settings = folder / "settings.json"
        self.config = folder / "agent.toml"
        self.log = folder / "agent.log"
        self.state = folder / "state"
        self.runs.mkdir(parents=True)
        write(self.settings, {"PAI_DR_CLI_ENABLED": True})
        self.environment: dict[str, str] = dict(os.environ)
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the configuration; tables replace keys of the usual one."""
        usual: dict[str, Any] = {
            "": {
                "name": "test-1",
                "state": str(self.state),
                "dead_man_limit_s": 60,
            },
            "portal": {"url": self.url, "token": self.token},
            "installation": {
                "team": "alpha",
                "query_class": "fixture_replay",
                "integration_root": str(self.folder),
                "runs_root": str(self.runs),
                "kill_file": str(self.folder / "KILL"),
            },
            "cli": {"command": [sys.executable, "-c", "raise SystemExit(3)"]},
            "drive": {"is_on": False},
            "every": {
                "settings_s": 0.3,
                "report_s": 0.5,
                "settle_s": 0.3,
                "rescan_s": 5,
            },
        }
        lines = []
        for name in usual:
            if name:
                lines.append(f"[{name}]")
            table = usual[name] | tables.get(name or "top", {})
            # A JSON text, number, boolean or list of texts is TOML, too.
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        self.config.write_text("\n".join(lines))

    # The agent

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run an agent to its end."""
        return subprocess.run(
            self._words(*options),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self) -> None:
        """Start an agent that stays."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._words(),
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)
            self.process = None

    def _words(self, *options: str) -> list[str]:
        config = str(self.config)
        return [sys.executable, "-m", "rollout.agent", "--config", config, *options]

    def _environment(self) -> dict[str, str]:
        hidden = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL")
        return {k: v for k, v in self.environment.items() if k not in hidden}

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines about something."""
        if not self.log.exists():
            return []
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line for line in lines if line.get("event") == event]

    def last_words(self, most: int = 200) -> str:
        """The end of its log, for whoever reads why a test has failed."""
        log = self.log.read_text().splitlines() if self.log.exists() else []
        return "\n".join(log[-most:])

    # The installation

    @property
    def enabled(self) -> Any:
        """What the settings file says."""
        found = json.loads(self.settings.read_text())
        return found["deepResearchCli"]["flags"]["PAI_DR_CLI_ENABLED"]

    def a_run(self, run_id: str = "run-1", **changes: Any) -> Path:
        """A run root in its first wave."""
        root = self.runs / run_id
        self.put(f"{run_id}/gates.json", raw(some_gates(run_id)))
        self.put(f"{run_id}/manifest.json", raw(a_manifest(run_id, **changes)))
        return root

    def put(self, path: str, content: bytes) -> Path:
        """A file in the runs root, whole from the first moment on."""
        place = self.runs / path
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f"{place.name}.tmp.1")
        beside.write_bytes(content)
        beside.replace(place)
        return place

    def manifest(self, run_id: str = "run-1") -> dict[str, Any]:
        """A run's manifest, as it lies there."""
        return json.loads((self.runs / run_id / "manifest.json").read_bytes())
