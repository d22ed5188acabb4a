"""Falling back to the standard workflow: once per run, keeping everything."""

from typing import Any

from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import Conflict, NotFound, WrongMoment
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain import fallback as domain
from rollout.domain import gates
from rollout.domain.fallback import CAUSE, INSTRUCTION, SUMMARY_PATH, Means, Offer
from rollout.domain.gates import FALLBACK_FAILURE, GateStatus
from rollout.domain.runs import FINAL, Act, RunKind, RunStatus
from rollout.domain.verbs import Verb
from rollout.models import DocumentKind, FallbackOffer, Origin, Routing, Run
from rollout.services import artifacts, endings, runs, vault
from rollout.services.consequences import Cause, announce

LARGEST_SUMMARY = 64 * 1024


@transaction.atomic
def offer_fallback(
    rollout_key: str, run_id: str, *, by: Actor, reason: str, given: str = ""
) -> FallbackOffer:
    """Offer a run the standard workflow because a hard gate of it has failed.

    `given` is the reason that stands in the summary. Offering twice changes nothing.
    Raises `Conflict` (NO_HARD_GATE_FAIL) when there is nothing to fall back from.
    """
    require(by, May.FALL_BACK, rollout=rollout_key)
    run = runs.locked(runs.find(rollout_key, run_id).pk)
    if (known := _known(run)) is not None:
        return known
    offered = _fall_back(run, _offer(run, given), by=by, reason=reason)
    record(Verb.RUN_FELL_BACK, run, by=by, reason=reason, **_said(offered))
    return offered


@transaction.atomic
def fall_back_confirmed(run_pk: int, *, by: Actor, reason: str) -> FallbackOffer | None:
    """Fall back if a failure of the run is (still) confirmed; None if there is none."""
    run = runs.locked(run_pk)
    require(by, May.FALL_BACK, rollout=run.rollout.key)
    confirmed = [letter for letter in sorted(run.gates) if _is_confirmed(run, letter)]
    is_over = run.status in (RunStatus.COMPLETED, RunStatus.CANCELLED) or run.cause
    if _known(run) is not None or not confirmed or is_over:
        return None
    offered = _fall_back(run, _offer(run, ""), by=by, reason=reason)
    record(Verb.RUN_FELL_BACK, run, by=by, reason=reason, **_said(offered))
    return offered


@transaction.atomic
def confirm_overdue(
    run_pk: int, gates_revision: int, *, by: Actor, reason: str
) -> FallbackOffer | None:
    """Let a failure stand because no newer gates came in time, and fall back."""
    run = runs.locked(run_pk)
    require(by, May.FALL_BACK, rollout=run.rollout.key)
    is_moot = run.gates_revision != gates_revision or run.status in FINAL
    failed = [g for g in sorted(run.gates) if run.gates[g]["status"] == GateStatus.FAIL]
    if is_moot or not failed or _known(run) is not None:
        return None
    for letter in failed:
        run.gates[letter]["confirmed_by"] = "no newer gates came in time"
    offered = _fall_back(run, _offer(run, ""), by=by, reason=reason)
    record(Verb.RUN_FELL_BACK, run, by=by, reason=reason, **_said(offered))
    return offered


@transaction.atomic
def adopt(run_pk: int, *, by: Actor, reason: str) -> FallbackOffer | None:
    """Take over the fallback that an imported run has made itself; write none."""
    run = runs.locked(run_pk)
    require(by, May.INGEST, rollout=run.rollout.key)
    failure = _own_failure(run)
    if failure is None or _known(run) is not None:
        return None
    offered = FallbackOffer(
        run=run,
        gate_id=failure["gate_id"],
        gate_name=failure["gate_name"],
        reason=failure["reason"],
        instruction=failure["instruction"],
        failure=failure,
        summary=run.artifacts.filter(path=SUMMARY_PATH).order_by("-version").first(),
        is_adopted=True,
        offered_at=clock.now(),
        offered_by=by,
    )
    offered.save()
    record(Verb.FALLBACK_ADOPTED, run, by=by, reason=reason, **_said(offered))
    return offered


