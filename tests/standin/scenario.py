"""What shall happen, and what shall go wrong, said by the file in `STANDIN_SCENARIO`.

    {"default": {...}, "runs": {"run-7": {...}}}

A run's own entry replaces the default. In an entry:

- `start_in`: `init` leaves the run in this stage (`init`, `perspectives`, `wave1`)
- `perspectives`: how many (1); `gaps`: how many a second wave is asked for (0)
- `reviews`: what the reviews say, one after the other (`["PASS"]`)
- `fails`: how many of a gate's checks fail, e.g. `{"B": 1}`: it recovers
- `retries`: the gates whose retries are counted (`"B"`)
- `throws`: codes that a tick does not answer with, but breaks off with
- `slow`: how many seconds a stage's work takes
- `faults`: a list of `{"do": ..., "command": ..., "stage": ..., "tick": ..., "at": ...,
  "times": ...}`, where all but `do` narrow down when it happens

Faults at `start` (before anything), at `work` (in mid-stage, under the lock), or at
`end` (when it is time to answer):

- `hang` (`seconds`; `deaf`: not even a polite signal ends it; `child`: nor alone)
- `die` (kill -9), `leave` (exit with `code` and say nothing)
- `half_written`: the manifest is there in part for `seconds`
- `conflict`: the manifest's revision is there once more, with other content
- `lie`: the answer, but with exit status `code`
- `garbage`, `nothing`, `huge` (`megabytes`), `deep` (JSON of 10,000 levels): no answer
- `chatter`: words before the answer
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.standin import files
from tests.standin.lock import Lock

ANSWERS = ("lie", "garbage", "nothing", "huge", "deep", "chatter")


class Scenario:
    """What the file says about one run."""

    def __init__(self, run_id: str | None) -> None:
        self.path = Path(os.environ.get("STANDIN_SCENARIO") or os.devnull)
        text = self.path.read_text(encoding="utf-8")
        document = json.loads(text) if text else {}
        entry = document.get("runs", {}).get(run_id, document.get("default", {}))
        self.run_id = run_id
        self.start_in: str = entry.get("start_in", "wave1")
        self.perspectives: int = entry.get("perspectives", 1)
        self.gaps: int = entry.get("gaps", 0)
        self.reviews: list[str] = entry.get("reviews", ["PASS"])
        self.fails: dict[str, int] = entry.get("fails", {})
        self.retries: str = entry.get("retries", "B")
        self.throws: list[str] = entry.get("throws", [])
        self.slow: dict[str, float] = entry.get("slow", {})
        self.faults: list[dict[str, Any]] = entry.get("faults", [])
        self.here: dict[str, Any] = {}

    def enter(self, **here: Any) -> None:
        """Say where the process is: its command, the run's stage, the tick's number."""
        self.here |= here

    def reach(self, point: str, root: Path | None, lock: Lock | None = None) -> None:
        """Let happen what shall happen at this point."""
        if point == "work" and lock is not None:
            lock.wait(self.slow.get(self.here["stage"], 0))
        for fault in self._due(point):
            if fault["do"] not in ANSWERS:
                _happen(fault, root)

    def answer(self, line: str, status: int) -> int:
        """Print the answer, or what is printed in its place; the exit status."""
        for fault in self._due("end"):
            match fault["do"]:
                case "lie":
                    status = fault["code"]
                case "garbage":
                    line = "panic: \x00 index out of range {not json"
                case "nothing":
                    line = ""
                case "deep":
                    line = "[" * 10_000 + "]" * 10_000
                case "chatter":
                    line = f"warn: a new version can be had\n{line}"
                case "huge":
                    _shout(fault.get("megabytes", 64))
                case _:
                    _happen(fault, None)
        print(line, flush=True)
        return status

    def _due(self, point: str) -> list[dict[str, Any]]:
        found = []
        for number, fault in enumerate(self.faults):
            usual = "end" if fault["do"] in ANSWERS else "work"
            conditions = {
                name: fault[name]
                for name in ("command", "stage", "tick")
                if name in fault
            }
            if (
                fault.get("at", usual) == point
                and all(
                    self.here.get(key) == value for key, value in conditions.items()
                )
                and self._is_left(number, fault.get("times"))
            ):
                found.append(fault)
        return found

    def _is_left(self, number: int, times: int | None) -> bool:
        """Whether it may happen once more; what did is kept beside the file."""
        if times is None:
            return True
        for attempt in range(times):
            name = f"{self.path.name}.{self.run_id}.{number}.{attempt}"
            try:
                self.path.with_name(name).touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def _happen(fault: dict[str, Any], root: Path | None) -> None:
    match fault["do"]:
        case "hang":
            if fault.get("deaf"):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if fault.get("child"):
                words = [sys.executable, "-c", "import time; time.sleep(600)"]
                os.posix_spawn(sys.executable, words, os.environ)
            time.sleep(fault.get("seconds", 600))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(fault["code"])
        case "half_written" if root is not None:
            manifest = root / "manifest.json"
            whole = manifest.read_bytes()
            manifest.write_bytes(whole[: len(whole) // 2])
            time.sleep(fault.get("seconds", 1))
            manifest.write_bytes(whole)
        case "conflict" if root is not None:
            manifest = files.read(root / "manifest.json")
            manifest["query"]["text"] += " (once more)"
            files.write(root / "manifest.json", manifest)


def _shout(megabytes: int) -> None:
    for _ in range(megabytes):
        sys.stdout.write("x" * 1_000_000)
