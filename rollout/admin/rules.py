"""Rules and segments: who is aimed at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from portal.admin.governed import GovernedAdmin
from rollout.domain.flags import for_display
from rollout.domain.wording import condition_in_words
from rollout.models import Flag, Rule, Segment


def conditions_in_words(conditions: list[dict[str, Any]]) -> str:
    """All of these have to hold."""
    return " and ".join(map(condition_in_words, conditions)) or "everybody"


@admin.register(Rule)
class RuleAdmin(GovernedAdmin):
    """In order; the first whose conditions all hold gives the value."""

    list_display = [
        "flag",
        "position",
        "description",
        "for_whom",
        "share",
        "gets",
        "standing",
    ]
    list_filter = ["is_live", "flag"]
    search_fields = ["description", "flag__key"]
    empty_says = "No flag has a rule. Rules are proposed on the page of a flag."
    list_select_related = ["flag"]
    fields = [
        "flag",
        "position",
        "description",
        "for_whom",
        "share",
        "gets",
        "standing",
    ]
    readonly_fields = ["for_whom", "share", "gets", "standing"]

    @admin.display(description="for whom")
    def for_whom(self, rule: Rule) -> str:
        return conditions_in_words(rule.conditions)

    @admin.display(description="share of them")
    def share(self, rule: Rule) -> str:
        return "all" if rule.percentage is None else f"{rule.percentage} %"

    @admin.display(description="what they get")
    def gets(self, rule: Rule) -> str:
        if not rule.variants:
            return for_display(rule.value)
        return ", ".join(
            f"{each['name']} = {for_display(each['value'])} ({each['weight']:g} %)"
            for each in rule.variants
        )

    @admin.display(description="in use")
    def standing(self, rule: Rule) -> str:
        return "yes" if rule.is_live else "✗ replaced"


@admin.register(Segment)
class SegmentAdmin(GovernedAdmin):
    """Conditions with a name, for rules to share."""

    list_display = ["key", "description", "who", "standing", "rollout"]
    list_filter = ["is_live", "rollout"]
    search_fields = ["key", "description"]
    empty_says = (
        "There are no segments. They come with an imported configuration, under "
        "Changes."
    )
    list_select_related = ["rollout"]
    change_form_template = "rollout/segment.html"

    @admin.display(description="who is in it")
    def who(self, segment: Segment) -> str:
        return conditions_in_words(segment.conditions)

    @admin.display(description="in use")
    def standing(self, segment: Segment) -> str:
        return "yes" if segment.is_live else "✗ removed"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        segment = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if segment is not None:
            context |= {
                "segment": segment,
                "conditions": [condition_in_words(raw) for raw in segment.conditions],
                "flags": _used_by(segment),
            }
        return super().change_view(request, object_id, form_url, context)


def _used_by(segment: Segment) -> list[Flag]:
    """The flags with a rule that looks at this segment."""
    asks_for_it = [[{name: segment.key}] for name in ("segment", "not_segment")]
    rules = Rule.objects.filter(flag__rollout=segment.rollout, is_live=True)
    found = set()
    for conditions in asks_for_it:
        found |= set(
            rules.filter(conditions__contains=conditions).values_list(
                "flag_id", flat=True
            )
        )
    return list(Flag.objects.filter(pk__in=found))
