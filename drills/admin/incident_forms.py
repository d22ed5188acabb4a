"""The forms of what can be done with an incident."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from drills.domain.checklists import Finding
from drills.domain.incidents import LONGEST_NOTE, LONGEST_TITLE, Kind, Severity
from drills.domain.postmortems import LONGEST
from drills.domain.roles import IncidentRole
from drills.models import Incident, MatrixRow
from drills.services import links, postmortems
from portal.admin.acts import ReasonForm
from portal.domain.roles import GRANTS, May
from portal.models import Person
from rollout.admin.fields import RolloutField
from rollout.models import Stage

SEVERITIES = {
    Severity.CRITICAL: "critical: harm is done, or the web is exposed",
    Severity.HIGH: "high: nothing is exposed to more until it is resolved",
    Severity.MIDDLE: "middle: single runs suffer",
    Severity.LOW: "low: a nuisance",
}
MOMENT_ERRORS = {"invalid": "Write a moment as 2026-11-17 22:00, in UTC."}


def _moment(label: str, *, required: bool, help_text: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        required=required,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-17 22:00"}),
        help_text=help_text,
        error_messages={**MOMENT_ERRORS, "required": "Say when."},
    )


def _severity() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        choices=[(int(s), f"{int(s)} · {what}") for s, what in SEVERITIES.items()],
        coerce=lambda value: Severity(int(value)),
        widget=UnfoldAdminSelectWidget(),
    )


class PersonField(forms.ModelChoiceField):
    """Somebody who may work on incidents."""

    def __init__(self, **kwargs: Any) -> None:
        roles = [role for role, grants in GRANTS.items() if May.WORK_INCIDENT in grants]
        able = Person.objects.filter(
            is_active=True,
            role_grants__revoked_at=None,
            role_grants__role__in=roles,
        ).distinct()
        super().__init__(
            able,
            to_field_name="username",
            empty_label="Choose somebody",
            widget=UnfoldAdminSelectWidget(),
            **kwargs,
        )


class RowField(forms.ModelChoiceField):
    """A row, by what one sees."""

    def label_from_instance(self, row: MatrixRow) -> str:
        return row.symptom


def _row(**more: Any) -> RowField:
    return RowField(
        MatrixRow.objects.filter(is_live=True),
        label="What kind of trouble is it? (a row of the matrix)",
        to_field_name="key",
        widget=UnfoldAdminSelectWidget(),
        help_text="Its diagnosis steps become the checklist.",
        **more,
    )


class OpenForm(ReasonForm):
    """What somebody has noticed."""

    rollout = RolloutField(with_twins=True)
    title = forms.CharField(
        max_length=LONGEST_TITLE, widget=UnfoldAdminTextInputWidget()
    )
    severity = _severity()
    kind = forms.ChoiceField(
        choices=[
            (Kind.REAL, "real"),
            (Kind.DRILL, "a drill: never counts as real"),
            (Kind.TEST, "a test: never counts at all"),
        ],
        widget=UnfoldAdminSelectWidget(),
        help_text="Never changes afterwards.",
    )
    row = _row(required=False, empty_label="none fits")
    stage = forms.ModelChoiceField(
        Stage.objects.select_related("rollout"),
        to_field_name="key",
        required=False,
        empty_label="none in particular",
        widget=UnfoldAdminSelectWidget(),
    )
    began_at = _moment(
        "Since, in UTC", required=False, help_text="Empty: it begins now."
    )
    field_order = ["rollout", "title", "severity", "kind", "row", "stage", "began_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "What you have seen"
        self.initial.setdefault("severity", int(Severity.MIDDLE))
        self.pointers = {"/title": "title", "/began_at": "began_at"}


class ReachedForm(ReasonForm):
    """When it really was so."""

    at = _moment("At, in UTC", required=False, help_text="Empty: now.")
    field_order = ["at", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {"/at": "at"}


class NoteForm(ReasonForm):
    """A note is a reason that is longer."""

    reason = forms.CharField(
        label="Note",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        max_length=LONGEST_NOTE,
        help_text="Stands in the timeline for ever, with your name and the time.",
        error_messages={"required": "Write what you saw, did or decided."},
    )


class HandOverForm(ReasonForm):
    """Which role goes to whom."""

    role = forms.ChoiceField(
        choices=[(str(each), str(each)) for each in IncidentRole],
        widget=UnfoldAdminSelectWidget(),
    )
    person = PersonField()
    field_order = ["role", "person", "reason"]


class SeverityForm(ReasonForm):
    """How bad it is after all."""

    severity = _severity()
    field_order = ["severity", "reason"]

    def __init__(self, *args: Any, subject: Incident, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.initial["severity"] = int(subject.severity)


class RowForm(ReasonForm):
    """Which row of the matrix it is."""

    row = _row(empty_label="Choose a row")
    field_order = ["row", "reason"]


class LinkForm(ReasonForm):
    """What else it is about."""

    what = forms.ChoiceField(
        choices=[(each, each) for each in links.LINKABLE],
        widget=UnfoldAdminSelectWidget(),
    )
    name = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text="A run by its name, anything else by its number.",
    )
    field_order = ["what", "name", "reason"]


class StepForm(ReasonForm):
    """What a diagnosis step has shown."""

    step = forms.TypedChoiceField(coerce=int, widget=UnfoldAdminSelectWidget())
    finding = forms.ChoiceField(
        choices=[
            ("", "Choose"),
            (Finding.FOUND, "found something"),
            (Finding.NOT_FOUND, "found nothing"),
            (Finding.COULD_NOT_LOOK, "could not look"),
        ],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["step", "finding", "reason"]

    def __init__(self, *args: Any, subject: Incident, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.fields["reason"].label = "What you found"
        self.fields["reason"].error_messages["required"] = "Say what you found."
        looked_at = set(subject.results.values_list("number", flat=True))
        numbers = range(1, len(subject.steps) + 1)
        self.initial["step"] = next((n for n in numbers if n not in looked_at), 1)
        self.fields["step"].choices = [
            (number, f"{number} · {step}")
            for number, step in enumerate(subject.steps, start=1)
        ]


class TaskForm(ReasonForm):
    """What somebody has to do, by when."""

    title = forms.CharField(
        label="What has to be done",
        max_length=LONGEST_TITLE,
        widget=UnfoldAdminTextInputWidget(),
    )
    owner = PersonField()
    due_at = _moment("By, in UTC", required=True, help_text="Such as 2026-11-17 22:00.")
    is_required = forms.BooleanField(
        label="The incident cannot be closed before",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
    )
    field_order = ["title", "owner", "due_at", "is_required", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {"/title": "title", "/owner": "owner", "/due_at": "due_at"}


class PostmortemForm(ReasonForm):
    """The whole text, as it is now."""

    text = forms.CharField(
        label="Postmortem, in Markdown",
        max_length=LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 30}),
    )
    field_order = ["text", "reason"]

    def __init__(self, *args: Any, subject: Incident, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.fields["reason"].label = "What you have changed"
        self.pointers = {"/text": "text"}
        known = postmortems.of(subject)
        if known is not None:
            self.fields["text"].initial = known.text
