"""What a judgement costs, whatever lies behind: a thousand runs, or a million."""

import json
from collections.abc import Iterator

from tests.bench import servers
from tests.faults.conftest import Portal

FEW, MANY = 1_000, 1_000_000
BAR = 1.5
JUDGED = 60  # runs of the attempt that is judged

SEED = """
from portal.models import Authentication
from portal.services import actors, approvals, people
from portal.domain.roles import Role
from rollout.models import Stage
from rollout.services import stages
def somebody(role):
    host = actors.host()
    person = people.invite(role, by=host, reason="bench", full_name=role)
    people.install_role(person.pk, Role(role), by=host, reason="bench")
    return actors.for_person(person, authenticated_by=Authentication.PASSWORD)
stage = Stage.objects.get(position=0)
engineer, architect = somebody("engineer"), somebody("architect")
for number in range(2):
    asked = stages.request_start(stage.pk, by=engineer, reason="bench")
    approvals.confirm(asked.pk, by=architect, reason="bench")
    if number == 0:
        from rollout.models import Freeze
        from rollout.services import freezes, rollbacks
        rollbacks.roll_back(stage.pk, by=architect, reason="bench")
        for frozen in Freeze.objects.all():
            freezes.lift(frozen.pk, by=architect, reason="bench")
"""
# Half of the earlier runs have the fingerprint that is judged, half another one.
FILL = """
INSERT INTO rollout_run (rollout_id, run_id, kind, status, reported_status, cause,
    stage, mode, is_admitted, attempt_id, start_order, fingerprint, no_web,
    system_version, manifest_revision, manifest_digest, gates_revision, gates_digest,
    last_seq, gates, created_at, finished_at, timeouts,
    awaits_fallback)
SELECT (SELECT rollout_id FROM rollout_stage WHERE position = 0),
    '{prefix}-' || n, 'live', 'completed', 'completed', '', 'finalize', 'standard',
    true, (SELECT id FROM rollout_attempt WHERE number = {attempt}), n,
    CASE WHEN n % 2 = 0 OR {attempt} = 2
        THEN (SELECT fingerprint FROM rollout_attempt WHERE number = 2)
        ELSE 'sha256:other' END,
    true, 'unknown', 1, '', 1, '', 0,
    '{{"A": {{"status": "pass", "reported": "pass", "retries": 0, "drift": [],
              "confirmed_by": null}}}}'::jsonb,
    now(), now(), '{{}}'::jsonb, false
FROM generate_series({first}, {last}) n
"""
JUDGE = """
import json, statistics, time
from django.db import connection, transaction
from portal.services import actors
from rollout.models import Stage
from rollout.services import evaluations, evidence, stages
stage = Stage.objects.get(position=0)
system = actors.system()
times = []
for number in range(40):
    with transaction.atomic():
        begun = time.perf_counter()
        evaluations.evaluate(stage.pk, by=system, reason="bench")
        times.append(time.perf_counter() - begun)
        transaction.set_rollback(True)
print(json.dumps(statistics.median(times[5:])))
"""


def figures() -> Iterator[dict[str, object]]:
    """The cost of one evaluation with a million earlier runs over that with few."""
    with servers.state() as var:
        portal = Portal(var)
        try:
            portal.manage("migrate", "--verbosity", "0")
            portal.manage("seed_baseline")
            shell(portal, SEED)
            fill(portal, "now", 2, 1, JUDGED)
            fill(portal, "old", 1, 1, FEW)
            few = judged_in_s(portal)
            fill(portal, "old", 1, FEW + 1, MANY)
            many = judged_in_s(portal)
        finally:
            portal.stop()
    ratio = many / few
    yield {
        "what": f"an evaluation with {MANY:,} earlier runs / with {FEW:,}",
        "few_ms": round(1000 * few, 1),
        "many_ms": round(1000 * many, 1),
        "ratio": round(ratio, 2),
        "bar": BAR,
        "is_met": ratio <= BAR,
    }


def fill(portal: Portal, prefix: str, attempt: int, first: int, last: int) -> None:
    """Runs that have ended, as if they had been reported."""
    sql = FILL.format(prefix=prefix, attempt=attempt, first=first, last=last)
    portal.query_commit(sql)
    portal.query_commit("ANALYZE rollout_run")


def judged_in_s(portal: Portal) -> float:
    """The median time of one evaluation, in a process that has warmed up."""
    return float(json.loads(shell(portal, JUDGE)))


def shell(portal: Portal, code: str) -> str:
    """Run code in the portal's own shell; what it printed."""
    return portal.manage("shell", "--no-imports", "--verbosity", "0", code=code)
