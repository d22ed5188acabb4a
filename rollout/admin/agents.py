"""The agents beside installations: who was heard, and who is silent."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from portal.admin.governed import GovernedAdmin
from rollout.domain.agents import AgentStanding
from rollout.models import Agent
from rollout.services import agents

MARKS = {
    AgentStanding.WELL: "● well",
    AgentStanding.TROUBLED: "▲ TROUBLED",
    AgentStanding.SILENT: "■ SILENT",
}


@admin.register(Agent)
class AgentAdmin(GovernedAdmin):
    """What each agent last said of itself and of its installation."""

    list_display = [
        "name",
        "standing",
        "seen_at",
        "installation",
        "settings",
        "runs",
        "lag",
        "version",
        "rollout",
    ]
    list_filter = ["settings_state", "rollout"]
    search_fields = ["name", "team", "environment", "host"]
    empty_says = (
        "No agent has reported. Start one beside an installation of the research "
        "system."
    )
    exclude = ["problems"]
    readonly_fields = ["standing", "what_is_wrong"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return agents.known().order_by("rollout__key", "name")

    @admin.display(description="standing")
    def standing(self, agent: Agent) -> str:
        mark = MARKS[agents.standing_of(agent)]
        return f"{mark} ({len(agent.problems)})" if agent.problems else mark

    @admin.display(description="installation")
    def installation(self, agent: Agent) -> str:
        named = [agent.team, agent.environment, agent.host]
        return " · ".join(filter(None, named)) or "any"

    @admin.display(description="settings")
    def settings(self, agent: Agent) -> str:
        words = agent.get_settings_state_display()
        if agent.epoch is None:
            return words
        late = " NOT YET the current one" if (agent.behind or 0) > 0 else ""
        return f"{words}, epoch {agent.epoch}{late}"

    @admin.display(description="run roots")
    def runs(self, agent: Agent) -> str:
        return f"{agent.open_roots} open of {agent.roots}"

    @admin.display(description="lag", ordering="lag_s")
    def lag(self, agent: Agent) -> str:
        return f"{agent.lag_s:.1f} s"

    @admin.display(description="problems")
    def what_is_wrong(self, agent: Agent) -> str:
        return (
            format_html_join("", "<p>{}</p>", ((p,) for p in agent.problems)) or "none"
        )
