"""Rows of runs: finding them, locking them, and making the one that nobody let in."""

from typing import Any

from django.db import connection

from portal import clock
from portal.errors import NotFound
from portal.models import Actor
from rollout.domain.runs import RunKind
from rollout.models import Decision, DocumentKind, Run, RunDocument, Standing
from rollout.services import rollouts, timers


def find(rollout_key: str, run_id: str) -> Run:
    """The run, or a refusal."""
    run = (
        Run.objects.select_related("rollout", "decision", "attempt__stage")
        .filter(rollout__key=rollout_key, run_id=run_id)
        .first()
    )
    if run is None:
        raise NotFound(f"There is no run {run_id!r} in {rollout_key}.")
    return run


def document_of(run: Run, kind: DocumentKind) -> RunDocument | None:
    """The newest accepted revision of a run's document."""
    return (
        run.documents.filter(kind=kind, standing=Standing.ACCEPTED)
        .order_by("-pk")
        .first()
    )


def locked_or_new(
    rollout_key: str, run_id: str, *, kind: RunKind, by: Actor, reason: str
) -> Run:
    """The run's row, locked; a run that nobody let in is kept all the same."""
    known = Run.objects.select_for_update(of=["self"], no_key=True)
    wanted = {"rollout__key": rollout_key, "run_id": run_id}
    if (run := known.filter(**wanted).first()) is not None:
        return run
    rollout = rollouts.find(rollout_key)
    with connection.cursor() as cursor:
        # Two first reports at once: one makes the row, the other finds it.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))",
            [run_id, rollout.pk],
        )
    if (run := known.filter(**wanted).first()) is not None:
        return run
    decision = Decision.objects.filter(
        rollout=rollout, run_id=run_id, is_override=False
    ).first()
    now = clock.now()
    run = Run(
        rollout=rollout,
        run_id=run_id,
        kind=rollout.kind_of_runs if kind == RunKind.LIVE else kind,
        decision=decision,
        attempt=None,
        created_at=now,
    )
    timers.start(run, now)
    run.save_as(by, reason=reason)
    return run


def locked(run_pk: int) -> Run:
    """The run's row, locked, for acts that know its number."""
    run = (
        Run.objects.select_for_update(of=["self"], no_key=True)
        .select_related("rollout")
        .filter(pk=run_pk)
        .first()
    )
    if run is None:
        raise NotFound(f"There is no run {run_pk}.")
    return run


def newest(run: Run, kind: DocumentKind) -> dict[str, Any] | None:
    """What the newest accepted revision of a document says; None before the first."""
    accepted = run.documents.filter(kind=kind, standing=Standing.ACCEPTED)
    return accepted.order_by("-pk").values_list("content", flat=True).first()
