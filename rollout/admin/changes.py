"""Changes: what is proposed, what it would do, and what became of it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin, lines_about
from portal.domain.roles import May
from portal.errors import Refusal
from portal.services.access import may
from portal.sessions import actor_of
from rollout.admin.change_acts import ACTS, acts_that_help, is_author, trouble_of
from rollout.admin.proposing import alike, edits_for_display
from rollout.domain.changes import PENDING, ChangeState
from rollout.domain.exposure import Risk
from rollout.domain.verbs import Verb
from rollout.models import Change, Rollout
from rollout.services import previews

MEANS = {
    ChangeState.OPEN: "Nothing has changed yet.",
    ChangeState.APPROVED: "Another person agreed; it counts once somebody applies it.",
    ChangeState.SCHEDULED: "It is applied by itself when its time comes.",
    ChangeState.BLOCKED: "Its time came, but it could not be applied.",
    ChangeState.APPLIED: "It counts, unless a later change says otherwise.",
    ChangeState.REJECTED: "Somebody said no; nothing was changed by it.",
    ChangeState.CANCELLED: "Whoever proposed it took it back; it changed nothing.",
    ChangeState.EXPIRED: "Nobody decided in time; it changed nothing.",
}
NEEDED = {
    Risk.SAFER: "Nobody else is needed: it exposes nobody to more.",
    Risk.LOW: "An architect, QA or another engineer has to approve it.",
    Risk.HIGH: "An architect or QA, another person, has to approve it.",
}


@admin.register(Change)
class ChangeAdmin(GovernedAdmin):
    """Every edit of the configuration: proposed, agreed to, applied."""

    list_display = [
        "id",
        "title",
        "shown_state",
        "shown_risk",
        "author",
        "proposed_at",
        "scheduled_for",
        "applied_at",
    ]
    list_display_links = ["id", "title"]
    list_filter = [
        "state",
        "risk",
        "origin",
        ("author_person", admin.RelatedOnlyFieldListFilter),
        "rollout",
    ]
    search_fields = ["title", "reason", "author__name", "=digest"]
    search_help_text = "A title, a reason, an author, a digest."
    list_select_related = ["author"]
    change_form_template = "rollout/change.html"
    list_before_template = "rollout/changes_before.html"
    empty_says = (
        "No change is like this. Propose one on the page of a flag or a stage, "
        "import a configuration, or restore a snapshot."
    )
    acts = ACTS

    @admin.display(description="state", ordering="state")
    def shown_state(self, change: Change) -> str:
        marks = {"applied": "✓", "rejected": "✗", "blocked": "✗", "open": "●"}
        return _together(marks.get(change.state, ""), change.state)

    @admin.display(description="risk", ordering="risk")
    def shown_risk(self, change: Change) -> str:
        marks = {
            Risk.SAFER: ("▼", "exposes no more"),
            Risk.LOW: ("◆", "low"),
            Risk.HIGH: ("▲", "exposes more"),
        }
        return _together(*marks[Risk(change.risk)])

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request)
        return found.select_related("rollout", "author", "approver", "applier")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        is_allowed = may(actor_of(request), May.PROPOSE_CHANGE)
        exports = Rollout.objects.all() if is_allowed else ()
        context = {**(extra_context or {}), "exports": exports}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        change = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if change is not None:
            context |= _page_of(change)
            context["helps"] = acts_that_help(
                context["trouble"], change, self.act_buttons(request, change)
            )
            context["is_own"] = is_author(change, actor_of(request))
        return super().change_view(request, object_id, form_url, context)


def _together(mark: str, word: str) -> str:
    return format_html('<span class="nowrap">{} {}</span>', mark, word)


def _page_of(change: Change) -> dict[str, Any]:
    """Everything that the page of a change shows, in a fixed number of queries."""
    risk = Risk(change.risk)
    is_pending = change.state in PENDING
    preview = no_preview = None
    if is_pending:
        try:
            preview = previews.of_change(change)
        except Refusal as refusal:
            no_preview = refusal
    return {
        "proposal": change,
        "is_pending": is_pending,
        "means": _means(change),
        "needed": NEEDED[risk] if change.state == ChangeState.OPEN else "",
        "risk": str(risk),
        "edits": edits_for_display(change),
        "comments": change.comments.select_related("author"),
        "trouble": trouble_of(change) if is_pending else None,
        "preview": preview,
        "groups": alike(preview) if preview else [],
        "no_preview": no_preview,
    }


def _means(change: Change) -> str:
    """What its state means; who has said no, and why."""
    if change.state == ChangeState.REJECTED:
        said = lines_about(change).filter(verb=Verb.CHANGE_REJECTED).first()
        if said is not None:
            return (
                f"{said.actor_name} said no: {said.reason} Nothing was changed by it."
            )
    return MEANS[ChangeState(change.state)]
