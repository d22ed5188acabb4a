"""The process that a drill is tried on: started, killed, and gone with its parent."""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from portal.errors import Unavailable

_PR_SET_PDEATHSIG = 1
GONE_WITHIN_S = 5.0
LAST_WORDS = 2_000


@dataclass(slots=True)
class Process:
    """One process with a state directory, from which it goes on after a kill."""

    arguments: Sequence[str]
    token: str
    state: Path
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> int:
        """Start it (again); its process id. Raises `Unavailable` where it cannot."""
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            with (self.state / "process.log").open("ab") as log:
                self.child = subprocess.Popen(
                    [*settings.DRILL_COMMAND, *self.arguments, "--state", self.state],
                    cwd=settings.BASE_DIR,
                    env=os.environ | {"TOKEN": self.token},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
        except OSError as error:
            raise Unavailable(
                f"{settings.DRILL_COMMAND[0]} cannot be started: {error.strerror}.",
                code="CANNOT_START",
            ) from error
        return self.child.pid

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self.child is not None and self.child.poll() is None

    def kill(self) -> int | None:
        """kill -9, it and all that it started; how it exited, if it had been there."""
        if self.child is None:
            return None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(timeout=GONE_WITHIN_S)
        return self.child.returncode

    @property
    def last_words(self) -> str:
        """The end of what it said."""
        with suppress(OSError):
            return (self.state / "process.log").read_text(errors="replace")[
                -LAST_WORDS:
            ]
        return ""

    def forget(self) -> None:
        """Remove its state directory."""
        shutil.rmtree(self.state, ignore_errors=True)


def state_directory(drill_id: int) -> Path:
    """Where the process of a drill keeps its state."""
    return settings.VAR / "drills" / str(drill_id)


def _die_with_parent() -> None:
    """Have the kernel end it when the worker that drives it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
