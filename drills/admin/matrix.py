"""The response matrix: read it, and propose to change it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from drills.domain.incidents import Severity
from drills.models import MatrixRow
from drills.services import matrix, runbooks
from portal.admin.acts import Act, Basis, Done, ReasonForm, Shown
from portal.admin.governed import GovernedAdmin
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May
from portal.models import Actor, Approval

FIELDS = {
    "symptom": "Symptom",
    "severity": "Severity",
    "matches": "Recognised by",
    "diagnosis": "Diagnosis",
    "rollback_trigger": "Rollback trigger",
    "fallback_action": "Fallback action",
    "artifacts": "Artifacts",
}


def _field(name: str) -> str:
    """What the form calls a property of a row."""
    return "signs" if name == "matches" else name


def _lines(label: str, help_text: str, *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )


def _text(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class RowForm(ReasonForm):
    """What a row shall say, one line for each item of a list."""

    symptom = _text("Symptom")
    severity = forms.TypedChoiceField(
        choices=[(int(each), str(int(each))) for each in Severity],
        coerce=int,
        widget=UnfoldAdminSelectWidget(),
        help_text="1 is the worst.",
    )
    # No field may be called as something that each element of a page can do: scripts
    # that ask the form whether it `matches` would get the field instead.
    signs = _lines(
        "Recognised by",
        "One sign a line, such as timed_out; with a gate: hard_gate_failed B.",
        required=False,
    )
    diagnosis = _lines("Diagnosis", "One step a line; they become the checklist.")
    rollback_trigger = _text("Rollback trigger")
    fallback_action = _text("Fallback action")
    artifacts = _lines("Artifacts", "One path a line, as runs name them.")
    field_order = [*map(_field, FIELDS), "reason"]

    def __init__(self, *args: Any, subject: MatrixRow | None, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {f"/{name}": _field(name) for name in FIELDS}
        if subject is not None:
            for name in FIELDS:
                self.fields[_field(name)].initial = _as_typed(getattr(subject, name))

    def row(self) -> dict[str, Any]:
        """The row as a proposal has it."""
        said = self.cleaned_data
        return {
            **{name: said[name] for name in ("symptom", "severity")},
            **{name: said[name] for name in ("rollback_trigger", "fallback_action")},
            **{name: _split(said[name]) for name in ("diagnosis", "artifacts")},
            "matches": [_match(line) for line in _split(said["signs"])],
        }

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if not self.errors:
            said["row"] = self.row()
        return said


class NewRowForm(RowForm):
    """A row that is not there yet."""

    key = forms.CharField(
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Small letters, digits and hyphens, such as sources-blocked.",
    )
    field_order = ["key", *RowForm.field_order]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers |= {"/key": "key"}


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _match(line: str) -> dict[str, str]:
    sign, _, gate = line.partition(" ")
    return {"sign": sign, "gate": gate.strip()}


def _as_typed(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return "\n".join(
        f"{each['sign']} {each['gate']}".strip() if isinstance(each, dict) else each
        for each in value
    )


def _propose(row: MatrixRow | None, actor: Actor, said: dict[str, Any]) -> Done:
    key = row.key if row is not None else said["key"]
    asked = matrix.propose(key, said["row"], by=actor, reason=said["reason"])
    page = reverse("admin:drills_matrixrow_change", args=[asked.subject_id])
    return Done("Proposed; another person approves it under Approvals.", page)


def _retire(row: MatrixRow, actor: Actor, said: dict[str, Any]) -> str:
    matrix.propose_retirement(row.key, by=actor, reason=said["reason"])
    return "Proposed; another person approves it under Approvals."


NOTHING_YET = "Nothing changes until another person has approved it."


def _differences(row: MatrixRow, payload: dict[str, Any]) -> list[dict[str, str]]:
    """What a proposal would change, field by field."""
    wanted = payload.get("row", {})
    return [
        {
            "field": title,
            "old": str(_as_typed(getattr(row, name))) if row.version else "",
            "new": str(_as_typed(wanted[name])),
        }
        for name, title in FIELDS.items()
        if name in wanted and (not row.version or wanted[name] != getattr(row, name))
    ]


@admin.register(MatrixRow)
class MatrixRowAdmin(GovernedAdmin):
    """From a symptom to diagnosis, trigger, action and artifacts."""

    list_display = ["key", "shown_standing", "symptom", "severity", "recognised_by"]
    list_filter = ["is_live", "severity"]
    search_fields = ["key", "symptom", "fallback_action"]
    sortable_by = ()
    change_form_template = "drills/matrix_row.html"
    empty_says = "The matrix is empty; `manage.py seed_baseline` makes what ships."
    acts = (
        Act(
            name="propose_new",
            title="Propose a new row",
            may=May.PROPOSE_CHANGE,
            perform=_propose,
            form=NewRowForm,
            is_on_list=True,
            effects=lambda _: [NOTHING_YET],
        ),
        Act(
            name="propose",
            title="Propose a change",
            may=May.PROPOSE_CHANGE,
            perform=_propose,
            form=RowForm,
            effects=lambda row: [
                NOTHING_YET,
                "Incidents that are open keep the steps that they began with.",
            ],
            basis=Basis(
                mark=lambda row: str(row.version),
                since=lambda row, mark: Shown("drills/row_since.html", {"row": row}),
            ),
        ),
        Act(
            name="propose_retirement",
            title="Propose to retire it",
            may=May.PROPOSE_CHANGE,
            perform=_retire,
            is_dangerous=True,
            hidden=lambda row, actor: not row.is_live,
            effects=lambda row: [NOTHING_YET, "Then it matches nothing any more."],
        ),
    )

    @admin.display(description="standing")
    def shown_standing(self, row: MatrixRow) -> str:
        if row.is_live:
            said = f"✓ version {row.version}"
        else:
            said = "retired" if row.version else "… proposed"
        return format_html('<span class="nowrap">{}</span>', said)

    @admin.display(description="recognised by")
    def recognised_by(self, row: MatrixRow) -> str:
        return str(_as_typed(row.matches)).replace("\n", ", ") or "by people only"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_page_of(row) if row else {})}
        return super().change_view(request, object_id, form_url, context)


def _page_of(row: MatrixRow) -> dict[str, Any]:
    pending = Approval.objects.filter(
        subject_type=row._meta.label_lower,
        subject_id=str(row.pk),
        state=ApprovalState.PENDING,
    ).select_related("requester")
    return {
        "row": row,
        "matches": str(_as_typed(row.matches)).splitlines(),
        "pending": [
            {"approval": each, "differences": _differences(row, each.payload)}
            for each in pending
        ],
        "runbooks": runbooks.for_row(row.key),
        "incidents": row.incidents.order_by("is_over", "-pk")[:20],
    }
