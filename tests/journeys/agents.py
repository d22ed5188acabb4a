"""The agent as a process of its own, beside an installation of the stand-in."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from portal.domain.canonical import digest
from tests.live import ROOT, LivePortal, wait_until
from tests.standin.installation import Installation

LEASE_S = 2
# Not what a run is made of, or sent only when it has come to rest for long.
NOT_SENT = (".lock", "logs/tick-in-progress.json")


class Agent:
    """`python -m rollout.agent`, in a hurry."""

    def __init__(
        self, portal: LivePortal, token: str, installation: Installation, **top: Any
    ) -> None:
        self.installation = installation
        self.folder = installation.root / "agent"
        self.config = self.folder / "agent.toml"
        self.log = self.folder / "agent.log"
        self.environment = installation.environment | {"VAR": str(portal.var)}
        self.process: subprocess.Popen[bytes] | None = None
        self.tables: dict[str, Any] = {
            "": {
                "name": installation.root.parent.name[:60],
                "state": str(self.folder / "state"),
                "dead_man_limit_s": 30,
            }
            | top,
            "portal": {"url": portal.url, "token": token},
            "installation": {
                "team": "alpha",
                "query_class": "fixture_replay",
                "integration_root": str(installation.root),
                "runs_root": str(installation.runs),
            },
            "cli": {"command": installation.command, "time_limit_s": 20},
            "drive": {
                "driver": "fixture",
                "tick_limit_s": 20,
                "interrupt_after_s": 0.5,
                "pause_s": 0.1,
                "waiting_s": 2,
            },
            "every": {"settings_s": 0.3, "report_s": 0.5, "rescan_s": 3, "settle_s": 1},
        }
        self.folder.mkdir()

    def drive(self, **changes: Any) -> "Agent":
        """Have it tick the runs."""
        self.tables["drive"] |= {"is_on": True} | changes
        return self

    def start(self) -> None:
        """Start it (again)."""
        self.config.write_text("\n".join(_table(*each) for each in self.tables.items()))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rollout.agent", "--config", str(self.config)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def begin(self) -> None:
        """Start it, and wait until it has heard that Option C may run here."""
        self.start()
        wait_until(lambda: self.enabled is True)

    def kill(self) -> None:
        """kill -9, as a crash is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int | None:
        """As a service is stopped; its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def said(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """The lines of its log about this."""
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if entry.get("event") == event and facts.items() <= entry.items():
                    found.append(entry)
        return found

    @property
    def enabled(self) -> object:
        """What the settings file says; None when it says nothing."""
        try:
            settings = json.loads(self.installation.settings.read_text())
        except OSError:
            return None
        return settings["deepResearchCli"]["flags"]["PAI_DR_CLI_ENABLED"]


def _table(name: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]" if name else "", *lines, ""])


def processes_under(folder: Path) -> dict[int, str]:
    """What still runs, or was never waited for, of what was started for a folder."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        with suppress(OSError):
            environment = (directory / "environ").read_bytes()
            if f"STANDIN_ROOT={folder}\0".encode() in environment:
                found[int(directory.name)] = (directory / "cmdline").read_text()
    return found


