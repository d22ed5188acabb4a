"""Evidence packs: asked for by a person, put together by a worker, kept for ever."""

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction

from drills.domain import packs as domain
from drills.domain.packs import File, Row
from drills.domain.verbs import Verb
from drills.models import EvidencePack, PackOrder, PackParticipant, ReleaseGate
from drills.services import involved, pack_files, release_gates
from drills.services.sources import Sources, serious, sources_of
from portal import clock
from portal.domain.roles import May
from portal.errors import NotFound, WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.services import snapshots

ASSEMBLE_JOB = "drills.jobs.assemble_pack"


@transaction.atomic
def order(rollout_key: str, letter: str, *, by: Actor, reason: str) -> PackOrder:
    """Ask for the evidence of a gate, as it is when a worker comes to it.

    Whoever asks has submitted the pack. Raises `WrongMoment` (PACK_UNDER_WAY) while
    another one is being put together.
    """
    require(by, May.ASSEMBLE_PACK, rollout=rollout_key)
    gate = release_gates.locked(release_gates.find(rollout_key, letter).pk)
    if not gate.version:
        raise WrongMoment(
            "This gate was proposed, and nobody has approved it yet.",
            possible=["approve the gate"],
        )
    last = gate.orders.order_by("-number").select_related("pack").first()
    if last is not None and not hasattr(last, "pack"):
        raise WrongMoment(
            f"Pack {last.number} is being put together; there is one at a time.",
            code="PACK_UNDER_WAY",
            number=last.number,
            possible=[],
        )
    asked = PackOrder(
        gate=gate,
        number=last.number + 1 if last else 1,
        reason=reason,
        asked_at=clock.now(),
        asked_by=by,
    )
    asked.save()
    enqueue(ASSEMBLE_JOB, once=f"pack {asked.pk}", order_id=asked.pk)
    record(Verb.PACK_ASKED, asked, by=by, reason=reason, number=asked.number)
    return asked


@transaction.atomic
def assemble(order_id: int, *, by: Actor, reason: str) -> EvidencePack:
    """The part of the worker: read every source at one moment, and hash what it says.

    Files go into the vault first; whatever a worker that died has left there is found
    again by its digest.
    """
    require(by, May.ASSEMBLE_PACK)
    asked = PackOrder.objects.select_related("gate__rollout", "asked_by").get(
        pk=order_id
    )
    gate = release_gates.locked(asked.gate_id)
    known = EvidencePack.objects.filter(order=asked).first()
    if known is not None:
        return known
    sources = sources_of(gate)
    rows = sources.rows
    people = involved.in_evidence(gate, sources)
    involved.add_submitter(people, asked)
    files = list(pack_files.of(gate, sources))
    lacks = domain.troubles(rows)
    manifest = domain.manifest_of(files, **_about(asked, sources, rows, people))
    pack = EvidencePack(
        order=asked,
        gate=gate,
        number=asked.number,
        gate_version=gate.version,
        manifest=manifest.decode(),
        pack_hash=domain.hash_of(manifest),
        evidence_digest=domain.evidence_digest(rows, gate=gate.gate.digest),
        is_complete=not lacks,
        troubles=lacks,
        size=len(manifest) + sum(each.size for each in files),
        assembled_at=sources.now,
    )
    pack.save()
    for person, parts in sorted(people.parts.items()):
        PackParticipant(
            pack=pack, person_id=person, name=people.names[person], parts=parts
        ).save()
    record(
        Verb.PACK_ASSEMBLED,
        pack,
        by=by,
        reason=reason,
        gate=gate.letter,
        rollout=gate.rollout.key,
        number=pack.number,
        pack_hash=pack.pack_hash,
        evidence=pack.evidence_digest,
        is_complete=pack.is_complete,
        lacks=lacks,
        files=len(files),
    )
    return pack


def _about(
    asked: PackOrder, sources: Sources, rows: list[Row], people: involved.Involved
) -> dict[str, Any]:
    gate = sources.gate
    snapshot = snapshots.active(gate.rollout_id)
    attempt = sources.attempt
    lacks = domain.troubles(rows)
    known = serious(gate).values_list("pk", flat=True)
    return {
        "rollout": {
            "key": gate.rollout.key,
            "name": gate.rollout.name,
            "fallback_workflow": gate.rollout.fallback_workflow,
        },
        "gate": {
            "letter": gate.letter,
            "version": gate.version,
            "digest": gate.gate.digest,
            **gate.gate.to_json(),
        },
        "number": asked.number,
        "asked_by": asked.asked_by.name,
        "reason": asked.reason,
        "assembled_at": sources.now.isoformat(),
        "environment": settings.ENVIRONMENT,
        "stage": {
            "key": sources.stage.key,
            "name": sources.stage.name,
            "attempt": attempt.number if attempt else None,
            "fingerprint": attempt.fingerprint if attempt else None,
        },
        "snapshot": {"revision": snapshot.revision, "digest": snapshot.digest},
        "evidence_digest": domain.evidence_digest(rows, gate=gate.gate.digest),
        "is_complete": not lacks,
        "lacks": lacks,
        "evidence": [row.to_json() for row in rows],
        "serious_incidents": list(known),
        "people": [
            {"id": person, "name": people.names[person], "parts": parts}
            for person, parts in sorted(people.parts.items())
        ],
    }


def said_in(pack: EvidencePack) -> dict[str, Any]:
    """What the manifest of a pack says."""
    return json.loads(pack.manifest)


def files_of(pack: EvidencePack) -> Iterator[File]:
    """The files that a pack names, in the order of their paths."""
    for path, each in sorted(said_in(pack)["files"].items()):
        yield File(path, each["digest"], each["size"])


@read_once
def newest(gate: ReleaseGate) -> EvidencePack | None:
    """The last pack of a gate, complete or not."""
    return gate.packs.order_by("-number").first()


def find(pack_hash: str) -> EvidencePack:
    """The pack with this hash, or a refusal; with or without `sha256:`."""
    named = pack_hash if pack_hash.startswith("sha256:") else f"sha256:{pack_hash}"
    found = (
        EvidencePack.objects.select_related("gate__rollout", "order__asked_by")
        .filter(pack_hash=named)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no evidence pack {pack_hash}.")
    return found
