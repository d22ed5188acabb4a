"""Abuses of the sandbox, each by a real process: nobody survives, nobody is reached."""

import ctypes
import os
import shutil
import socket
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from drills.services import boxes
from tests.drills.boxed import ran, said

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)

MIB = 1024**2
# Several things stand in the way, and who runs the suite decides which is first.
NO_WRITING = "EROFS EACCES EPERM"
NO_ROOT = "EPERM EINVAL"
CLONE_NEWNS_AND_USER = 0x10020000
MS_REMOUNT_AND_BIND = 0x1020


@pytest.fixture
def seen(settings):
    """A directory that commands can see, beside the code."""
    name = tempfile.mkdtemp(prefix=".seen-", dir=settings.BASE_DIR)
    Path(name).chmod(0o777)
    yield Path(name)
    shutil.rmtree(name)


# What the kernel refuses: what is tried, and what stands in the way

REFUSED = {
    "become root": ("tried(os.setuid, 0)", NO_ROOT),
    "become root's group": ("tried(os.setgid, 0)", NO_ROOT),
    "take groups": ("tried(os.setgroups, [0])", "EPERM"),
    "read the host's passwords": ("tried(open, '/etc/shadow')", "EACCES"),
    "write beside the code": ("tried(open, PROJECT + '/x', 'w')", NO_WRITING),
    "change its own suite": (
        "tried(open, PROJECT + '/verification.toml', 'a')",
        NO_WRITING,
    ),
    "write through a link": (
        "os.symlink('/etc/passwd', TMP + '/out') or tried(open, TMP + '/out', 'a')",
        NO_WRITING,
    ),
    "write by way of ..": ("tried(open, TMP + '/../../etc/x', 'w')", NO_WRITING),
    "link a file of the host": (
        "tried(os.link, PROJECT + '/manage.py', TMP + '/x')",
        "EXDEV",
    ),
    "make a device": (
        "tried(os.mknod, TMP + '/x', stat.S_IFBLK | 0o666, os.makedev(8, 0))",
        "EPERM",
    ),
    "mount": ("called('mount', b'x', TMP.encode(), b'tmpfs', 0, None)", "EPERM"),
    "make the root writable": (
        f"called('mount', None, b'/', None, {MS_REMOUNT_AND_BIND}, None)",
        "EPERM",
    ),
    "unmount what hides the state": ("called('umount2', b'/tmp', 2)", "EPERM"),
    "another root": ("tried(os.chroot, TMP)", "EPERM"),
    "rewrite where cores go": (
        "tried(open, '/proc/sys/kernel/core_pattern', 'w')",
        NO_WRITING,
    ),
    "settings of the kernel": (
        "tried(open, '/proc/sys/vm/drop_caches', 'w')",
        NO_WRITING,
    ),
    "the host's name": ("called('sethostname', b'x', 1)", "EPERM"),
    "the clock": ("tried(time.clock_settime, 0, 0.0)", "EPERM"),
    "restart the host": ("called('reboot', 0x01234567)", "EPERM"),
    "run before everybody": (
        "tried(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))",
        "EPERM",
    ),
    "kill a process of the host": (f"tried(os.kill, {os.getpid()}, 9)", "ESRCH"),
    "trace a process of the host": (
        f"called('ptrace', 16, {os.getpid()}, 0, 0)",
        "ESRCH",
    ),
    "a terminal to type into": ("tried(os.open, '/dev/tty', os.O_RDWR)", "ENXIO"),
    "type into what it was given": (
        "[tried(fcntl.ioctl, each, 0x5412, b'x') for each in (0, 1, 2)]",
        "['ENOTTY', 'ENOTTY', 'ENOTTY']",
    ),
    "raw packets": (
        "tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)",
        "EPERM",
    ),
    "whole frames": (
        "tried(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)",
        "EPERM",
    ),
    "the public network": (
        "tried(reached, socket.AF_INET, socket.SOCK_STREAM, ('192.0.2.1', 443))",
        "ENETUNREACH",
    ),
    "a metadata service": (
        "tried(reached, socket.AF_INET, socket.SOCK_STREAM, ('169.254.169.254', 80))",
        "ENETUNREACH",
    ),
    "a name": ("tried(socket.getaddrinfo, 'example.com', 443)", "gaierror"),
}


