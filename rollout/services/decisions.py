"""Deciding for runs, and deciding again years later."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils
from django.db import IntegrityError, transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import Conflict, NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain import decisions as domain
from rollout.domain import snapshots as compiled
from rollout.domain.contexts import Context, check_run_id, from_asked
from rollout.domain.decisions import Reason
from rollout.domain.runs import FINAL
from rollout.domain.verbs import Verb
from rollout.models import Attempt, Decision, Rollout, Run, Snapshot
from rollout.services import rollouts, snapshots, timers


@transaction.atomic
def decide_for(
    rollout_key: str, asked: Mapping[str, Any], *, by: Actor, reason: str
) -> Decision:
    """Decide which workflow a run gets, and record it.

    A run that asks again gets its recorded decision, unless the switch is engaged or
    the run has ended: then it is told so, in a row of its own. Raises `Conflict`
    (DECISION_CONFLICT) when a known run asks with other inputs.
    """
    require(by, May.DECIDE, rollout=rollout_key)
    rollout = rollouts.find(rollout_key)
    context = from_asked(asked)
    rollouts.hold_switch_still(rollout.pk)
    snapshot = snapshots.active(rollout.pk)
    lasting = _lasting(rollout, context)
    if lasting is None:
        check_run_id(context.run_id)
        # A run may have reported, and even ended, without ever asking.
        is_final = Run.objects.filter(
            rollout=rollout, run_id=context.run_id, status__in=FINAL
        ).exists()
        context = from_asked(asked, is_final=is_final)
        try:
            with transaction.atomic():
                decision = _new(rollout, snapshot, context, by=by)
        except IntegrityError:  # somebody else has just asked for the same run
            return _again(rollout, snapshot, _lasting(rollout, context), context, by=by)
        if decision.is_option_c:
            _open_run(decision, snapshot, by=by, reason=reason)
        record(Verb.RUN_DECIDED, decision, by=by, reason=reason, **_said(decision))
        return decision
    return _again(rollout, snapshot, lasting, context, by=by)


def _again(
    rollout: Rollout,
    snapshot: Snapshot,
    lasting: Decision,
    context: Context,
    *,
    by: Actor,
) -> Decision:
    if lasting.inputs_digest != context.inputs_digest:
        raise Conflict(
            f"The run {context.run_id} was decided with other inputs; "
            "a new run needs a new run_id.",
            code="DECISION_CONFLICT",
            decision_id=str(lasting.pk),
            decided_at=lasting.decided_at.isoformat(),
        )
    run = Run.objects.filter(rollout=rollout, run_id=context.run_id).first()
    is_final = run is not None and run.status in FINAL
    if not (snapshots.loaded(snapshot).is_switch_engaged or is_final):
        return lasting
    if lasting.reason == Reason.KILL_SWITCH and lasting.snapshot_id == snapshot.pk:
        return lasting
    now_final = from_asked(lasting.context["asked"], is_final=is_final)
    told = Decision.objects.filter(
        rollout=rollout, run_id=context.run_id, snapshot=snapshot, is_override=True
    )
    fresh = domain.decide(snapshots.loaded(snapshot), now_final)
    if (known := told.filter(reason=fresh.reason).first()) is not None:
        return known
    try:
        with transaction.atomic():
            decision = _new(rollout, snapshot, now_final, by=by, is_override=True)
    except IntegrityError:
        return told.get(reason=fresh.reason)
    record(Verb.RUN_DECIDED, decision, by=by, reason="asked again", **_said(decision))
    return decision


def _lasting(rollout: Rollout, context: Context) -> Decision | None:
    return Decision.objects.filter(
        rollout=rollout, run_id=context.run_id, is_override=False
    ).first()


def _new(
    rollout: Rollout,
    snapshot: Snapshot,
    context: Context,
    *,
    by: Actor,
    is_override: bool = False,
) -> Decision:
    answer = domain.decide(snapshots.loaded(snapshot), context)
    attempt = None
    if answer.stage is not None:
        attempt = Attempt.objects.filter(
            stage__rollout=rollout, stage__key=answer.stage, number=answer.attempt
        ).first()
    is_first_seen = context.unit == context.run_id or not (
        Decision.objects.filter(rollout=rollout, unit=context.unit).exists()
    )
    decision = Decision(
        id=UUID(str(uuid_utils.uuid7())),
        rollout=rollout,
        run_id=context.run_id,
        unit=context.unit,
        is_override=is_override,
        workflow=answer.workflow,
        reason=answer.reason,
        stage_key=answer.stage or "",
        attempt=attempt,
        snapshot=snapshot,
        context=context.to_json(),
        inputs_digest=context.inputs_digest,
        flags=answer.flags,
        constraints=answer.constraints,
        bucket=answer.bucket,
        is_first_seen=is_first_seen and not is_override,
        decided_by=by,
        decided_at=clock.now(),
    )
    decision.save()
    return decision


def _open_run(
    decision: Decision, snapshot: Snapshot, *, by: Actor, reason: str
) -> None:
    """Know the run from its admission on, whether it ever reports or not."""
    attempt = Attempt.objects.select_for_update(no_key=True).get(pk=decision.attempt_id)
    known = Run.objects.filter(rollout=decision.rollout, run_id=decision.run_id)
    if known.exists():
        return  # it reported before it asked: kept, unadmitted
    last = attempt.runs.order_by("-start_order").values_list("start_order", flat=True)
    run = Run(
        rollout=decision.rollout,
        run_id=decision.run_id,
        kind=decision.rollout.kind_of_runs,
        decision=decision,
        is_admitted=True,
        attempt=attempt,
        start_order=(last[0] if last else 0) + 1,
        fingerprint=compiled.fingerprint(
            snapshots.loaded(snapshot).content,
            stage_key=decision.stage_key,
            system_version="unknown",
        ),
        no_web=bool(decision.constraints.get("no_web")),
        mode=decision.context["asked"].get("mode", ""),
        created_at=decision.decided_at,
    )
    timers.start(run, decision.decided_at)
    run.save_as(by, reason=reason)


def _said(decision: Decision) -> dict[str, object]:
    return {
        "run_id": decision.run_id,
        "workflow": decision.workflow,
        "because": decision.reason,
        "snapshot": decision.snapshot.digest,
        "inputs_digest": decision.inputs_digest,
    }


def find(decision_id: str) -> Decision:
    """The decision of that id, or a refusal."""
    try:
        wanted = UUID(str(decision_id))
    except ValueError:
        raise NotFound(f"There is no decision {decision_id!r}.") from None
    found = (
        Decision.objects.select_related("snapshot", "rollout").filter(pk=wanted).first()
    )
    if found is None:
        raise NotFound(f"There is no decision {decision_id}.")
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that comes out differently when it is made again."""

    decision_id: str
    run_id: str
    recorded: dict[str, Any]
    recomputed: dict[str, Any]


def replay(decision: Decision) -> Difference | None:
    """Decide again from the recorded snapshot and context; None when it is the same."""
    snapshot = snapshots.loaded(decision.snapshot)
    context = Context.from_json(decision.context)
    again = domain.decide(snapshot, context).answer()
    # A stage counts its attempts in the snapshot, the row names the attempt itself.
    again.pop("attempt")
    recorded = {
        "workflow": decision.workflow,
        "reason": decision.reason,
        "stage": decision.stage_key or None,
        "bucket": decision.bucket,
        "flags": decision.flags,
        "constraints": decision.constraints,
    }
    if again == recorded and context.inputs_digest == decision.inputs_digest:
        return None
    return Difference(str(decision.pk), decision.run_id, recorded, again)


def replay_all(rollout: Rollout | None = None) -> Iterator[tuple[Decision, Any]]:
    """Every decision with its difference, in constant memory."""
    wanted = Decision.objects.select_related("snapshot").order_by("decided_at", "pk")
    if rollout is not None:
        wanted = wanted.filter(rollout=rollout)
    for decision in wanted.iterator(chunk_size=500):
        yield decision, replay(decision)
