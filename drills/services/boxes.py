"""The box that bubblewrap makes for a command, and the limits of what runs in it.

The command sees the file system and can write to none of it; home directories, the
state of the portal, its key and the sockets of its servers are not there. Whatever the
suite file says of its environment reaches the command only: bubblewrap, and who gives
up root for it, are found and run in an environment of our own.
"""

import os
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

BOX = Path("/tmp/scratch")
LARGEST_SCRATCH = 1024**3
LARGEST_FILE = 512 * 1024**2
LARGEST_MEMORY = 4 * 1024**3  # of one process
MOST_PROCESSES = 1024
MOST_FILES = 4096
UNSANDBOXED = "unsandboxed"
# Where the programs of the host are that make the box.
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE = {"PATH": HOST_PATH, "LANG": "C.UTF-8"}
_NOTHING = "/dev/null"
_FIRST_TO_GO = "1000"  # when the host runs out of memory


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


def command_line(
    command: Sequence[str],
    *,
    scratch: Path,
    environment: Mapping[str, str],
    needs_network: bool,
    is_boxed: bool,
) -> list[str]:
    """What is started so that the command runs in its box, with its environment."""
    box = _box(needs_network=needs_network) if is_boxed else []
    known = _environment(scratch) | dict(environment)
    said = [f"{name}={value}" for name, value in known.items()]
    return [*box, *_as_nobody(), _program("env"), "-i", *said, *command]


def limit(timeout_s: float) -> None:
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
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _box(*, needs_network: bool) -> list[str]:
    """bubblewrap's part of the command line; later mounts lie over earlier ones."""
    hidden = [
        Path("/home"),
        Path("/root"),
        Path("/run"),
        Path("/tmp"),
        Path("/var/tmp"),
    ]
    hidden = [path for path in hidden if path.is_dir()]
    shown = [settings.BASE_DIR, Path(sys.prefix), Path(sys.base_prefix)]

    def is_seen(path: Path) -> bool:
        return _is_in(path, shown) or not _is_in(path, hidden)

    secrets = [settings.VAR, settings.ARTIFACTS_DIR]
    secrets += filter(is_seen, _socket_directories())
    secrets = [path for path in secrets if path.is_dir()]
    box = [shutil.which("bwrap") or "bwrap", "--ro-bind", "/", "/"]
    box += ["--dev", "/dev", "--proc", "/proc"]
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
    key = settings.SEALER_KEY_FILE
    if key.is_file() and is_seen(key) and not _is_in(key, secrets):
        box += ["--ro-bind", _NOTHING, str(key)]
    for path in (BOX, Path("/dev/shm")):
        box += ["--perms", "1777", "--size", str(LARGEST_SCRATCH), "--tmpfs", str(path)]
    for path in [*hidden, *secrets, Path("/dev")]:
        box += ["--remount-ro", str(path)]
    box += ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    box += [] if needs_network else ["--unshare-net"]
    box += ["--die-with-parent", "--new-session", "--chdir", str(settings.BASE_DIR)]
    if _unprivileged() is None:
        return [*box, "--unshare-user", "--cap-drop", "ALL", "--"]
    # As root the mounts are made by root, who can read whatever is shown; then the
    # command becomes nobody, for good.
    box += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*box, "--"]


def _socket_directories() -> list[Path]:
    """Where the sockets of our servers are, if they have any in the file system."""
    found = []
    host = settings.DATABASES["default"].get("HOST", "")
    if host.startswith("/"):
        found.append(Path(host))
    queue = urlsplit(settings.REDIS_URL)
    if queue.scheme == "unix":
        found.append(Path(queue.path).parent)
    return [path.resolve() for path in found]


def _is_in(path: Path, directories: Sequence[Path]) -> bool:
    return any(path.is_relative_to(each) for each in directories)


def _as_nobody() -> list[str]:
    user = _unprivileged()
    if user is None:
        return []
    return [
        *(
            _program("setpriv"),
            "--reuid",
            str(user.pw_uid),
            "--regid",
            str(user.pw_gid),
        ),
        *("--clear-groups", "--inh-caps", "-all", "--no-new-privs", "--"),
    ]


def _program(name: str) -> str:
    """The whole path of a program of the host, or its name when it has none."""
    return shutil.which(name, path=HOST_PATH) or name


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


@cache
def _unprivileged() -> pwd.struct_passwd | None:
    """Who the command is, when we are root: nobody."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None
