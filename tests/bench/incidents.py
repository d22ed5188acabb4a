"""Incidents: a storm of failures, finding a row, and lists with a long past."""

import json
from collections.abc import Iterator

from tests.bench import servers
from tests.bench.canary import SEED, shell
from tests.faults.conftest import Portal

STORM = 10_000
NOTICING_BAR = 0.2  # of the speed of one insert and its commit
FEW, MANY = 1_000, 200_000
FEW_ROWS, MANY_ROWS = 13, 13_000
BAR = 1.5
MOST_LINES = 60  # of a timeline after a storm

A_STORM = f"""
import json, statistics, time
from django.db import connection, transaction
from drills.models import Incident, Sighting, TimelineEntry
from drills.services import lookout, opening
from portal.models import Job
from portal.services import actors, jobs
from rollout.models import Rollout, Run
from rollout.services import runs
from rollout.services.consequences import Cause, announce
system = actors.system()
key = Rollout.objects.get().key
with transaction.atomic():
    run = runs.locked_or_new(key, "run-1", kind="live", by=system, reason="bench")
def sweep():
    lookout.sweep()
    for job in Job.objects.filter(kind="drills.jobs.take_signs", state="waiting"):
        jobs.carry_out(job.pk, worker="bench")
connection.cursor().execute("CREATE TABLE bare (id bigserial PRIMARY KEY, says text)")
begun = last = time.perf_counter()
noticing, bare = [], []
for number in range({STORM}):
    before = time.perf_counter()
    with transaction.atomic():
        announce(Cause.PROVIDER_FAILED, run, by=system)
    now = time.perf_counter()
    noticing.append(now - before)
    if number % 10 == 0:
        before = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO bare (says) VALUES ('it failed')")
        bare.append(time.perf_counter() - before)
    if now - last >= 1:
        sweep()
        last = time.perf_counter()
while Sighting.objects.exists():
    sweep()
print(json.dumps({{
    "took_s": time.perf_counter() - begun,
    "notice_ms": 1000 * statistics.median(noticing),
    "bare_ms": 1000 * statistics.median(bare),
    "incidents": Incident.objects.count(),
    "seen": Incident.objects.get().seen,
    "lines": TimelineEntry.objects.count(),
    "left": Sighting.objects.count(),
}}))
"""
MATCHING = """
import json, statistics, timeit
from drills.domain.matrix import Row, index, match
from drills.domain.signs import Origin
def rows(number):
    said = dict(symptom="s", severity=1, diagnosis=("d",), rollback_trigger="r",
        fallback_action="f", artifacts=("a",))
    return {{f"row-{{n}}": Row(matches=(Origin(f"sign_{{n}}"),), **said)
        for n in range(number)}}
few, many = index(rows({few})), index(rows({many}))
def cost(found):
    asked = Origin(f"sign_{{len(found) // 2}}", "B")
    return timeit.timeit(lambda: match(found, asked), number=20_000) / 20_000
ratios, sides = [], ([], [])
for _ in range(30):
    a, b = cost(few), cost(many)
    sides[0].append(a); sides[1].append(b); ratios.append(b / a)
print(json.dumps([statistics.median(each) for each in (*sides, ratios)]))
"""
# Closed ones, as if they had been worked through.
FILL = """
INSERT INTO drills_incident (rollout_id, kind, state, is_over, severity, title, says,
    cause, gate, configuration, fingerprint, steps, opened_by_id, began_at, opened_at,
    acknowledged_at, mitigated_at, resolved_at, reviewed_at, closed_at, chapter,
    reopened, seen, last_seen_at)
SELECT (SELECT min(id) FROM rollout_rollout), 'real', '{state}', {is_over}, 3, 'Old',
    'It was.', 'timed_out', '', '', 'old ' || '{state}' || n, '[]'::jsonb,
    (SELECT min(id) FROM portal_actor), now(), now(), {reached}, 5, 0, 1, now()
FROM generate_series({first}, {last}) n
"""
LISTS = """
import json, statistics, time
from django.test import Client
from django.urls import reverse
from portal.models import Person
person = Person.objects.get(username="engineer")
client = Client(SERVER_NAME="localhost")
client.force_login(person, "django.contrib.auth.backends.ModelBackend")
pages = {
    "admin": reverse("admin:drills_incident_changelist"),
    "api": "/api/v1/incidents?rollout=deep-research-option-c&state=not_over",
}
found = {}
for name, page in pages.items():
    times = []
    for _ in range(25):
        begun = time.perf_counter()
        answer = client.get(page)
        times.append(time.perf_counter() - begun)
        assert answer.status_code == 200, answer.content
    found[name] = statistics.median(times[5:])
print(json.dumps(found))
"""


def figures() -> Iterator[dict[str, object]]:
    """A storm in one process; a match; two lists, with few and with many closed."""
    with servers.state() as var:
        portal = Portal(var)
        try:
            portal.manage("migrate", "--verbosity", "0")
            portal.manage("seed_baseline")
            yield _storm(portal)
            yield _match(portal)
            shell(portal, SEED)
            portal.query_commit("UPDATE portal_person SET must_change_password = false")
            fill(portal, "open", 1, 60)
            fill(portal, "closed", 1, FEW)
            few = json.loads(shell(portal, LISTS))
            fill(portal, "closed", FEW + 1, MANY)
            many = json.loads(shell(portal, LISTS))
        finally:
            portal.stop()
    for name in few:
        ratio = many[name] / few[name]
        yield {
            "what": f"{name} list with {MANY:,} closed incidents / with {FEW:,}",
            "few_ms": round(1000 * few[name], 1),
            "many_ms": round(1000 * many[name], 1),
            "ratio": round(ratio, 2),
            "bar": BAR,
            "is_met": ratio <= BAR,
        }


def _storm(portal: Portal) -> dict[str, object]:
    found = json.loads(shell(portal, A_STORM))
    is_one = (found["incidents"], found["seen"], found["left"]) == (1, STORM, 0)
    ratio = found["bare_ms"] / found["notice_ms"]
    return {
        "what": f"{STORM:,} equal failures: noticing one / a bare insert",
        **{name: round(value, 2) for name, value in found.items()},
        "ratio": round(ratio, 2),
        "bar": NOTICING_BAR,
        "is_met": is_one and found["lines"] <= MOST_LINES and ratio >= NOTICING_BAR,
    }


def _match(portal: Portal) -> dict[str, object]:
    code = MATCHING.format(few=FEW_ROWS, many=MANY_ROWS)
    few, many, ratio = json.loads(shell(portal, code))
    return {
        "what": f"finding the row of a sign, of {MANY_ROWS:,} rows / of {FEW_ROWS}",
        "few_us": round(1e6 * few, 2),
        "many_us": round(1e6 * many, 2),
        "ratio": round(ratio, 2),
        "bar": BAR,
        "is_met": ratio <= BAR,
    }


def fill(portal: Portal, state: str, first: int, last: int) -> None:
    """Incidents in a state, as if they had come there."""
    is_over = state == "closed"
    reached = ", ".join(["now()" if is_over else "NULL"] * 5)
    portal.query_commit(
        FILL.format(
            state=state,
            is_over=str(is_over).lower(),
            reached=reached,
            first=first,
            last=last,
        )
    )
    portal.query_commit("ANALYZE drills_incident")
