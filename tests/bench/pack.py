"""An evidence pack of two thousand runs: how long, how much memory, how large."""

import json
from collections.abc import Iterator

from tests.bench import servers
from tests.bench.canary import SEED, fill, shell
from tests.faults.conftest import Portal

RUNS, FILES = 2_000, 5
BAR_S, BAR_MB = 60.0, 300.0

# What they wrote, each file with a content of its own, read and found clean.
WROTE = f"""
INSERT INTO rollout_artifact (run_id, path, version, digest, size, origin,
    received_at, received_from_id)
SELECT run.id, 'wave-1/p' || n || '.md', 1,
    'sha256:' || encode(sha256((run.id || ' ' || n)::bytea), 'hex'), 1000, 'run',
    now() - interval '1 hour', (SELECT min(id) FROM portal_actor)
FROM rollout_run run, generate_series(1, {FILES}) n;
INSERT INTO rollout_scan (digest, rules, verdict, troubles, is_final, size_read,
    size_unpacked, scanned_at)
SELECT digest, 'bench', 'clean', '[]'::jsonb, true, 1000, 1000, now()
FROM rollout_artifact
"""
MEASURE = """
import json, resource, time
from portal.models import Person
from portal.services import actors, sealing
from rollout.domain.baseline import ROLLOUT
from rollout.models import Stage
from rollout.services import evaluations
from drills.services import pack_exports, packs
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
system = actors.system()
engineer = actors.for_person(Person.objects.get(username="engineer"))
stage = Stage.objects.get(position=0)
evaluations.evaluate(stage.pk, by=system, reason="bench")
while sealing.seal() is not None:
    pass
before = memory()
asked = packs.order(ROLLOUT, "F", by=engineer, reason="bench")
begun = time.perf_counter()
pack = packs.assemble(asked.pk, by=system, reason="bench")
assembled = time.perf_counter() - begun
begun = time.perf_counter()
prepared = pack_exports.prepare(pack.pack_hash, by=system, reason="bench")
while sealing.seal() is not None:
    pass
pack_exports.wait_for_seal(prepared, patience_s=30)
size = sum(len(chunk) for chunk in pack_exports.archive(prepared))
exported = time.perf_counter() - begun
print(json.dumps({
    "assembled_s": assembled, "exported_s": exported, "size_mb": size / 2**20,
    "peak_mb": memory(), "before_mb": before,
}))
"""


def figures() -> Iterator[dict[str, object]]:
    """Assembling and exporting, from the question to the last byte."""
    with servers.state() as var:
        portal = Portal(var)
        try:
            portal.manage("migrate", "--verbosity", "0")
            portal.manage("seed_baseline")
            shell(portal, SEED)
            fill(portal, "run", 2, 1, RUNS)
            for statement in WROTE.split(";"):
                portal.query_commit(statement)
            found = json.loads(shell(portal, MEASURE))
        finally:
            portal.stop()
    took = found["assembled_s"] + found["exported_s"]
    yield {
        "what": f"a pack of {RUNS:,} runs, assembled and exported",
        "assembled_s": round(found["assembled_s"], 2),
        "exported_s": round(found["exported_s"], 2),
        "size_mb": round(found["size_mb"], 2),
        "bar_s": BAR_S,
        "is_met": took < BAR_S,
    }
    yield {
        "what": f"the memory of the process that makes a pack of {RUNS:,} runs",
        "peak_mb": round(found["peak_mb"]),
        "before_mb": round(found["before_mb"]),
        "bar_mb": BAR_MB,
        "is_met": found["peak_mb"] < BAR_MB,
    }