@transaction.atomic
def take(
    rollout_key: str,
    run_id: str,
    *,
    means: Means,
    by: Actor,
    reason: str,
    standard_run_id: str = "",
) -> tuple[Routing, bool]:
    """Take a run's offer: its request goes to the standard workflow. Is it news?

    Taking it again changes nothing, except that the run that took over can still be
    named, once. Raises `NotFound` where no offer was made, and `WrongMoment` for an
    imported run, whose request nobody waits for.
    """
    require(by, May.TAKE_FALLBACK, rollout=rollout_key)
    run = runs.locked(runs.find(rollout_key, run_id).pk)
    if (offer := _known(run)) is None:
        raise NotFound(
            f"The run {run_id} has no fallback offer; one is made when a hard gate of "
            "it has failed for good."
        )
    if run.kind == RunKind.IMPORTED:
        raise WrongMoment("Nobody waits for an imported run any more.", possible=[])
    if (known := Routing.objects.filter(offer=offer).first()) is not None:
        if standard_run_id and not known.standard_run_id:
            _name_standard_run(known, run, standard_run_id, by=by, reason=reason)
        return known, False
    routing = Routing(
        offer=offer,
        workflow=run.rollout.fallback_workflow,
        standard_run_id=standard_run_id,
        means=means,
        reason=reason,
        taken_at=clock.now(),
        taken_by=by,
    )
    routing.save_as(by, reason=reason)
    run.awaits_fallback = False
    run.save_as(by, reason=reason)
    record(
        Verb.FALLBACK_TAKEN,
        run,
        by=by,
        reason=reason,
        workflow=routing.workflow,
        standard_run_id=standard_run_id,
        means=means,
    )
    return routing, True


def _name_standard_run(
    routing: Routing, run: Run, standard_run_id: str, *, by: Actor, reason: str
) -> None:
    routing.standard_run_id = standard_run_id
    routing.save_as(by, reason=reason)
    record(
        Verb.STANDARD_RUN_NAMED,
        run,
        by=by,
        reason=reason,
        standard_run_id=standard_run_id,
    )


def _known(run: Run) -> FallbackOffer | None:
    return FallbackOffer.objects.filter(run=run).first()


def _is_confirmed(run: Run, letter: str) -> bool:
    gate = run.gates[letter]
    return gate["status"] == GateStatus.FAIL and bool(gate["confirmed_by"])


def _own_failure(run: Run) -> dict[str, Any] | None:
    """The newest fallback failure in the run's own manifest."""
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    failures = manifest.content["failures"] if manifest else []
    own = [each for each in failures if each["kind"] == FALLBACK_FAILURE]
    return own[-1] if own else None


def _offer(run: Run, given: str) -> Offer:
    """What the research system offered itself, if it did; else the portal's offer."""
    if (own := _own_failure(run)) is not None:
        name = own["gate_name"] or gates.NAMES.get(own["gate_id"], own["gate_id"])
        return Offer(own["gate_id"], name, own["reason"])
    document = runs.document_of(run, DocumentKind.GATES)
    return domain.offer(document.content if document else None, reason=given)


def _fall_back(run: Run, offer: Offer, *, by: Actor, reason: str) -> FallbackOffer:
    if run.cause:
        raise Conflict(
            f"The portal has ended this run already ({run.cause}).", code="RUN_FINAL"
        )
    stored = vault.put([offer.summary], limit=LARGEST_SUMMARY)
    summary, _ = artifacts.add_version(
        run, SUMMARY_PATH, stored, origin=Origin.PORTAL, by=by
    )
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    root = manifest.content["artifacts"]["root"] if manifest else "/"
    offered = FallbackOffer(
        run=run,
        gate_id=offer.gate_id,
        gate_name=offer.gate_name,
        reason=offer.reason,
        instruction=INSTRUCTION,
        failure=offer.failure(root),
        summary=summary,
        offered_at=clock.now(),
        offered_by=by,
    )
    offered.save()
    run.awaits_fallback = True
    endings.end(run, Act.FALL_BACK, cause=CAUSE, by=by, reason=reason)
    announce(Cause.HARD_GATE_FAILED, run, by=by, gate=offer.gate_id)
    return offered


def _said(offered: FallbackOffer) -> dict[str, object]:
    return {
        "gate": offered.gate_id,
        "summary": offered.summary.digest if offered.summary else None,
        "failure": offered.failure,
    }
