"""Commands in a box: nothing written outside, nothing left running, a bounded output.

bubblewrap gives them a file system that they can only read, a scratch directory of
bounded size, no network unless asked, and process ids of their own, so that the end of
the command is the end of all that it started (`boxes`). Without bubblewrap they are
carried out only where the settings say so, and the evidence says "unsandboxed".
"""

import ctypes
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from drills.services import boxes
from drills.services.boxes import UNSANDBOXED, available
from portal.errors import Unavailable

LARGEST_OUTPUT = 256 * 1024
LARGEST_MEMORY = 6 * 1024**3  # of all its processes together
LEAST_MEMORY_LEFT = 256 * 1024**2  # on this host
LAST_WORDS_S = 1.0
LOOKS_EVERY_S = 0.2
MOST_AT_ONCE = 64  # chunks, so that whoever talks without end is still timed
OUT_OF_TIME = "its time was over"
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended.

    `exit_code` is None when it was ended from outside. In a box it is 128 and the
    number of the signal for a command that a signal ended, as a shell says it.
    """

    exit_code: int | None
    signal: int | None
    is_timed_out: bool
    output: bytes  # standard output and error, the middle left out when too long
    output_size: int  # of all that it said, in bytes
    duration_s: float
    killed: int  # processes that had outlived the command
    sandbox: str


def run(
    command: Sequence[str],
    *,
    scratch: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    needs_network: bool = False,
) -> Ran:
    """Carry out a command to its end, or end it.

    Raises `Unavailable` (NO_SANDBOX) where there is no bubblewrap and the settings do
    not allow to go without, or CANNOT_START when the program cannot be started.
    """
    sandbox = available()
    if sandbox == UNSANDBOXED and not settings.ALLOW_UNSANDBOXED:
        raise Unavailable(
            "Commands are carried out in bubblewrap only, and this host has none: "
            "install it, or set ALLOW_UNSANDBOXED=1.",
            code="NO_SANDBOX",
        )
    if not command[0].startswith("/") or "=" in command[0]:
        raise Unavailable(
            f"{command[0]} cannot be started: a program is named by its whole path, "
            "which has no =.",
            code="CANNOT_START",
        )
    line = boxes.command_line(
        command,
        scratch=scratch,
        environment=environment,
        needs_network=needs_network,
        is_boxed=sandbox != UNSANDBOXED,
    )
    _adopt_orphans()
    before = _children()
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            line,
            cwd=settings.BASE_DIR,
            env=boxes.OUTSIDE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: boxes.limit(timeout_s),
        )
    except OSError as error:
        raise Unavailable(
            f"{command[0]} cannot be started: {error.strerror}.", code="CANNOT_START"
        ) from error
    said = _Tape()
    ended = _listen(process, before, said, deadline=started + timeout_s)
    duration_s = time.monotonic() - started
    killed = _end(process, before, said)
    if ended not in ("", OUT_OF_TIME):
        said.add(f"\n… ended: {ended} …\n".encode())
    code = process.returncode
    return Ran(
        exit_code=code if code >= 0 and not ended else None,
        signal=-code if code < 0 else None,
        is_timed_out=ended == OUT_OF_TIME,
        output=said.text(),
        output_size=said.size,
        duration_s=duration_s,
        killed=killed,
        sandbox=sandbox,
    )


class _Tape:
    """The first and the last of what was said, and how much it was."""

    def __init__(self) -> None:
        self.size = 0
        self.head = bytearray()
        self.tail = bytearray()

    def add(self, said: bytes) -> None:
        self.size += len(said)
        room = LARGEST_OUTPUT // 2 - len(self.head)
        if room > 0:
            self.head += said[:room]
            said = said[room:]
        self.tail += said
        if (over := len(self.tail) - LARGEST_OUTPUT // 2) > 0:
            del self.tail[:over]

    def text(self) -> bytes:
        left_out = self.size - len(self.head) - len(self.tail)
        gap = f"\n… {left_out} bytes left out …\n".encode() if left_out else b""
        return bytes(self.head) + gap + bytes(self.tail)


def _listen(
    process: subprocess.Popen[bytes],
    before: frozenset[int],
    said: _Tape,
    *,
    deadline: float,
) -> str:
    """Take down what is said until the command ends; else why it has to be ended."""
    pipe = process.stdout
    os.set_blocking(pipe.fileno(), False)
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    is_open = True
    looks_at = time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if now >= deadline:
            return OUT_OF_TIME
        if now >= looks_at:
            looks_at = now + LOOKS_EVERY_S
            if why := _is_too_large(_children() - before):
                return why
        left = min(deadline, looks_at) - now
        if not is_open:
            time.sleep(min(left, 0.05))
        elif poller.poll(left * 1000):
            is_open = _take(pipe.fileno(), said)
    return ""


def _is_too_large(processes: frozenset[int]) -> str:
    """Why these and all that they started hold too much memory; nothing if not."""
    held, waiting = 0, list(processes)
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            held += (int(resident) - int(shared)) * resource.getpagesize()
            waiting += _children(pid)
    if held > LARGEST_MEMORY:
        return f"its processes held more than {LARGEST_MEMORY} bytes of memory"
    # What is held by files in memory and by the kernel belongs to no process.
    if _memory_left() < LEAST_MEMORY_LEFT:
        return f"this host had less than {LEAST_MEMORY_LEFT} bytes of memory left"
    return ""


def _memory_left() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024


def _take(descriptor: int, said: _Tape) -> bool:
    """Take down what is there, if it is not without end; False at its end."""
    for _ in range(MOST_AT_ONCE):
        try:
            chunk = os.read(descriptor, 64 * 1024)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        said.add(chunk)
    return True


def _end(process: subprocess.Popen[bytes], before: frozenset[int], said: _Tape) -> int:
    """End the command and all that it started, and hear its last words."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = 0
    until = time.monotonic() + LAST_WORDS_S
    while _children() - before and time.monotonic() < until and not _reap(before):
        time.sleep(0.01)  # the box takes down what is in it by itself
    # Whoever forked away has become our child, and its children will.
    while orphans := _children() - before:
        for orphan in orphans:
            with suppress(ChildProcessError):
                if os.waitpid(orphan, os.WNOHANG) == (0, 0):
                    os.kill(orphan, signal.SIGKILL)
                    os.waitpid(orphan, 0)
                    killed += 1
    while time.monotonic() < until and _is_talking(process.stdout.fileno(), said):
        pass
    process.stdout.close()
    return killed


def _is_talking(descriptor: int, said: _Tape) -> bool:
    size = said.size
    return _take(descriptor, said) and said.size > size


def _reap(before: frozenset[int]) -> bool:
    """Bury who has died; whether nobody is left."""
    for child in _children() - before:
        with suppress(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
    return not _children() - before


def _adopt_orphans() -> None:
    """Have whoever loses its parent become our child, so that it can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(of: int | str = "self") -> frozenset[int]:
    """The processes whose parent that is; ours."""
    found = set()
    for task in Path(f"/proc/{of}/task").iterdir():
        with suppress(OSError):
            found.update(int(pid) for pid in (task / "children").read_text().split())
    return frozenset(found)
