"""A research system that is not one, as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from tests.live import ROOT, LivePortal

STAGE_TIMEOUT_S = 5
LIMIT_S = 600  # only a simulator that hangs takes so long, however busy the machine


class Simulator:
    """`manage.py simulate` as a process of its own."""

    def __init__(self, portal: LivePortal, token: str, state: Path) -> None:
        self.portal, self.token, self.state = portal, token, state

    def start(self, *options: str, token: str = "") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "manage.py", "simulate", "--json"),
                *("--url", self.portal.url, "--state", str(self.state)),
                *("--stage-timeout", str(STAGE_TIMEOUT_S), *options),
            ],
            cwd=ROOT,
            env=self.portal.environment | {"TOKEN": token or self.token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> dict[str, int]:
        """To its end; how the runs ended, as the simulator saw it."""
        with self.start(*options) as process:
            try:
                said, complaints = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()  # where it hangs; one that has ended minds nothing
        assert process.returncode == 0, complaints
        return json.loads(said)["outcomes"]
