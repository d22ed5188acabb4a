"""Looking at hard gates that failed: from the run's page, one gate at a time."""

from typing import Any

from django.contrib import admin

from portal.admin.acts import Act, Shown
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from rollout.admin.run_page import failure_of
from rollout.domain.gates import NAMES, GateStatus
from rollout.models import FailureReview, Run
from rollout.services import reviews


def _act(letter: str) -> Act:
    def perform(run: Run, actor: Actor, said: dict[str, Any]) -> str:
        reviews.review_failure(
            run.rollout.key, run.run_id, letter, by=actor, reason=said["reason"]
        )
        return f"Gate {letter} of {run.run_id} has been looked at."

    return Act(
        name=f"review_{letter}",
        title=f"Review the failure of gate {letter}",
        may=May.WORK_INCIDENT,
        perform=perform,
        hidden=lambda run, actor: not _is_open(run, letter),
        about=lambda run: Shown("rollout/failure.html", failure_of(run, letter)),
        effects=lambda run: [
            f"Gate {letter} ({NAMES[letter]}) of {run.run_id} failed for good: "
            f"{run.gates.get(letter, {}).get('confirmed_by') or 'it has not'}.",
            "You say what it was; what you write stays with the run.",
            "The failure goes on counting; only the stage no longer waits for a look.",
        ],
    )


def _is_open(run: Run, letter: str) -> bool:
    gate = run.gates.get(letter, {})
    has_failed = gate.get("status") == GateStatus.FAIL and gate.get("confirmed_by")
    return bool(has_failed) and not run.reviews.filter(gate=letter).exists()


RUN_ACTS = tuple(map(_act, NAMES))


@admin.register(FailureReview)
class FailureReviewAdmin(GovernedAdmin):
    """What failures were, by whoever has looked at them. Once per run and gate."""

    list_display = ["run", "gate", "note", "reviewer", "reviewed_at"]
    list_filter = ["gate"]
    search_fields = ["run__run_id", "note", "reviewer__name"]
    list_select_related = ["run", "reviewer"]
    empty_says = "No failure was looked at yet. That is done on the page of its run."