def zombies_of(pid: int) -> list[str]:
    """Children of a process that have ended and were not waited for."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                name, _, rest = (directory / "stat").read_text().rpartition(")")
                state, parent = rest.split()[:2]
                if state == "Z" and int(parent) == pid:
                    found.append(name)
    return found


# What the portal knows, against what lies on the disk


def differences(service: httpx.Client, root: Path) -> list[str]:
    """Where the portal says something else than a run root, byte for byte."""
    manifest = json.loads((root / "manifest.json").read_bytes())
    gates = json.loads((root / "gates.json").read_bytes())["gates"]
    run_id = manifest["run_id"]
    answer = service.get(f"/api/v1/runs/{run_id}")
    if answer.status_code != 200:
        return [f"{run_id} is not known"]
    run = answer.json()
    found = []
    if run["reported_status"] != manifest["status"]:
        found.append(f"it is {run['reported_status']}, not {manifest['status']}")
    reported = {letter: gate["reported"] for letter, gate in run["gates"].items()}
    if reported != {letter: gate["status"] for letter, gate in gates.items()}:
        found.append(f"its gates are {reported}")
    # After a verdict of the portal's own, documents are kept and move nothing.
    for name in () if run["cause"] else ("manifest", "gates"):
        known = service.get(f"/api/v1/runs/{run_id}/{name}").headers.get("ETag", "")
        if digest((root / f"{name}.json").read_bytes()) not in known:
            found.append(f"{name}.json differs")
    return found + _differing_artifacts(service, run_id, root)


def _differing_artifacts(service: httpx.Client, run_id: str, root: Path) -> list[str]:
    kept: dict[str, str] = {}
    written_by_the_portal = set()
    for each in service.get(f"/api/v1/runs/{run_id}/artifacts").json():
        kept.setdefault(each["path"], each["digest"])  # the newest comes first
        if each["origin"] == "portal":
            written_by_the_portal.add(each["path"])
    there = {
        str(path.relative_to(root)): digest(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and ".tmp." not in path.name
    }
    return [
        path
        for path in sorted(there.keys() | kept.keys() - written_by_the_portal)
        if path not in NOT_SENT and kept.get(path) != there.get(path)
    ]


def fetched(service: httpx.Client, root: Path) -> dict[str, bytes]:
    """Every file of a run, as the portal gives it away."""
    run_id = json.loads((root / "manifest.json").read_bytes())["run_id"]
    artifacts = service.get(f"/api/v1/runs/{run_id}/artifacts").json()
    return {
        path: service.get(f"/api/v1/runs/{run_id}/artifacts/{path}").content
        for path in sorted({each["path"] for each in artifacts})
    }


def run_of(service, run_id: str) -> dict:
    answer = service.get(f"/api/v1/runs/{run_id}")
    return answer.json() if answer.status_code == 200 else {"status": ""}


def waits_for(service, run_id: str, status: str, limit_s: float = 90) -> None:
    wait_until(lambda: run_of(service, run_id)["status"] == status, limit_s=limit_s)


def agrees(service: httpx.Client, *roots: Path, limit_s: float = 90) -> None:
    """Wait until the portal says of these run roots what they say themselves."""
    left: list[str] = []

    def is_so() -> bool:
        left.clear()
        for root in roots:
            try:
                found = differences(service, root)
            except (OSError, ValueError, KeyError, httpx.TransportError) as error:
                found = [repr(error)]  # half-written, or the web has just been killed
            left.extend(f"{root.name}: {each}" for each in found)
        return not left

    try:
        wait_until(is_so, limit_s=limit_s)
    except AssertionError:
        raise AssertionError(left) from None
    for root in roots:
        given = fetched(service, root)
        for path in root.rglob("*"):
            name = str(path.relative_to(root))
            if path.is_file() and name in given and name not in NOT_SENT:
                assert given[name] == path.read_bytes(), name


def check_revisions(portal, installation, run_id: str) -> None:
    """Nobody has skipped a revision or written one twice; the portal saw them rise."""
    audit = installation.log(run_id, "audit")
    for name in ("manifest", "gates"):
        written = [line for line in audit if line["kind"] == f"{name}_write"]
        revisions = [(line["prev_revision"], line["new_revision"]) for line in written]
        assert revisions == [(n, n + 1) for n in range(1, len(written) + 1)]
    ((conflicts,),) = portal.query(
        "SELECT count(*) FROM rollout_rundocument d "
        f"JOIN rollout_run r ON r.id = d.run_id WHERE r.run_id = '{run_id}' "
        "AND d.note = 'conflicting revision'"
    )
    assert conflicts == 0
