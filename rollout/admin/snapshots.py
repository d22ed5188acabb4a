"""Everything that decides, revision by revision, and what differs between two."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from portal.admin.governed import GovernedAdmin
from portal.errors import Refusal
from rollout.admin.proposing import Proposal, ProposalForm, proposing
from rollout.domain.changes import Origin
from rollout.domain.compilation import configuration_in
from rollout.domain.flags import for_display, without_credentials
from rollout.domain.wording import condition_in_words, in_words, rule_in_words
from rollout.models import Snapshot
from rollout.services import configuration, proposals, snapshots


class CompareForm(forms.Form):
    """Two revisions."""

    old = forms.IntegerField(
        min_value=1, max_value=2**31, widget=UnfoldAdminIntegerFieldWidget()
    )
    new = forms.IntegerField(
        min_value=1, max_value=2**31, widget=UnfoldAdminIntegerFieldWidget()
    )


def _ask_restore(snapshot: Snapshot, said: dict[str, Any]) -> Proposal:
    return Proposal(
        rollout=snapshot.rollout,
        wanted=proposals.revision(snapshot.rollout, snapshot.revision),
        origin=Origin.RESTORE,
    )


@admin.register(Snapshot)
class SnapshotAdmin(GovernedAdmin):
    """Immutable; a rollback activates earlier content as a new revision."""

    list_display = [
        "rollout",
        "revision",
        "epoch",
        "created_at",
        "created_by",
        "reason",
    ]
    list_display_links = ["rollout", "revision"]
    list_filter = ["rollout"]
    search_fields = ["digest", "reason"]
    empty_says = "Nothing decides yet: there is no configuration."
    list_select_related = ["rollout", "created_by"]
    change_form_template = "rollout/snapshot.html"
    acts = (
        proposing(
            "restore",
            "Restore this revision",
            ProposalForm,
            _ask_restore,
            effects=lambda snapshot: [
                "The configuration becomes what it was in this revision: flags, rules, "
                "segments, plans and coverage.",
                "The switch and the states of the stages stay as they are now.",
            ],
        ),
    )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        snapshot = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if snapshot is not None:
            context |= _page_of(snapshot) | _comparison(request, snapshot)
        return super().change_view(request, object_id, form_url, context)


def _comparison(request: HttpRequest, snapshot: Snapshot) -> dict[str, Any]:
    """What two revisions differ in; by itself, this one and the one before it."""
    asked = {"old": max(1, snapshot.revision - 1), "new": snapshot.revision}
    is_asked = bool(request.GET.keys() & asked.keys())
    form = CompareForm(request.GET if is_asked else asked)
    context: dict[str, Any] = {"compare_form": form}
    if form.is_valid():
        old, new = form.cleaned_data["old"], form.cleaned_data["new"]
        context |= {"old": old, "new": new, "is_first": old == new and not is_asked}
        try:
            found = snapshots.compare(snapshot.rollout, old, new)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
        else:
            context["edits"] = [{"said": in_words(edit)} for edit in found]
    return context


def _page_of(snapshot: Snapshot) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    content = json.loads(snapshot.body)
    found = configuration_in(content, now=configuration.read(snapshot.rollout))
    return {
        "snapshot": snapshot,
        "is_active": snapshots.active(snapshot.rollout_id).pk == snapshot.pk,
        "made_by": snapshot.changes.select_related("author").first(),
        "switch": content["switch"],
        "stages": [
            {**stage, "coverage": found["stages"][stage["key"]]["coverage"]}
            for stage in content["stages"]
        ],
        "flags": [
            {
                "key": key,
                "default": for_display(raw["default"]),
                "rules": [rule_in_words(rule) for rule in raw["rules"]],
            }
            for key, raw in found["flags"].items()
        ],
        "segments": {
            key: [condition_in_words(each) for each in raw["conditions"]]
            for key, raw in found["segments"].items()
        },
        "content": json.dumps(
            without_credentials(content), indent=2, ensure_ascii=False
        ),
    }
