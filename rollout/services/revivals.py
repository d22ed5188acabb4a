"""Runs that go on after their end; parts of the acts that take in documents."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from portal import clock
from portal.models import Actor
from rollout.domain.directives import STOPS, DirectiveState
from rollout.domain.runs import FINAL
from rollout.models import Run
from rollout.services.consequences import Cause, announce

REVIVES = "revives the run"
WRITES_ON = "written after the run was told to stop"


def announce_revival(run: Run, reported: str, *, by: Actor) -> None:
    """Tell that a run has gone on after its end, and what it says of itself."""
    announce(Cause.FINAL_RUN_REVIVED, run, by=by, reported=reported)


def note_of(run: Run, content: Mapping[str, Any], *, by: Actor) -> str:
    """What to note beside a manifest that came after the portal's verdict.

    One that was on its way is no surprise. It is one, told once, when the run has
    acknowledged that it stops, or should have by now (decision 12).
    """
    if content["status"] in FINAL or not _was_told(run, content["revision"]):
        return ""
    if not run.documents.filter(note=WRITES_ON).exists():
        announce_revival(run, content["status"], by=by)
    return WRITES_ON


def _was_told(run: Run, revision: int) -> bool:
    followed = Q(state=DirectiveState.ACKNOWLEDGED) & (
        Q(revision=None) | Q(revision__lt=revision)
    )
    is_overdue = Q(state=DirectiveState.ISSUED, due_at__lt=clock.now())
    stops = run.directives.filter(kind__in=STOPS)
    return stops.filter(followed | is_overdue).exists()
