"""Boxes on the start page: are we safe, and where are we?"""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest

from portal.dashboard import Panel, register
from portal.domain.roles import May
from portal.services.access import may
from portal.sessions import actor_of
from rollout.domain.runs import RunStatus
from rollout.models import OPEN_STATES, Rollout, RolloutKind, Run, Stage, Switch

SHOWN_RUNS = 6


def switches(request: HttpRequest) -> dict[str, Any]:
    """The emergency switch, large."""
    found = Switch.objects.select_related("rollout", "changed_by").filter(
        rollout__kind=RolloutKind.LIVE
    )
    actor = actor_of(request)
    return {
        "switches": found,
        "may_engage": may(actor, May.ENGAGE_SWITCH),
        "may_request": may(actor, May.REQUEST_EXPOSURE),
    }


def stages(request: HttpRequest) -> dict[str, Any]:
    """The stages of each rollout as a line."""
    found = Rollout.objects.filter(kind=RolloutKind.LIVE).prefetch_related("stages")
    rollouts = []
    for rollout in found:
        line: list[Stage] = list(rollout.stages.all())
        opened = next((s for s in line if s.state in OPEN_STATES), None)
        ready = next((s for s in line if s.state == "ready"), None)
        rollouts.append(
            {"rollout": rollout, "stages": line, "open": opened, "ready": ready}
        )
    return {"rollouts": rollouts}


def runs(request: HttpRequest) -> dict[str, Any]:
    """Open runs by status, and the newest runs."""
    open_now = dict(
        Run.objects.filter(finished_at=None)
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    newest = Run.objects.order_by("-pk")[:SHOWN_RUNS]
    return {
        "counts": [
            (status, open_now.get(status, 0))
            for status in (RunStatus.CREATED, RunStatus.RUNNING, RunStatus.PAUSED)
        ],
        "newest": newest,
    }


register(Panel(10, "rollout/panels/switches.html", switches))
register(Panel(20, "rollout/panels/stages.html", stages, width="wide"))
register(Panel(30, "rollout/panels/runs.html", runs))
