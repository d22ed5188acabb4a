"""What somebody would get, now or then, and why; nothing is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.errors import NotFound
from rollout.domain import explanations as domain
from rollout.domain.contexts import Context, from_asked
from rollout.domain.decisions import Decision as Answer
from rollout.domain.decisions import decide
from rollout.domain.flags import canonical_key
from rollout.domain.snapshots import Snapshot as Compiled
from rollout.models import Decision, Snapshot
from rollout.services import rollouts, snapshots

Steps = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Tried:
    """An answer, the snapshot that it is from, and the steps that led to it.

    `flag_steps` are those of the flag that was asked about, if one was.
    """

    snapshot: Snapshot
    answer: Answer
    steps: Steps
    flag_steps: Steps


def try_context(
    rollout_key: str,
    asked: Mapping[str, Any],
    *,
    at: datetime | None = None,
    flag: str = "",
) -> Tried:
    """What a context would get now, or would have got `at` a moment, and why.

    A context that names no run is tried as one. Raises `NotFound` for a flag that is
    not in the snapshot, and for a moment before there was any.
    """
    rollout = rollouts.find(rollout_key)
    row = snapshots.active_at(rollout, at) if at else snapshots.active(rollout.pk)
    snapshot = snapshots.loaded(row)
    context = from_asked({"run_id": asked.get("targetingKey") or "explain", **asked})
    return Tried(
        row,
        decide(snapshot, context),
        domain.explain(snapshot, context),
        _of_flag(snapshot, context, flag) if flag else [],
    )


def of_decision(decision: Decision, *, flag: str = "") -> Steps:
    """Why a run was decided so, or why a flag had its value then."""
    snapshot = snapshots.loaded(decision.snapshot)
    context = Context.from_json(decision.context)
    if flag:
        return _of_flag(snapshot, context, flag)
    return domain.explain(snapshot, context)


def _of_flag(snapshot: Compiled, context: Context, name: str) -> Steps:
    flag = snapshot.by_key.get(canonical_key(name))
    if flag is None:
        raise NotFound(f"There is no flag {name!r} in this snapshot.")
    return domain.explain_flag(snapshot, context, flag)
