"""Commands that behave badly: contained, ended, and told as it was."""

import os
import shutil
import time

import pytest

from drills.services import boxes, sandbox
from portal.errors import Unavailable
from tests.drills.boxed import ran, survivors

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)


@needs_bubblewrap
def test_what_a_command_says_and_how_it_ends_is_told():
    done = ran("import sys; print('hello'); sys.exit(3)")

    assert (done.exit_code, done.output, done.is_timed_out) == (3, b"hello\n", False)
    assert done.sandbox.startswith("bubblewrap")


@needs_bubblewrap
def test_a_command_knows_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do-not-tell")

    done = ran("import os; print(os.environ)", environment={"MODE": "check"})

    assert b"do-not-tell" not in done.output
    assert b"'MODE': 'check'" in done.output


@needs_bubblewrap
def test_it_can_write_into_its_scratch_directory_only(tmp_path, settings):
    settings.VAR = tmp_path
    (tmp_path / "secret").write_text("do-not-tell")
    places = ["/tmp/x", "/etc/x", "/x", "/dev/x", str(settings.BASE_DIR / "x")]

    done = ran(
        f"""
import os
open(os.path.join(os.environ['TMPDIR'], 'x'), 'w').write('1')
for place in {places!r}:
    try:
        open(place, 'w').write('1')
    except OSError:
        continue
    print('WROTE', place)
print(os.listdir({str(tmp_path)!r}))
"""
    )

    assert done.output == b"[]\n"
    assert not (settings.BASE_DIR / "x").exists()


@needs_bubblewrap
def test_it_has_no_network_unless_it_is_said_to_need_one():
    code = "import socket; print([name for _, name in socket.if_nameindex()])"

    assert ran(code).output == b"['lo']\n"


@needs_bubblewrap
def test_whoever_ignores_sigterm_is_ended_when_the_time_is_over():
    started = time.monotonic()

    done = ran(
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)",
        timeout_s=1,
    )

    assert (done.is_timed_out, done.exit_code, done.signal) == (True, None, 9)
    assert time.monotonic() - started < 15


@needs_bubblewrap
def test_nobody_outlives_a_command_by_forking_away():
    mark = f"outlives-{os.getpid()}"

    done = ran(
        f"""
import os, signal, subprocess, sys
for number in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if os.fork() == 0:
            code = 'import time; time.sleep(99)'
            os.execv(sys.executable, [sys.executable, '-c', code, {mark!r}])
        os._exit(0)
print('gone')
"""
    )

    assert done.exit_code == 0
    assert survivors(mark) == []


@needs_bubblewrap
def test_of_a_gigabyte_the_first_and_the_last_is_kept():
    done = ran(
        """
import sys
sys.stdout.write('first')
for _ in range(64):
    sys.stdout.write('x' * 1024 * 1024)
sys.stdout.write('last')
"""
    )

    assert done.output_size == 64 * 1024**2 + 9
    assert len(done.output) < sandbox.LARGEST_OUTPUT + 100
    assert done.output.startswith(b"first")
    assert done.output.endswith(b"last")
    assert b"bytes left out" in done.output


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = bytearray(8 * 1024**3)", b"MemoryError"),
        ("open('/tmp/scratch/x', 'wb').truncate(1024**3)", b"File too large"),
        ("print(open('/etc/shadow').read())", b"Permission denied"),
    ],
)
def test_what_goes_beyond_the_box_is_refused_by_the_kernel(code, says):
    assert says in ran(code).output


@needs_bubblewrap
def test_a_program_that_is_not_there_is_told():
    with boxes.scratch() as scratch:
        done = sandbox.run(
            ["/no/such/program"], scratch=scratch, environment={}, timeout_s=5
        )

    assert done.exit_code != 0
    assert b"No such file" in done.output


def test_without_a_sandbox_nothing_is_carried_out_unless_it_is_allowed(
    monkeypatch, settings
):
    monkeypatch.setenv("PATH", "/nowhere")
    settings.ALLOW_UNSANDBOXED = False

    with pytest.raises(Unavailable) as refusal:
        ran("print('never')")

    assert refusal.value.code == "NO_SANDBOX"
