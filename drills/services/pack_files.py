"""The files of an evidence pack: what the evidence map rests on, in full."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model, QuerySet

from drills.domain.incidents import Kind
from drills.domain.packs import File
from drills.models import Drill, Incident, ReleaseGate
from drills.services import captures, documents
from drills.services.sources import Sources
from portal.domain.canonical import canonical
from portal.services.ledger import plain
from rollout.domain.flags import without_credentials
from rollout.domain.runs import RunKind
from rollout.services import scans, snapshots, vault

LARGEST = 512 * 1024 * 1024
ROWS_AT_ONCE = 500
MOST_INCIDENTS = 1_000  # the newest of a rollout


def of(gate: ReleaseGate, sources: Sources) -> Iterator[File]:
    """Every file, put into the vault as it comes."""
    yield _json("gate.json", {"letter": gate.letter, **gate.gate.to_json()})
    yield from _configuration(gate, sources)
    for drill in _drills(sources):
        yield _json(f"drills/drill-{drill.pk}.json", _drill(drill))
    yield from _verification(sources)
    yield from _evaluation(sources)
    yield from _incidents(gate)
    for each in documents.render_all(gate.rollout.key, sources.now):
        yield _file(f"documents/{each.file_name}", [each.markdown.encode()])


def _configuration(gate: ReleaseGate, sources: Sources) -> Iterator[File]:
    shown = without_credentials(sources.configured)
    for name in ("flags", "segments", "stages", "triggers"):
        yield _json(f"configuration/{name}.json", shown[name])
    active = json.loads(snapshots.active(gate.rollout_id).body)
    yield _json("configuration/snapshot.json", without_credentials(active))


def _drills(sources: Sources) -> list[Drill]:
    found = [each.drill for each in sources.standings.values() if each.drill]
    return sorted(found, key=lambda each: each.pk)


def _drill(drill: Drill) -> dict[str, Any]:
    """Its steps, captures, notes and scans; the captured bytes stay in the vault."""
    standings = scans.standings(captures.digests_of(drill))
    return {
        **_row(drill),
        "conductor": str(drill.conductor),
        "observer": str(drill.observer) if drill.observer else None,
        "steps": [_row(each) for each in drill.steps.order_by("number")],
        "captures": [
            {
                **_row(each),
                "scan": str(standings[each.digest].verdict)
                if each.digest in standings
                else None,
            }
            for each in drill.captures.order_by("pk")
        ],
        "notes": [
            {**_row(each), "noted_by": str(each.noted_by)}
            for each in drill.notes.select_related("noted_by").order_by("pk")
        ],
    }


def _verification(sources: Sources) -> Iterator[File]:
    run = sources.verified
    if run is None:
        return
    results = list(run.results.order_by("pk"))
    told = [{**_row(each), "transcript": _transcript(run.pk, each)} for each in results]
    verdict = _row(run.verdict)
    said = {**_row(run), "verdict": verdict, "results": told}
    yield _json(f"verification/run-{run.pk}.json", said)
    for each in results:
        yield _file(_transcript(run.pk, each), [each.transcript.encode()])


def _transcript(run: int, result: Any) -> str:
    return f"verification/transcripts/{run}-{result.name}.txt"


def _evaluation(sources: Sources) -> Iterator[File]:
    if sources.evaluation is not None:
        # Exactly what was hashed: facts, criteria, e-values, confidence sequences.
        body = [sources.evaluation.body.encode()]
        yield _file("evaluation/evaluation.json", body)
    if sources.attempt is not None:
        runs = sources.attempt.runs.filter(kind=RunKind.LIVE).order_by("start_order")
        yield _file("evaluation/runs.jsonl", _lines(runs))


def _incidents(gate: ReleaseGate) -> Iterator[File]:
    found = Incident.objects.filter(rollout_id=gate.rollout_id, kind=Kind.REAL)
    newest = found.order_by("-pk")[:MOST_INCIDENTS]
    yield _json("incidents.json", [_row(each) for each in newest])


def _row(row: Model) -> dict[str, Any]:
    """Every column of a row, as JSON can say it."""
    said = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        is_duration = field.get_internal_type() == "DurationField"
        said[field.attname] = str(value) if is_duration else plain(value)
    return said


def _lines(rows: QuerySet[Any]) -> Iterator[bytes]:
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        yield canonical(_row(row)) + b"\n"


def _json(path: str, value: Any) -> File:
    return _file(path, [canonical(value)])


def _file(path: str, chunks: Iterable[bytes]) -> File:
    stored = vault.put(chunks, limit=LARGEST)
    return File(path, stored.digest, stored.size)
