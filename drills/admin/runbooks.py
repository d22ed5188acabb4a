"""Runbooks: read, followed step by step, and changed by two people."""

from collections.abc import Iterable
from difflib import unified_diff
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from drills.admin.runbook_forms import NewRunbookForm, RunbookForm, TickForm
from drills.domain.runbooks import Freshness, Result
from drills.domain.scenarios import PLANS, Scenario
from drills.models import OperatorRunbook, RunbookUse
from drills.services import runbook_uses, runbooks
from portal.admin.acts import Act, Basis, Done, Shown
from portal.admin.governed import GovernedAdmin
from portal.domain import markdown
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May
from portal.models import Actor, Approval

NOTHING_YET = "Nothing changes until another person has approved it."
ASKED = "Proposed; another person approves it under Approvals."
FRESHNESS = {
    Freshness.FRESH: "✓ followed lately",
    Freshness.OLD: "! not followed for long",
    Freshness.UNTRIED: "? never followed as it is now",
}
RESULTS = {Result.DONE: "✓", Result.FAILED: "✗", Result.SKIPPED: "-"}
MOST_SHOWN = 20


def shown(text: str) -> SafeString:
    """Markdown as HTML; safe by how it is made: raw HTML in it stays text."""
    return mark_safe(markdown.to_html(text))


def _propose(
    runbook: OperatorRunbook | None, actor: Actor, said: dict[str, Any]
) -> Done:
    key = runbook.key if runbook is not None else said["key"]
    asked = runbooks.propose(key, said["runbook"], by=actor, reason=said["reason"])
    return Done(
        ASKED, reverse("admin:drills_operatorrunbook_change", args=[asked.subject_id])
    )


def _retire(runbook: OperatorRunbook, actor: Actor, said: dict[str, Any]) -> str:
    runbooks.propose_retirement(runbook.key, by=actor, reason=said["reason"])
    return ASKED


def differences(runbook: OperatorRunbook, payload: dict[str, Any]) -> list[dict]:
    """What a proposal would change, line by line."""
    wanted = payload.get("runbook", {})
    before = _lines(runbook) if runbook.version else {}
    after = {name: _split(wanted[name]) for name in wanted}
    return [
        {"field": name, "lines": list(_compared(before.get(name, []), lines))}
        for name, lines in after.items()
        if before.get(name, []) != lines
    ]


def _lines(runbook: OperatorRunbook) -> dict[str, list[str]]:
    said = runbook.runbook.to_json()
    return {name: _split(value) for name, value in said.items()}


def _split(value: str | list[str]) -> list[str]:
    return value.splitlines() if isinstance(value, str) else list(value)


def _compared(before: list[str], after: list[str]) -> Iterable[dict[str, str]]:
    kinds = {"-": ("old", "−"), "+": ("new", "+"), " ": ("", " ")}  # noqa: RUF001
    for line in list(unified_diff(before, after, n=1, lineterm=""))[2:]:
        if line.startswith("@@"):
            continue
        kind, mark = kinds[line[0]]
        yield {"kind": kind, "mark": mark, "text": line[1:]}


@admin.register(OperatorRunbook)
class OperatorRunbookAdmin(GovernedAdmin):
    """What to do, step by step."""

    list_display = [
        "key",
        "title",
        "shown_standing",
        "shown_freshness",
        "last_followed",
    ]
    list_display_links = ["key", "title"]
    list_filter = ["is_live"]
    search_fields = ["key", "title", "body"]
    sortable_by = ()
    change_form_template = "drills/runbook.html"
    empty_says = "There are no runbooks; `manage.py seed_baseline` makes what ships."
    acts = (
        Act(
            name="propose_new",
            title="Propose a new runbook",
            may=May.PROPOSE_CHANGE,
            perform=_propose,
            form=NewRunbookForm,
            is_on_list=True,
            effects=lambda _: [NOTHING_YET],
        ),
        Act(
            name="propose",
            title="Propose a change",
            may=May.PROPOSE_CHANGE,
            perform=_propose,
            form=RunbookForm,
            effects=lambda runbook: [
                NOTHING_YET,
                "Whoever follows it now keeps the steps that they began with.",
            ],
            basis=Basis(
                mark=lambda runbook: str(runbook.version),
                since=lambda runbook, mark: Shown(
                    "drills/runbook_since.html",
                    {"runbook": runbook, "body": shown(runbook.body)},
                ),
            ),
        ),
        Act(
            name="propose_retirement",
            title="Propose to retire it",
            may=May.PROPOSE_CHANGE,
            perform=_retire,
            is_dangerous=True,
            hidden=lambda runbook, actor: not runbook.is_live,
            effects=lambda runbook: [NOTHING_YET, "Then nobody is led to it any more."],
        ),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        self.standings = runbook_uses.standings(found.result_list)
        return found

    @admin.display(description="standing")
    def shown_standing(self, runbook: OperatorRunbook) -> str:
        if runbook.is_live:
            said = f"✓ version {runbook.version}"
        else:
            said = "retired" if runbook.version else "… proposed"
        return format_html('<span class="nowrap">{}</span>', said)

    @admin.display(description="freshness")
    def shown_freshness(self, runbook: OperatorRunbook) -> str:
        return FRESHNESS[self.standings[runbook.pk].freshness]

    @admin.display(description="last followed, UTC")
    def last_followed(self, runbook: OperatorRunbook) -> str:
        standing = self.standings[runbook.pk]
        last = max(
            filter(None, (standing.last_used, standing.last_drilled)), default=""
        )
        return f"{last:%Y-%m-%d %H:%M}" if last else "never"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        runbook = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_page_of(runbook) if runbook else {})}
        return super().change_view(request, object_id, form_url, context)


