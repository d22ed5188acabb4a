"""The whole database dies at once, again and again: what was answered is still there.

What lies in the database's own memory is lost with its processes, as in a power
failure: a commit that nobody has waited for is gone, and one that was answered is not.
The operating system goes on, so that this does not show whether the disk keeps what it
says that it has; that is PostgreSQL's `fsync`, which is on here.
"""

import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import ROOT, Portal, wait_until

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("POWER_FAILURES", "20"))
WRITERS = 4

# Says the name of whoever was invited, and whether the line was on the disk by then.
WRITE = """
import time
from django.db import Error, connection
from portal.services import actors, ledger, people

ends = []


def end_of_log(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {{sql}} - '0/0'")
        return int(cursor.fetchone()[0])


ledger.also_tell(lambda *_: ends.append(end_of_log("pg_current_wal_insert_lsn()")))
number = 0
while True:
    number += 1
    name = "{name}-" + str(number)
    try:
        people.invite(name, by=actors.host(), reason="test")
        is_kept = end_of_log("pg_current_wal_flush_lsn()") >= ends[-1]
        print(name, is_kept, flush=True)
    except Error:
        connection.close()
        time.sleep(0.02)
"""
SEAL = """
import time
from django.db import Error, connection
from portal.services import sealing

while True:
    try:
        made = sealing.seal()
        print("sealed", made.size if made else 0, flush=True)
        time.sleep(0.01)
    except Error:
        connection.close()
        time.sleep(0.02)
"""


class Told:
    """A process that goes on through every failure, and what it has said so far."""

    def __init__(self, portal: Portal, code: str) -> None:
        with (portal.var / "faults.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
                cwd=ROOT,
                env=portal.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)

    def new(self) -> list[list[str]]:
        """What it has said since it was last asked."""
        found = []
        while not self.lines.empty():
            found.append(self.lines.get().split())
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def cut_the_power(portal: Portal) -> None:
    """kill -9 for every process of the database, before one can tell another."""
    pid_file = portal.servers.home / "postgres" / "postmaster.pid"
    postmaster = int(pid_file.read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGSTOP)  # it starts nothing in the place of the dead
    children = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if _parent_of(stat) == postmaster
    ]
    for pid in [*children, postmaster]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    portal.servers.crash()


def _parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_what_was_answered_survives_that_the_whole_database_dies(portal):
    chance = random.Random(os.environ.get("FAULT_SEED", str(time.time())))
    portal.manage("sealer", "--once")
    writers = [
        Told(portal, WRITE.format(name=f"writer-{number}")) for number in range(WRITERS)
    ]
    sealer = Told(portal, SEAL)
    answered: list[list[str]] = []
    cut_off = 0
    try:
        for _ in range(ROUNDS):
            before = len(answered)

            def all_write(before=before) -> bool:
                answered.extend(line for each in writers for line in each.new())
                return len(answered) > before + 5 * WRITERS

            wait_until(all_write)
            time.sleep(chance.uniform(0, 0.3))
            seen = portal.query("SELECT max(seq) FROM portal_ledgerentry")[0][0]

            cut_the_power(portal)
            portal.servers.start()

            kept = portal.query("SELECT max(seq) FROM portal_ledgerentry")[0][0]
            cut_off += kept < seen
            assert all(each.process.poll() is None for each in [*writers, sealer])
    finally:
        for each in [*writers, sealer]:
            each.end()
    answered.extend(line for each in writers for line in each.new())
    sealed = sealer.new()
    print({"acts": len(answered), "seals": len(sealed), "rounds cut off": cut_off})

    rows = portal.query(
        "SELECT username, entry.seq FROM portal_person person "
        "LEFT JOIN portal_ledgerentry entry ON entry.verb = 'portal.person.invited' "
        "AND entry.subject_id = person.id::text WHERE username LIKE 'writer-%'"
    )
    there = {name for name, seq in rows if seq is not None}
    assert {name for name, _ in answered} <= there
    assert {is_kept for _, is_kept in answered} == {"True"}
    assert any(int(size) for _, size in sealed)
    portal.manage("sealer", "--once")  # raises if a sink knows of what is lost
    portal.manage("verify_ledger", "--deep")
