"""The ledger: how fast it is verified and sealed, and what it costs whoever writes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from tests.bench import servers
from tests.faults.conftest import ROOT, Portal

ENTRIES = 1_000_000
LEAST_PER_S = 20_000
MOST_SECONDS = 60
MOST_MB = 200
WRITERS = 4
EACH = 150  # acts of a writer in a round
ROUNDS = 5
LEAST_OF_BARE = 0.75  # within a quarter of the same transaction without a ledger

FILL = """
import json
from uuid import uuid4
from django.db import connection
from portal import clock
from portal.domain.canonical import canonical
from portal.domain.ledger import leaf_of, link_of
from portal.models import LedgerEntry
from portal.services import actors

actor = actors.host()
head = LedgerEntry.objects.order_by("-seq").first()
seq, prev = head.seq, bytes(head.link)
columns = (
    "seq, uuid, at, actor_id, actor_name, verb, subject_type, subject_id, "
    "subject_name, reason, request_id, body, leaf, link"
)
with connection.cursor() as cursor:
    with cursor.copy(f"COPY portal_ledgerentry ({{columns}}) FROM STDIN") as copy:
        for number in range({count}):
            seq += 1
            uuid, at = str(uuid4()), clock.now()
            body = canonical({{
                "seq": seq, "uuid": uuid, "at": at.isoformat(),
                "verb": "rollout.run.gates_received",
                "subject": {{
                    "type": "rollout.run", "id": str(seq), "name": f"r{{seq}}"
                }},
                "reason": "reported by the research system",
                "request_id": uuid,
                "actor": {{"kind": "token", "id": str(actor.pk), "name": actor.name}},
                "authenticated_by": "token",
                "details": {{"revision": seq, "digest": "sha256:" + uuid}},
                "versions": {{f"rollout.run:{{seq}}": ["sha256:" + uuid * 2]}},
            }})
            leaf = leaf_of(body)
            prev = link_of(prev, seq, leaf)
            copy.write_row((
                seq, uuid, at, actor.pk, actor.name, "rollout.run.gates_received",
                "rollout.run", str(seq), f"r{{seq}}",
                "reported by the research system", uuid, body.decode(), leaf, prev,
            ))
    cursor.execute("ANALYZE portal_ledgerentry")
"""

MEASURE = """
import json, resource, time
from portal.services import {module}
started = time.perf_counter()
done = {call}
took = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({{"s": took, "mb": peak, "is_clean": {clean}}}))
"""

# The smallest act that there is: nothing but a name is corrected.
WRITE = """
import sys, time
from django.db import connection
from portal.models import Person
from portal.services import actors, people

name, has_ledger, count = {name!r}, {has_ledger}, {count}
if not has_ledger:
    people.record = lambda *args, **details: None
host = actors.host()
person = Person.objects.filter(username=name).first()
if person is None:
    person = people.invite(name, by=host, reason="bench")
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
started = time.perf_counter()
for number in range(count):
    people.correct(
        person.pk, full_name=f"number {{number}}", email="", by=host, reason="bench"
    )
print(time.perf_counter() - started, flush=True)
"""


def figures() -> Iterator[dict[str, object]]:
    """A million entries, and four writers with and without a ledger."""
    with servers.a_portal() as portal:
        yield from _appending(portal)
        portal.manage("shell", "--no-imports", code=FILL.format(count=ENTRIES))
        sealing = _measured(
            portal,
            module="sealing",
            call="[c for c in iter(sealing.seal, None)]",
            clean="True",
        )
        yield {
            "what": "sealing a million entries for the first time",
            "seconds": round(sealing["s"], 1),
            "per_s": round(ENTRIES / sealing["s"]),
            "peak_mb": sealing["mb"],
            "bar": MOST_MB,
            "is_met": sealing["mb"] <= MOST_MB,
        }
        again = _measured(
            portal, module="sealing", call="sealing.seal()", clean="done is None"
        )
        yield {
            "what": "a round of the sealer after a million, with nothing new",
            "ms": round(again["s"] * 1000, 1),
            "bar": 500,
            "is_met": again["s"] <= 0.5,
        }
        verified = _measured(
            portal,
            module="verifying",
            call="verifying.verify()",
            clean="not done.findings and not done.doubts",
        )
        per_s = ENTRIES / verified["s"]
        is_fast = per_s >= LEAST_PER_S and verified["s"] < MOST_SECONDS
        yield {
            "id": "A6",
            "what": "verify_ledger over a million entries",
            "seconds": round(verified["s"], 1),
            "per_s": round(per_s),
            "peak_mb": verified["mb"],
            "bar": f">= {LEAST_PER_S}/s, < {MOST_SECONDS} s, < {MOST_MB} MB",
            "is_met": is_fast and verified["mb"] < MOST_MB and verified["is_clean"],
        }


def _measured(portal: Portal, **what: str) -> dict[str, float]:
    done = portal.manage("shell", "--no-imports", code=MEASURE.format(**what))
    return json.loads(done)


def _appending(portal: Portal) -> Iterator[dict[str, object]]:
    rounds = [(_written(portal, True), _written(portal, False)) for _ in range(ROUNDS)]
    ratio = median(with_it / without for with_it, without in rounds)
    yield {
        "what": f"acts of {WRITERS} writers with a ledger / without",
        "with_per_s": round(median(each for each, _ in rounds)),
        "without_per_s": round(median(each for _, each in rounds)),
        "ratio": round(ratio, 3),
        "bar": LEAST_OF_BARE,
        "is_met": ratio >= LEAST_OF_BARE,
    }


def _written(portal: Portal, has_ledger: bool) -> float:
    """Transactions per second of all writers together."""
    writers = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
            cwd=ROOT,
            env=portal.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for code in (
            WRITE.format(name=f"writer-{number}", has_ledger=has_ledger, count=EACH)
            for number in range(WRITERS)
        )
    ]
    for each in writers:
        if each.stdout.readline() != "ready\n":
            raise SystemExit("error: a writer did not start")
    for each in writers:
        each.stdin.write("go\n")
        each.stdin.flush()
    took = [float(each.communicate()[0]) for each in writers]
    return WRITERS * EACH / max(took)
