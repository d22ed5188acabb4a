"""Telemetry of runs, batch by batch; sending it again is harmless."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from portal import clock
from portal.domain.ledger import leaf_of
from portal.domain.merkle import merkle_root
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain import events as domain
from rollout.domain.runs import RunKind
from rollout.domain.verbs import Verb
from rollout.models import RunEvent
from rollout.services import runs


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch: how many were new, and which numbers are missing."""

    received: int
    new: int
    last_seq: int
    gaps: list[list[int]]


@transaction.atomic
def receive(
    rollout_key: str,
    run_id: str,
    raw: bytes,
    *,
    by: Actor,
    reason: str,
    kind: RunKind = RunKind.LIVE,
) -> Batch:
    """Keep the events that are new; one ledger entry for all of them."""
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    events = domain.read_batch(raw, run_id=run_id)
    run = runs.locked_or_new(rollout_key, run_id, kind=kind, by=by, reason=reason)
    known = dict(
        run.events.filter(seq__in=[event.seq for event in events]).values_list(
            "seq", "digest"
        )
    )
    for event in events:
        if event.seq in known:
            domain.check_same(known[event.seq], event)
    new = [event for event in events if event.seq not in known]
    gaps = domain.gaps([event.seq for event in new], after=run.last_seq)
    if new:
        now = clock.now()
        RunEvent.objects.bulk_create(
            RunEvent(
                run=run,
                seq=event.seq,
                at=datetime.fromisoformat(event.content["ts"]),
                event_type=event.content["event_type"],
                content=event.content,
                digest=event.digest,
                received_at=now,
            )
            for event in new
        )
        run.last_seq = max(run.last_seq, new[-1].seq)
        run.save_as(by, reason=reason)
        root = merkle_root(leaf_of(event.digest.encode()) for event in new)
        record(
            Verb.EVENTS_RECEIVED,
            run,
            by=by,
            reason=reason,
            count=len(new),
            first_seq=new[0].seq,
            last_seq=new[-1].seq,
            merkle_root=root.hex(),
            gaps=gaps,
        )
    return Batch(len(events), len(new), run.last_seq, gaps)