@pytest.mark.parametrize(("code", "refusal"), REFUSED.values(), ids=REFUSED)
def test_the_kernel_stands_in_the_way_of(code, refusal):
    done = ran(f"print({code})")

    assert said(done) in (refusal, *refusal.split())


# Reading what is not its business


def test_it_sees_neither_state_nor_homes_nor_the_key(seen, settings):
    settings.VAR, settings.ARTIFACTS_DIR = seen / "var", seen / "artifacts"
    settings.SEALER_KEY_FILE = seen / "sealer-key"
    for directory in (settings.VAR, settings.ARTIFACTS_DIR):
        directory.mkdir()
        (directory / "secret").write_text("do-not-tell")
    settings.SEALER_KEY_FILE.write_text("do-not-tell")

    done = ran(
        f"""
seen = {str(seen)!r}
print(os.listdir(seen + '/var'), os.listdir(seen + '/artifacts'))
print(os.listdir('/home'), os.listdir('/run'), os.listdir('/var/tmp'))
try:
    print(open(seen + '/sealer-key').read())
except OSError:
    print()
"""
    )

    assert said(done) == "[] []\n[] [] []\n"


def test_the_key_is_not_seen_beside_code_that_lies_in_a_home(settings):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        settings.BASE_DIR = Path(name)
        settings.BASE_DIR.chmod(0o755)
        settings.SEALER_KEY_FILE = settings.BASE_DIR / "sealer-key"
        settings.SEALER_KEY_FILE.write_text("do-not-tell")
        (settings.BASE_DIR / "code").write_text("code")

        done = ran(
            "print(open('code').read(), tried(lambda: open('sealer-key').read()))"
        )

    assert said(done) in ("code EACCES", "code THROUGH ''")


def test_it_sees_no_process_but_its_own():
    done = ran(
        """
for pid in filter(str.isdigit, os.listdir('/proc')):
    words = open(f'/proc/{pid}/cmdline').read()
    if MARK not in words:
        print(pid, words)
"""
    )

    assert said(done) == ""


def test_it_is_handed_no_open_file_of_ours(seen):
    (seen / "secret").write_text("do-not-tell")
    open_file = os.open(seen / "secret", os.O_RDONLY)
    os.set_inheritable(open_file, True)

    done = ran("print(sorted(os.listdir('/proc/self/fd'))); print(sys.stdin.read())")

    os.close(open_file)
    assert said(done) == "['0', '1', '2', '3']\n"  # the last is the listing itself


def test_it_has_no_power_and_gets_none():
    done = ran(
        """
for line in open('/proc/self/status'):
    if line.startswith(('CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'NoNewPrivs')):
        print(int(line.split()[1], 16), end=' ')
"""
    )

    assert said(done) == "0 0 0 0 1 "


def test_memory_that_processes_of_the_host_share_is_not_found():
    libc = ctypes.CDLL(None)
    key = os.getpid()
    shared = libc.shmget(key, 4096, 0o1666)  # 01000 creates it
    assert shared >= 0

    done = ran(f"print(called('shmget', {key}, 4096, 0))")

    libc.shmctl(shared, 0, None)
    assert said(done) == "ENOENT"