def _page_of(runbook: OperatorRunbook) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    pending = Approval.objects.filter(
        subject_type=runbook._meta.label_lower,
        subject_id=str(runbook.pk),
        state=ApprovalState.PENDING,
    ).select_related("requester")
    standing = runbook_uses.standings([runbook])[runbook.pk]
    uses = runbook.uses.select_related("incident", "drill", "started_by")
    return {
        "runbook": runbook,
        "body": shown(runbook.body),
        "pending": [
            {"approval": each, "differences": differences(runbook, each.payload)}
            for each in pending
        ],
        "standing": standing,
        "freshness": FRESHNESS[standing.freshness],
        "is_fresh": standing.freshness == Freshness.FRESH,
        "scenarios": [PLANS[Scenario(each)].title for each in runbook.scenarios],
        "uses": progress_of(uses.prefetch_related("ticks")[:MOST_SHOWN]),
    }


def progress_of(uses: Iterable[RunbookUse]) -> list[dict[str, Any]]:
    """Uses of runbooks, and how far each has come."""
    return [
        {
            "use": use,
            "page": reverse("admin:drills_runbookuse_change", args=[use.pk]),
            "done": len(use.steps) - runbook_uses.left(use),
            "of": len(use.steps),
        }
        for use in uses
    ]


def _next(use: RunbookUse) -> int | None:
    """The first step without a result."""
    done = runbook_uses.results_of(use)
    return next((e["number"] for e in use.steps if e["number"] not in done), None)


def _is_settled(use: RunbookUse) -> bool:
    """Whether nothing can be added, because what it belongs to is over."""
    if use.incident is not None:
        return use.incident.is_over
    return use.drill.observer_id is not None


def _tick(use: RunbookUse, actor: Actor, said: dict[str, Any]) -> str:
    result = Result(said["result"])
    number, note = said["step"], said["note"]
    runbook_uses.tick(use.pk, number, result, note, by=actor, reason=said["reason"])
    return f"Step {number} is {result}."


def _tick_next(use: RunbookUse, actor: Actor, said: dict[str, Any]) -> str:
    number = _next(use)
    if number is None:
        return "Every step has a result already."
    runbook_uses.tick(use.pk, number, Result.DONE, "", by=actor, reason=said["reason"])
    return f"Step {number} is done."


@admin.register(RunbookUse)
class RunbookUseAdmin(GovernedAdmin):
    """Following a runbook, step by step."""

    list_display = ["number", "runbook", "version", "where", "started_by", "started_at"]
    list_filter = ["is_practice", "runbook"]
    search_fields = ["runbook__title"]
    list_select_related = ["runbook", "incident", "drill", "started_by"]
    change_form_template = "drills/runbook_use.html"
    empty_says = (
        "Nobody has followed a runbook so far. Begin one on the page of an incident or "
        "of a drill."
    )
    acts = (
        Act(
            name="next_done",
            title="Next step: done",
            may=May.OBSERVE_DRILL,
            perform=_tick_next,
            at_once="Done.",
            hidden=lambda use, actor: _is_settled(use) or _next(use) is None,
        ),
        Act(
            name="tick",
            title="Say what came of a step",
            may=May.OBSERVE_DRILL,
            perform=_tick,
            form=TickForm,
            hidden=lambda use, actor: _is_settled(use),
            effects=lambda use: ["Saying it again adds; the newest counts."],
        ),
    )

    @admin.display(description="use")
    def number(self, use: RunbookUse) -> str:
        return f"{use.pk}"

    @admin.display(description="in")
    def where(self, use: RunbookUse) -> str:
        return str(use.incident or use.drill)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunbookUse]:
        found = super().get_queryset(request)
        return found.select_related("runbook", "incident", "drill", "started_by")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        use = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_steps_of(use) if use else {})}
        return super().change_view(request, object_id, form_url, context)


def _steps_of(use: RunbookUse) -> dict[str, Any]:
    ticks = {each.number: each for each in use.ticks.select_related("ticked_by")}
    coming = next((e["number"] for e in use.steps if e["number"] not in ticks), None)
    sections: dict[str, list[dict[str, Any]]] = {}
    for step in use.steps:
        tick = ticks.get(step["number"])
        sections.setdefault(step["section"], []).append(
            {
                "number": step["number"],
                "text": shown(step["text"]),
                "tick": tick,
                "mark": RESULTS[Result(tick.result)] if tick else "",
                "is_next": step["number"] == coming,
            }
        )
    where = use.incident or use.drill
    return {
        "use": use,
        "where": where,
        "where_page": reverse(
            f"admin:drills_{where._meta.model_name}_change", args=[where.pk]
        ),
        "sections": list(sections.items()),
        "done": len(ticks),
        "of": len(use.steps),
    }
