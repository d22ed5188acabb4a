"""Commands in a box: nothing written outside, nothing left running, a bounded output.

bubblewrap gives them a file system that they can only read, a scratch directory of
bounded size, no network unless asked, and process ids of their own, so that the end of
the command is the end of all that it started. Without bubblewrap they are carried out
only where the settings say so, and the evidence says "unsandboxed".
"""

import ctypes
import os
import pwd
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from portal.errors import Unavailable

BOX = Path("/tmp/scratch")
LARGEST_OUTPUT = 256 * 1024
LARGEST_SCRATCH = 1024**3
LARGEST_FILE = 512 * 1024**2
LARGEST_MEMORY = 4 * 1024**3  # of one process
MOST_PROCESSES = 1024
MOST_FILES = 4096
LAST_WORDS_S = 1.0
UNSANDBOXED = "unsandboxed"
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended; `exit_code` is None when a signal ended it."""

    exit_code: int | None
    signal: int | None
    is_timed_out: bool
    output: bytes  # standard output and error, the middle left out when too long
    output_size: int  # of all that it said, in bytes
    duration_s: float
    killed: int  # processes that had outlived the command
    sandbox: str


def available() -> str:
    """The sandbox that commands get here, with its version; `unsandboxed`."""
    program = shutil.which("bwrap")
    if program is None:
        return UNSANDBOXED
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or UNSANDBOXED


def places(scratch: Path) -> dict[str, str]:
    """What the placeholders of a command stand for."""
    return {
        "python": sys.executable,
        "project": str(settings.BASE_DIR),
        "scratch": str(scratch),
    }


@contextmanager
def scratch() -> Iterator[Path]:
    """The directory that one command may write to; gone afterwards."""
    if available() != UNSANDBOXED:
        yield BOX  # made inside, of memory
        return
    with tempfile.TemporaryDirectory(
        prefix="scratch-", ignore_cleanup_errors=True
    ) as name:
        if (user := _unprivileged()) is not None:
            os.chown(name, user.pw_uid, user.pw_gid)
        yield Path(name)


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
    is_boxed = sandbox != UNSANDBOXED
    boxed = _box(needs_network=needs_network) if is_boxed else _as_nobody()
    _adopt_orphans()
    before = _children()
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            [*boxed, *command],
            cwd=settings.BASE_DIR,
            env=_environment(scratch) | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _limit(timeout_s),
        )
    except OSError as error:
        raise Unavailable(
            f"{command[0]} cannot be started: {error.strerror}.", code="CANNOT_START"
        ) from error
    said = _Tape()
    is_timed_out = not _listen(process, said, deadline=started + timeout_s)
    duration_s = time.monotonic() - started
    killed = _end(process, before, said)
    code = process.returncode
    return Ran(
        exit_code=code if code >= 0 and not is_timed_out else None,
        signal=-code if code < 0 else None,
        is_timed_out=is_timed_out,
        output=said.text(),
        output_size=said.size,
        duration_s=duration_s,
        killed=killed,
        sandbox=sandbox,
    )


def _box(*, needs_network: bool) -> list[str]:
    """bubblewrap's part of the command line; later mounts lie over earlier ones."""
    hidden = [Path("/home"), Path("/root"), Path("/run"), Path("/tmp")]
    hidden = [path for path in hidden if path.is_dir()]
    shown = [settings.BASE_DIR, Path(sys.prefix), Path(sys.base_prefix)]
    secrets = [path for path in (settings.VAR, settings.ARTIFACTS_DIR) if path.is_dir()]
    box = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for path in hidden:
        box += ["--tmpfs", str(path)]
    for path in shown:
        over = [each for each in hidden if path.is_relative_to(each)]
        for parent in reversed(path.parents) if over else ():
            if parent.is_relative_to(over[0]):
                box += ["--perms", "0755", "--dir", str(parent)]
        box += ["--ro-bind", str(path), str(path)] if over else []
    for path in secrets:
        box += ["--tmpfs", str(path)]
    for path in (BOX, Path("/dev/shm")):
        box += ["--perms", "1777", "--size", str(LARGEST_SCRATCH), "--tmpfs", str(path)]
    for path in [*hidden, *secrets]:
        box += ["--remount-ro", str(path)]
    box += ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    box += [] if needs_network else ["--unshare-net"]
    box += ["--die-with-parent", "--new-session", "--chdir", str(settings.BASE_DIR)]
    if _unprivileged() is None:
        return [*box, "--unshare-user", "--cap-drop", "ALL", "--"]
    # As root the mounts are made by root, who can read whatever is shown; then the
    # command becomes nobody, for good.
    box += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*box, "--", *_as_nobody()]


def _as_nobody() -> list[str]:
    user = _unprivileged()
    if user is None:
        return []
    return [
        *("setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid)),
        *("--clear-groups", "--inh-caps", "-all", "--no-new-privs", "--"),
    ]


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing of ours: no secret, no address of a server."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "VAR": str(scratch / "var"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _limit(timeout_s: float) -> None:
    """Hard limits, in the child before it becomes the command."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(timeout_s) + 60),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_AS, LARGEST_MEMORY),
        (resource.RLIMIT_NPROC, MOST_PROCESSES),
        (resource.RLIMIT_NOFILE, MOST_FILES),
    ):
        _, ceiling = resource.getrlimit(what)
        if ceiling != resource.RLIM_INFINITY:
            most = min(most, ceiling)
        resource.setrlimit(what, (most, most))


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


def _listen(process: subprocess.Popen[bytes], said: _Tape, *, deadline: float) -> bool:
    """Take down what is said until the command ends; False when its time is over."""
    pipe = process.stdout
    os.set_blocking(pipe.fileno(), False)
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    is_open = True
    while process.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if not is_open:
            time.sleep(min(left, 0.05))
        elif poller.poll(min(left, 0.2) * 1000):
            is_open = _take(pipe.fileno(), said)
    return True


def _take(descriptor: int, said: _Tape) -> bool:
    """Take down what is there; False at its end."""
    while True:
        try:
            chunk = os.read(descriptor, 64 * 1024)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        said.add(chunk)
        if len(chunk) < 4096:
            return True  # so that whoever talks without end is still timed


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


def _children() -> frozenset[int]:
    """The processes whose parent we are."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found.update(int(pid) for pid in (task / "children").read_text().split())
    return frozenset(found)


@cache
def _unprivileged() -> pwd.struct_passwd | None:
    """Who the command is, when we are root: nobody."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None
