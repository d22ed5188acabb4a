"""Commands that want to stay, or to have more than their share: 0 survivors."""

import os
import shutil
import signal
import time

import pytest

from drills.services import boxes, sandbox
from portal.errors import Unavailable
from tests.drills.boxed import ran, said, survivors

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)

MIB = 1024**2


# Outliving, and taking more than its share


def test_a_fork_bomb_is_contained_and_ended(monkeypatch):
    monkeypatch.setattr(boxes, "MOST_PROCESSES", 500)

    done = ran(
        """
first = os.getpid()
while True:
    if (found := tried(os.fork)) == 'EAGAIN':
        break
if os.getpid() != first:
    time.sleep(99)
print(found)
"""
    )

    assert (said(done), done.exit_code) == ("EAGAIN", 0)


def test_the_box_is_not_ended_from_inside():
    done = ran(
        """
for pid in (1, os.getppid()):
    tried(os.kill, pid, signal.SIGKILL)
print('still here')
"""
    )

    assert (said(done), done.exit_code) == ("still here", 0)


@pytest.mark.parametrize(
    "code",
    [
        "[signal.signal(each, signal.SIG_IGN) for each in (1, 2, 3, 13, 15)]",
        "os.closerange(0, 3)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "os.setsid() if os.fork() == 0 else None",
        "[os.fork() for _ in range(2)]\nwhile True: pass",
        "\nwhile True: os.write(1, bytes(65536))",
        "\nwhile True: os.write(2, bytes(65536))",
    ],
    ids=[
        "who ignores signals",
        "who closes its output and lives on",
        "who stops itself",
        "who leaves its session",
        "who spins in four processes",
        "who talks without end",
        "who complains without end",
    ],
)
def test_when_the_time_is_over_it_is_over_for(code):
    started = time.monotonic()

    done = ran(f"{code}\ntime.sleep(99)", timeout_s=0.7)

    assert (done.is_timed_out, done.exit_code) == (True, None)
    assert time.monotonic() - started < 10


def test_a_daemon_that_keeps_the_output_open_keeps_nobody_waiting():
    started = time.monotonic()

    done = ran(
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        code = 'import time; time.sleep(99)'
        os.execv(sys.executable, [sys.executable, '-c', code, MARK])
    time.sleep(99)
print('gone')
"""
    )

    assert (said(done), done.exit_code) == ("gone", 0)
    assert time.monotonic() - started < 10


def test_who_kills_everybody_kills_itself_and_what_it_started_only():
    done = ran("os.fork() or time.sleep(99)\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)")

    assert done.exit_code == 128 + signal.SIGKILL


def test_memory_of_many_processes_is_counted_together(monkeypatch):
    monkeypatch.setattr(sandbox, "LARGEST_MEMORY", 200 * MIB)

    done = ran(
        f"""
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(os.urandom(1) * (60 * {MIB}))
        time.sleep(99)
time.sleep(99)
"""
    )

    assert (done.exit_code, done.is_timed_out) == (None, False)
    assert "its processes held more than" in said(done)


def test_a_command_is_ended_before_the_host_has_no_memory_left(monkeypatch):
    """What is held by files in memory belongs to no process."""
    monkeypatch.setattr(sandbox, "LEAST_MEMORY_LEFT", 2**60)

    done = ran(f"os.write(os.memfd_create('x'), bytes(100 * {MIB}))\ntime.sleep(99)")

    assert (done.exit_code, done.is_timed_out) == (None, False)
    assert "bytes of memory left" in said(done)


def test_limits_are_not_lifted_from_inside():
    done = ran(
        f"""
import resource
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (10**6, 10**6))
except (ValueError, OSError) as error:
    print('refused')
held = []
def hold():
    while True:
        held.append(os.open('/dev/null', os.O_RDONLY))
print(tried(hold), len(held) < {boxes.MOST_FILES})
"""
    )

    assert said(done) == "refused\nEMFILE True"


def test_nothing_outlives_a_worker_that_is_killed():
    mark = f"orphan-{os.getpid()}"
    worker = os.fork()
    if worker == 0:
        code = "import os, time; os.fork(); time.sleep(99)"
        with boxes.scratch() as scratch:
            command = [boxes.places(scratch)["python"], "-c", code, mark]
            sandbox.run(command, scratch=scratch, environment={}, timeout_s=60)
        os._exit(0)
    deadline = time.monotonic() + 20
    while len(survivors(mark)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)  # bubblewrap, twice, and the command, twice
    assert len(survivors(mark)) >= 4

    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)

    while survivors(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert survivors(mark) == []


# By way of what the suite file says


def test_arguments_are_arguments_whatever_they_look_like():
    tricky = ["--", "--bind", "/", "$(touch /tmp/x)", "; true", "A=1", "a\nb", "é*"]

    done = ran("print(sys.argv[2:])", *tricky)

    assert said(done) == str(tricky)


@pytest.mark.parametrize("program", ["A=1", "/opt/a=b", "-S", "--help", "python", ""])
def test_a_program_that_is_no_whole_path_is_not_started(program):
    with pytest.raises(Unavailable) as refusal:
        sandbox.run([program], scratch=boxes.BOX, environment={}, timeout_s=5)

    assert refusal.value.code == "CANNOT_START"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_no_success(number):
    done = ran(f"os.kill(os.getpid(), {int(number)})")

    assert done.exit_code == 128 + number
