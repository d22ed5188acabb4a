"""Which workflow each run got, and why."""

import json

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from portal.admin.governed import GovernedAdmin
from rollout.domain.flags import without_credentials
from rollout.models import Decision
from rollout.services import decisions, explanations


@admin.register(Decision)
class DecisionAdmin(GovernedAdmin):
    """Recorded, explained, and recomputed whenever somebody looks."""

    list_display = [
        "run_id",
        "workflow",
        "reason",
        "stage_key",
        "decided_at",
        "overrides",
    ]
    list_filter = ["workflow", "reason", "is_override", "rollout"]
    search_fields = ["run_id", "unit"]
    empty_says = "Nothing was decided yet. A service asks at POST /api/v1/decisions."
    fields = [
        "run_id",
        "workflow",
        "reason",
        "why",
        "replayed",
        "stage_key",
        "bucket",
        "asked",
        "flag_values",
        "snapshot",
        "inputs_digest",
        "decided_at",
        "decided_by",
        "is_override",
    ]
    readonly_fields = ["why", "replayed", "asked", "flag_values"]

    @admin.display(description="overrides another", ordering="is_override")
    def overrides(self, decision: Decision) -> str:
        return "yes" if decision.is_override else "no"

    @admin.display(description="why, step by step")
    def why(self, decision: Decision) -> str:
        steps = explanations.of_decision(decision)
        return format_html(
            "<ol class='steps'>{}</ol>",
            format_html_join(
                "",
                "<li class='step-{}'>{}</li>",
                ((step["outcome"].replace(" ", "-"), step["says"]) for step in steps),
            ),
        )

    @admin.display(description="decided again now")
    def replayed(self, decision: Decision) -> str:
        if decisions.replay(decision) is None:
            return "The same, from the recorded snapshot and context."
        return "DIFFERENT from what was recorded."

    @admin.display(description="asked")
    def asked(self, decision: Decision) -> str:
        return format_html(
            "<pre>{}</pre>", json.dumps(decision.context["asked"], indent=2)
        )

    @admin.display(description="flags")
    def flag_values(self, decision: Decision) -> str:
        return format_html(
            "<pre>{}</pre>", json.dumps(without_credentials(decision.flags), indent=2)
        )
