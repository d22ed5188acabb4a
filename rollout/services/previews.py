"""Who would be decided for differently: recorded contexts, decided again."""

from dataclasses import dataclass, field
from typing import Any

from portal import clock
from portal.errors import WrongMoment
from rollout.domain import changes as domain
from rollout.domain import snapshots as compiled
from rollout.domain.configuration import Configuration
from rollout.domain.contexts import Context
from rollout.domain.decisions import Decision as Answer
from rollout.domain.decisions import decide
from rollout.domain.edits import carried_out
from rollout.domain.flags import for_display
from rollout.domain.switch import SwitchState
from rollout.models import Change, Decision, Rollout
from rollout.services import configuration, proposals, snapshots

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """A run that would get another answer, and what would be another one in it."""

    run_id: str
    decision_id: str
    asked: dict[str, Any]
    changes: list[tuple[str, str, str]]  # what, before, after


@dataclass(slots=True)
class Preview:
    """What a change would have meant for the decisions of the last days.

    `compared` are the newest recorded decisions, at most `MOST_PREVIEWED`;
    `is_cut` says that there are older ones in these days. They are compared as if the
    switch were released, for that is when the change would matter.
    """

    compared: int = 0
    different: int = 0
    let_in: int = 0
    kept_out: int = 0
    is_cut: bool = False
    is_switch_engaged: bool = False
    shown: list[Difference] = field(default_factory=list)

    @property
    def other_values(self) -> int:
        """How many would get the same workflow, with something else different."""
        return self.different - self.let_in - self.kept_out


def of_change(change: Change) -> Preview:
    """The preview of a pending change; `Conflict` when it does not fit any more."""
    if change.state not in domain.PENDING:
        raise WrongMoment(
            f"This change is {change.state}; there is nothing left to preview.",
            code="NOTHING_TO_PREVIEW",
            state=change.state,
            possible=[],
        )
    now = configuration.read(change.rollout)
    new = carried_out(now, proposals.edits_of(change))
    return between(change.rollout, now, new)


def between(rollout: Rollout, now: Configuration, new: Configuration) -> Preview:
    """Decide the recorded contexts with both configurations, and compare."""
    before, after = (_released(rollout, each) for each in (now, new))
    found = Preview(is_switch_engaged=rollout.switch.is_engaged)
    for decision in _recorded(rollout):
        if found.compared == domain.MOST_PREVIEWED:
            found.is_cut = True
            break
        found.compared += 1
        context = Context.from_json({**decision.context, "is_final": False})
        _compare(found, decision, decide(before, context), decide(after, context))
    return found


def _released(rollout: Rollout, configured: Configuration) -> compiled.Snapshot:
    content = snapshots.content_of(rollout, configured)
    switch = {**content["switch"], "state": str(SwitchState.RELEASED)}
    return compiled.load({**content, "switch": switch})


def _recorded(rollout: Rollout) -> Any:
    since = clock.now() - domain.PREVIEWED
    newest = Decision.objects.filter(
        rollout=rollout, is_override=False, decided_at__gte=since
    ).order_by("-decided_at", "-id")
    return newest.only("run_id", "context")[: domain.MOST_PREVIEWED + 1]


def _compare(found: Preview, row: Decision, before: Answer, after: Answer) -> None:
    changes = [
        (what, str(was), str(would))
        for what, was, would in (
            ("workflow", before.workflow, after.workflow),
            ("reason", before.reason, after.reason),
        )
        if was != would
    ]
    changes += [
        (key, for_display(before.flags.get(key)), for_display(after.flags.get(key)))
        for key in sorted(before.flags.keys() | after.flags.keys())
        if before.flags.get(key) != after.flags.get(key)
    ]
    if not changes:
        return
    found.different += 1
    found.let_in += after.is_option_c and not before.is_option_c
    found.kept_out += before.is_option_c and not after.is_option_c
    if len(found.shown) < MOST_SHOWN:
        asked = row.context["asked"]
        found.shown.append(Difference(row.run_id, str(row.pk), asked, changes))
