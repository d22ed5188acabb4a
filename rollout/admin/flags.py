"""Flags: where they are on and for whom, and what is proposed about them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal import clock
from portal.admin.governed import GovernedAdmin
from rollout.admin import flag_forms
from rollout.admin.proposing import edits_for_display
from rollout.admin.trying import named_in, tried
from rollout.domain.changes import PENDING
from rollout.domain.flags import ENABLED, for_display
from rollout.domain.snapshots import Snapshot
from rollout.domain.wording import prerequisite_in_words, rule_in_words
from rollout.models import Change, Decision, Flag
from rollout.services import configuration, flags, snapshots

MOST_CHANGES = 20


@admin.register(Flag)
class FlagAdmin(GovernedAdmin):
    """Typed settings with clamps."""

    list_display = [
        "key",
        "type",
        "shown_default",
        "clamp",
        "rule_count",
        "owner",
        "expires_on",
        "standing",
        "stale",
        "rollout",
    ]
    list_filter = ["is_live", "type", "rollout"]
    search_fields = ["key", "description", "owner"]
    empty_says = "There are no flags. Import a configuration under Changes."
    list_select_related = ["rollout"]
    change_form_template = "rollout/flag.html"
    acts = flag_forms.ACTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Flag]:
        found = super().get_queryset(request)
        found = found.select_related("rollout").prefetch_related("rules")
        return flags.with_use(found)

    @admin.display(description="default")
    def shown_default(self, flag: Flag) -> str:
        return for_display(flag.default)

    @admin.display(description="can be")
    def clamp(self, flag: Flag) -> str:
        return clamp_in_words(flag)

    @admin.display(description="rules")
    def rule_count(self, flag: Flag) -> int:
        return sum(rule.is_live for rule in flag.rules.all())

    @admin.display(description="in use")
    def standing(self, flag: Flag) -> str:
        return "yes" if flag.is_live else "✗ removed"

    @admin.display(description="could go, because")
    def stale(self, flag: Flag) -> str:
        return "; ".join(flags.stale_because(flag))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        flag = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(_page_of(flag) | tried(request, flag) if flag else {}),
        }
        return super().change_view(request, object_id, form_url, context)


def clamp_in_words(flag: Flag) -> str:
    """What the flag's value can be."""
    none = " or none" if flag.is_nullable else ""
    if flag.options:
        return ", ".join(flag.options) + none
    if flag.minimum is not None or flag.maximum is not None:
        low = "any number" if flag.minimum is None else flag.minimum
        return f"{low} to {'any' if flag.maximum is None else flag.maximum}{none}"
    return ("true or false" if flag.type == "bool" else "any text") + none


def _page_of(flag: Flag) -> dict[str, Any]:
    """Everything that the flag page shows, in a fixed number of queries."""
    newest = Decision.objects.filter(rollout=flag.rollout, is_override=False)
    last = newest.order_by("-decided_at", "-id").first()
    configured = configuration.read(flag.rollout)
    known = configured["flags"]
    own = known.get(flag.key, {})
    found = _changes_of(flag, known[ENABLED])
    return {
        "flag": flag,
        "is_decision": flag.key == ENABLED,
        "named": named_in(configured["stages"]),
        "default": for_display(flag.default),
        "stale": flags.stale_because(flag),
        "clamp": clamp_in_words(flag),
        "is_expired": flag.expires_on is not None
        and flag.expires_on < clock.now().date(),
        "now": _now(flag, snapshots.loaded(snapshots.active(flag.rollout_id))),
        "rules": [rule_in_words(raw) for raw in own.get("rules", [])],
        "prerequisites": [prerequisite_in_words(raw) for raw in flag.prerequisites],
        "last": last,
        "last_value": for_display(last.flags.get(flag.key)) if last else "",
        "open_changes": [each for each in found if each["change"].state in PENDING],
        "past_changes": [each for each in found if each["change"].state not in PENDING],
    }


def _changes_of(flag: Flag, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The newest changes that edit this flag, each with those of its edits."""
    path = flag_forms.path_of(flag)
    places = [path, *(f"{path}/{name}" for name in fields)]
    changes = Change.objects.filter(
        rollout=flag.rollout, risks__has_any_keys=places
    ).select_related("author")[:MOST_CHANGES]
    return [
        {
            "change": change,
            "edits": [
                each
                for each in edits_for_display(change)
                if each["said"].path in places
            ],
        }
        for change in changes
    ]


def _now(flag: Flag, snapshot: Snapshot) -> list[str]:
    """Where the flag is on, for whom, now."""
    if not flag.is_live:
        return ["Nowhere: this flag has been removed."]
    stage = snapshot.stage
    default = for_display(flag.default)
    if flag.key == ENABLED:
        if snapshot.is_switch_engaged:
            return ["Nowhere: the switch is engaged."]
        if stage is None:
            return ["Nowhere: no stage is open."]
        plan = stage.plan
        return [
            f"For whom stage {stage.key} admits: teams {', '.join(plan.teams)}; "
            f"query classes {', '.join(plan.query_classes)}; "
            f"modes {', '.join(plan.modes)}; at most {plan.sensitivity}.",
            f"Of those, {stage.share / 100:g} % (the coverage)."
            if stage.is_admitting
            else "But the stage admits nobody for now.",
        ]
    said = [
        f"{default} for everybody whom no rule catches."
        if snapshot.by_key[flag.key].rules
        else f"{default} for everybody: there are no rules."
    ]
    if stage is not None and flag.key in stage.forced:
        forced = for_display(stage.forced[flag.key])
        said.append(
            f"Stage {stage.key} is open and insists: "
            + (f"at most {forced}." if forced.isdigit() else f"{forced}.")
        )
    elif stage is None:
        said.append("No stage is open, so no stage limits it.")
    else:
        said.append(f"Stage {stage.key} is open and does not limit it.")
    if snapshot.is_switch_engaged:
        said.append("The switch is engaged: no run gets Option C, whatever this says.")
    return said
