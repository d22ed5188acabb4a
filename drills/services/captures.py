"""Captures: every artifact of a drill's run as it was at a moment, to the bytes."""

import json
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from drills.domain.drills import Moment
from drills.domain.verbs import Verb
from drills.models import Drill, DrillCapture
from portal import clock
from portal.domain.canonical import canonical
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.models import DocumentKind, Run
from rollout.services import rollbacks, vault

LARGEST_DOCUMENT = 16 * 1024 * 1024
INVENTORY = "inventory.json"


@transaction.atomic
def take(
    drill_id: int, run: Run, moment: Moment, *, by: Actor, reason: str
) -> list[DrillCapture]:
    """Capture what a run has now: artifacts, its newest documents, an inventory.

    Nothing is taken on trust: every byte is read again and compared with its digest.
    """
    require(by, May.CONDUCT_DRILL)
    drill = Drill.objects.get(pk=drill_id)
    now = clock.now()
    made = []
    for path, digest, size in [*_artifacts(run), *_documents(run)]:
        capture = DrillCapture(
            drill=drill,
            moment=moment,
            path=path,
            digest=digest,
            size=size,
            trouble=vault.check(digest) or "",
            captured_at=now,
            captured_by=by,
        )
        capture.save()
        made.append(capture)
    record(
        Verb.DRILL_CAPTURED,
        drill,
        by=by,
        reason=reason,
        moment=moment,
        artifacts={each.path: each.trouble or each.digest for each in made},
    )
    return made


def _artifacts(run: Run) -> Iterable[tuple[str, str, int]]:
    found = run.artifacts.order_by("path", "version")
    for path, version, digest, size in found.values_list(
        "path", "version", "digest", "size"
    ):
        yield path if version == 1 else f"{path} version {version}", digest, size


def _documents(run: Run) -> Iterable[tuple[str, str, int]]:
    """The documents themselves are kept in tables; their bytes go into the vault."""
    for kind in DocumentKind:
        newest = run.documents.filter(kind=kind).order_by("-pk").first()
        if newest is not None:
            stored = vault.put([bytes(newest.raw)], limit=LARGEST_DOCUMENT)
            path = f"{kind}.json revision {newest.revision}"
            yield path, stored.digest, stored.size
    if run.attempt is not None:
        whole = canonical(rollbacks.inventory_of(run.attempt, reads_bytes=True))
        stored = vault.put([whole], limit=LARGEST_DOCUMENT)
        yield INVENTORY, stored.digest, stored.size


def is_about(path: str) -> bool:
    """Whether a capture tells of the run, instead of being one of its artifacts."""
    documents = tuple(f"{kind}.json revision " for kind in DocumentKind)
    return path == INVENTORY or path.startswith(documents)


def inventory_at(drill: Drill, moment: Moment) -> dict[str, Any] | None:
    """What the run had at a moment, by name and digest; None if that was not kept."""
    kept = drill.captures.filter(moment=moment, path=INVENTORY).first()
    if kept is None:
        return None
    return json.loads(b"".join(vault.read(kept.digest)))


def digests_of(drill: Drill) -> list[str]:
    """The contents that a drill has captured, each once."""
    found = drill.captures.order_by("digest").values_list("digest", flat=True)
    return list(found.distinct())
