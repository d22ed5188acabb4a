"""Whether manifests show that directives were followed; parts of acts.

An acknowledgement names the revision that carried the directive out. That manifest can
be here already or arrive later; if it says otherwise, both are kept and it is told.
"""

from collections.abc import Mapping
from typing import Any

from portal.models import Actor
from portal.services.ledger import record
from rollout.domain.directives import DirectiveKind, Proof, proof
from rollout.domain.verbs import Verb
from rollout.models import Directive, DocumentKind, Run
from rollout.services.consequences import Cause, announce

ARRIVED = "The manifest that the acknowledgement names has arrived."


def look_for(directive: Directive) -> None:
    """Say what the manifests that are here already say of an acknowledgement."""
    named = directive.run.documents.filter(
        kind=DocumentKind.MANIFEST, revision=directive.revision
    )
    said = named.order_by("-standing", "pk").values_list("content__status", flat=True)
    directive.proof = proof(
        DirectiveKind(directive.kind),
        revision=directive.revision,
        reported=said.first() if directive.revision is not None else None,
    )


def look_into_manifest(run: Run, content: Mapping[str, Any], *, by: Actor) -> None:
    """See whether this is the manifest that an acknowledgement has named."""
    waiting = run.directives.filter(proof=Proof.AWAITED, revision=content["revision"])
    for directive in waiting:
        directive.proof = proof(
            DirectiveKind(directive.kind),
            revision=directive.revision,
            reported=content["status"],
        )
        directive.save_as(by, reason=ARRIVED)
        record(
            Verb.DIRECTIVE_PROVEN,
            directive,
            by=by,
            reason=ARRIVED,
            run_id=run.run_id,
            revision=directive.revision,
            proof=directive.proof,
        )
        tell_of_contradiction(directive, by=by)


def tell_of_contradiction(directive: Directive, *, by: Actor) -> None:
    """Tell whoever wants to know that a run says two things."""
    if directive.proof == Proof.CONTRADICTED:
        announce(
            Cause.DIRECTIVE_CONTRADICTED, directive.run, by=by, directive=directive
        )
