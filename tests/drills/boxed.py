"""Programs in the sandbox, and what is left of them."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from drills.services import boxes, sandbox

# What every abuse has at hand. Whatever works prints THROUGH.
PRELUDE = """
import ctypes, errno, fcntl, os, signal, socket, stat, subprocess, sys, time
MARK, TMP, PROJECT = sys.argv[1], os.environ['TMPDIR'], os.getcwd()
libc = ctypes.CDLL(None, use_errno=True)

def tried(what, *with_these):
    try:
        found = what(*with_these)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return f'THROUGH {found!r}'

def called(name, *with_these):
    if getattr(libc, name)(*with_these) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return 'THROUGH'

def reached(family, kind, address):
    with socket.socket(family, kind) as box:
        box.settimeout(5)
        if kind == socket.SOCK_DGRAM:
            return box.sendto(b'hello', address)
        return box.connect(address)
"""


def ran(code: str, *more: str, timeout_s: float = 20, **how) -> sandbox.Ran:
    """A Python program in the sandbox; it, and all that it started, are gone after."""
    mark = f"abuse-{uuid4()}"
    with boxes.scratch() as scratch:
        places = boxes.places(scratch)
        done = sandbox.run(
            [places["python"], "-c", PRELUDE + code, mark, *more],
            scratch=scratch,
            environment=how.pop("environment", {}),
            timeout_s=timeout_s,
            **how,
        )
    assert survivors(mark) == []
    return done


def survivors(mark: str) -> list[int]:
    """The processes on this machine that have these words in their command."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            with suppress(OSError):
                if mark.encode() in (directory / "cmdline").read_bytes():
                    found.append(int(directory.name))
    return found


def said(done: sandbox.Ran) -> str:
    """What a program said, without the last line break."""
    return done.output.decode().removesuffix("\n")
