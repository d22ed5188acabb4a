"""Noticing symptoms while documents are taken in; parts of the acts that take in."""

from collections.abc import Iterable, Mapping
from typing import Any

from portal import clock
from portal.domain.redaction import redact
from portal.models import Actor
from portal.services.ledger import record
from rollout.domain import symptoms as domain
from rollout.domain.verbs import Verb
from rollout.models import Artifact, Run, Symptom
from rollout.services import vault
from rollout.services.consequences import Cause, announce


def look_into_manifest(
    run: Run, content: Mapping[str, Any], *, digest: str, by: Actor
) -> None:
    """Notice what a manifest tells, also one that came after the portal's verdict."""
    found = list(domain.in_manifest(content))
    if run.is_admitted and run.decision is not None:
        exposed = domain.exposure(content, constraints=run.decision.constraints)
        found += [exposed] if exposed else []
    _notice(run, found, digest=digest, by=by)


def look_into_artifact(run: Run, artifact: Artifact, *, by: Actor) -> None:
    """Notice what a file of a run tells, if it is one that can."""
    if not domain.is_told_by(artifact.path):
        return
    content = vault.read_object(artifact.digest, artifact.size)
    found = domain.in_artifact(artifact.path, content, version=artifact.version)
    _notice(run, [found] if found else [], digest=artifact.digest, by=by)


def _notice(
    run: Run, found: Iterable[domain.Symptom], *, digest: str, by: Actor
) -> None:
    known = set(run.symptoms.values_list("kind", "source")) if found else set()
    for each in found:
        if (each.kind, each.source) in known:
            continue
        symptom = Symptom(
            run=run,
            kind=each.kind,
            source=each.source,
            place=each.place,
            count=each.count,
            says=redact(each.says),
            rules=domain.VERSION,
            digest=digest,
            noticed_at=clock.now(),
        )
        symptom.save()
        announce(Cause(str(each.kind)), run, by=by, symptom=symptom)
        record(
            Verb.SYMPTOM_NOTICED,
            run,
            by=by,
            reason=symptom.says,
            kind=each.kind,
            source=each.source,
            count=each.count,
            rules=domain.VERSION,
            digest=digest,
        )
