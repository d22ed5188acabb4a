"""Artifacts with a secret in them: kept as they are, given to people who insist.

What the safety scan has blocked is held back from whoever does not say that they want
it even so. It takes a person: a program has no use for a secret that was found. Who
took it, and why, is in the ledger.
"""

from collections.abc import Iterable

from django.db import transaction

from portal.domain.roles import May
from portal.errors import NotAllowed, NotFound
from portal.models import Actor
from portal.services.access import may, require
from portal.services.ledger import record
from rollout.domain.scanning import Verdict
from rollout.domain.verbs import Verb
from rollout.models import Artifact, Origin
from rollout.services import scans


def held_back(digests: Iterable[str]) -> set[str]:
    """Those of these contents that the scan has blocked, less what is allowed now."""
    found = scans.standings(digests)
    return {digest for digest in found if found[digest].verdict == Verdict.BLOCKED}


def refuse_if_held_back(artifact: Artifact, *, to: Actor) -> None:
    """Raises `NotAllowed` (ARTIFACT_BLOCKED) for what was not insisted on.

    What the portal has written for a run goes to whoever reports it in any case: it
    belongs among the run's files, and holds nothing that did not come from there.
    """
    is_theirs = artifact.origin == Origin.PORTAL and may(to, May.REPORT_RUNS)
    if not is_theirs and held_back([artifact.digest]):
        raise NotAllowed(
            f"The safety scan has found a secret in {artifact.path}. It is kept as it "
            "is, and given to people only, who ask for it with even_blocked=true; "
            "that is in the ledger.",
            code="ARTIFACT_BLOCKED",
            scan=f"/api/v1/scans/{artifact.digest}",
        )


@transaction.atomic
def take(artifact_pk: int, *, by: Actor, reason: str) -> Artifact:
    """Give an artifact to somebody who wants it even if it is blocked.

    Only what is blocked leaves a line in the ledger. Raises `NotAllowed` for programs.
    """
    artifact = (
        Artifact.objects.select_related("run__rollout").filter(pk=artifact_pk).first()
    )
    if artifact is None:
        raise NotFound(f"There is no artifact {artifact_pk}.")
    require(by, May.TAKE_BLOCKED, rollout=artifact.run.rollout.key)
    if held_back([artifact.digest]):
        record(
            Verb.BLOCKED_TAKEN,
            artifact,
            by=by,
            reason=reason,
            run_id=artifact.run.run_id,
            path=artifact.path,
            version=artifact.version,
            digest=artifact.digest,
        )
    return artifact
