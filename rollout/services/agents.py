"""What agents report of themselves, and what they have not carried out yet."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet

from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.models import Actor
from portal.services.access import require
from rollout.domain import agents as domain
from rollout.domain.agents import AgentStanding
from rollout.domain.runs import OPEN, RunKind
from rollout.models import Agent, Run
from rollout.services import rollouts

FORGOTTEN_AFTER = timedelta(days=30)
MOST_VERDICTS = 100


def report(
    rollout_key: str, name: str, facts: Mapping[str, Any], *, by: Actor
) -> Agent:
    """Write down how an agent is; what it says of problems is shown without secrets."""
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    now = clock.now()
    problems = [redact(each) for each in facts["problems"]]
    agent, _ = Agent.objects.update_or_create(
        rollout=rollouts.find(rollout_key),
        name=name,
        defaults={**facts, "problems": problems, "token": by.token, "seen_at": now},
    )
    Agent.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
    return agent


def unheeded(rollout_key: str) -> list[Run]:
    """Runs that the portal has ended, and whose own files do not say so yet."""
    found = Run.objects.filter(
        rollout__key=rollout_key,
        kind=RunKind.LIVE,
        reported_status__in=OPEN,
        finished_at__isnull=False,
    ).exclude(cause="")
    return list(found.order_by("-finished_at")[:MOST_VERDICTS])


def standing_of(agent: Agent) -> AgentStanding:
    """How an agent is now."""
    return domain.standing(
        seen_at=agent.seen_at,
        now=clock.now(),
        has_problems=bool(agent.problems),
        lag_s=agent.lag_s,
    )


def known() -> QuerySet[Agent]:
    """All agents, with how many epochs each is `behind` its rollout's switch."""
    found = Agent.objects.select_related("rollout", "token")
    return found.annotate(behind=F("rollout__switch__epoch") - F("epoch"))