def test_what_the_box_was_started_with_tells_nothing(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do-not-tell")

    done = ran("print(tried(lambda: open('/proc/1/environ').read()))")

    assert said(done) == "EACCES" or said(done).startswith("THROUGH 'PATH=")
    assert "do-not-tell" not in said(done)


# Writing outside


def test_namespaces_of_its_own_make_nothing_writable(seen):
    done = ran(
        f"""
libc.unshare({CLONE_NEWNS_AND_USER})
libc.mount(None, b'/', None, {MS_REMOUNT_AND_BIND}, None)
libc.mount(None, {str(seen.parent).encode()!r}, None, {MS_REMOUNT_AND_BIND}, None)
print(tried(open, {str(seen / "x")!r}, 'w'))
"""
    )

    assert said(done) in NO_WRITING.split()
    assert list(seen.iterdir()) == []


@pytest.mark.parametrize("place", ["os.environ['TMPDIR']", "'/dev/shm'"])
def test_a_disk_that_is_filled_is_its_own_and_small(monkeypatch, place):
    monkeypatch.setattr(boxes, "LARGEST_SCRATCH", 16 * MIB)

    done = ran(
        f"""
written = 0
def fill():
    global written
    with open({place} + '/x', 'wb', buffering=0) as file:
        while True:
            written += file.write(bytes({MIB}))
print(tried(fill), written <= {16 * MIB})
"""
    )

    assert said(done) == "ENOSPC True"
    assert not boxes.BOX.exists()


def test_twenty_thousand_files_are_gone_with_the_box():
    done = ran(
        """
for number in range(20_000):
    os.mknod(f'{TMP}/{number}')
print(len(os.listdir(TMP)))
"""
    )

    assert said(done) == "20000"
    assert not boxes.BOX.exists()


# Reaching somebody


def test_nobody_is_reached_over_any_kind_of_socket(seen, settings, monkeypatch):
    """Each listens for real; some are where the servers of the portal would be."""
    mark = f"\0portal-{os.getpid()}"
    for name in ("var", "postgres", "valkey"):
        (seen / name).mkdir()
    settings.VAR = seen / "var"
    host = str(seen / "postgres")
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", host)
    settings.REDIS_URL = f"unix://{seen}/valkey/s?db=0"
    local = [mark, *(str(seen / name / "s") for name in ("var", "postgres", "valkey"))]
    any_port = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
    wanted = [(socket.AF_UNIX, socket.SOCK_STREAM, address) for address in local]
    for family, address in any_port.items():
        wanted += [(family, socket.SOCK_STREAM, address)]
        wanted += [(family, socket.SOCK_DGRAM, address)]

    with ExitStack() as stack:
        listening = []
        for family, kind, address in wanted:
            with suppress(OSError):  # a host without IPv6
                box = stack.enter_context(socket.socket(family, kind))
                box.bind(address)
                box.setblocking(False)
                if kind == socket.SOCK_STREAM:
                    box.listen()
                if family == socket.AF_UNIX and not address.startswith("\0"):
                    Path(address).chmod(0o777)
                listening.append(box)
        there = [(b.family.value, b.type.value, b.getsockname()) for b in listening]
        done = ran(f"for each in {there!r}: print('THROUGH' in tried(reached, *each))")
        # A datagram into nowhere is sent, and arrives at nobody.
        through = [
            kind
            for (_, kind, _), line in zip(there, said(done).splitlines(), strict=True)
            if line == "True"
        ]
        assert len(there) >= 6
        assert socket.SOCK_STREAM not in through
        assert [each for each in listening if _is_spoken_to(each)] == []
        # The counter counts.
        for family, kind, address in there:
            with socket.socket(family, kind) as peer:
                peer.connect(address)
                peer.send(b"hello")
        assert all(_is_spoken_to(each) for each in listening)


def _is_spoken_to(listening: socket.socket) -> bool:
    try:
        if listening.type == socket.SOCK_STREAM:
            listening.accept()[0].close()
        else:
            listening.recv(10)
    except BlockingIOError:
        return False
    return True


# By way of what the suite file says


def test_its_environment_reaches_the_command_and_nobody_before_it(seen):
    for name in ("bwrap", "setpriv", "env"):
        program = seen / name
        program.write_text(f"#!/bin/sh\ntouch {seen}/through\n")
        program.chmod(0o755)

    done = ran(
        "print(os.environ['PATH'])",
        environment={"PATH": str(seen), "LD_PRELOAD": str(seen / "none.so")},
    )

    assert not (seen / "through").exists()
    assert done.output.count(b"cannot be preloaded") == 1  # Python says so
    assert done.output.endswith(f"{seen}\n".encode())
