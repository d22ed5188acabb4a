"""The forms of runbooks: what one shall say, which to follow, what came of a step."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from drills.domain.incidents import LONGEST_NOTE
from drills.domain.runbooks import LONGEST_BODY, LONGEST_TITLE, Result
from drills.domain.scenarios import PLANS
from drills.models import (
    Drill,
    Incident,
    MatrixRow,
    OperatorRunbook,
    RunbookUse,
)
from drills.services import runbook_uses
from portal.admin.acts import ReasonForm

SHAPE = (
    "Markdown. The items of its numbered lists are steps; each begins with its kind: "
    "**Check:**, **Command:** (with the command as code), **Act:** (with a link to a "
    "page of the portal) or **Wait 60 s:**."
)


class RunbookForm(ReasonForm):
    """What a runbook shall say."""

    title = forms.CharField(
        max_length=LONGEST_TITLE, widget=UnfoldAdminTextInputWidget()
    )
    body = forms.CharField(
        label="Text",
        max_length=LONGEST_BODY,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 28, "class": "mono"}),
        help_text=SHAPE,
    )
    rows = forms.ModelMultipleChoiceField(
        MatrixRow.objects.all(),
        label="Rows of the matrix",
        required=False,
        to_field_name="key",
        widget=forms.CheckboxSelectMultiple(),
        help_text="Incidents of these rows lead to it.",
    )
    scenarios = forms.MultipleChoiceField(
        choices=[(str(each), plan.title) for each, plan in PLANS.items()],
        label="Drills",
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        help_text="The scenarios in which it is practised.",
    )
    field_order = ["title", "body", "rows", "scenarios", "reason"]

    def __init__(
        self, *args: Any, subject: OperatorRunbook | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {f"/{name}": name for name in self.field_order[:4]}
        if subject is not None:
            for name in self.field_order[:4]:
                self.fields[name].initial = getattr(subject, name)

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if not self.errors:
            said["runbook"] = {
                "title": said["title"],
                "body": said["body"],
                "rows": [row.key for row in said["rows"]],
                "scenarios": said["scenarios"],
            }
        return said


class NewRunbookForm(RunbookForm):
    """A runbook that is not there yet."""

    key = forms.CharField(
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Small letters, digits and hyphens, such as provider-outage.",
    )
    field_order = ["key", *RunbookForm.field_order]

    def __init__(self, *args: Any, subject: None = None, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {
            f"/{name}": name for name in ("key", *RunbookForm.field_order[:4])
        }


class FollowForm(ReasonForm):
    """Which runbook is followed; those that fit come first."""

    runbook = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    field_order = ["runbook", "reason"]

    def __init__(self, *args: Any, subject: Incident | Drill, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        found = list(OperatorRunbook.objects.filter(is_live=True))
        found.sort(key=lambda each: not fits(each, subject))
        self.fields["runbook"].choices = [(each.key, each.title) for each in found]


def fits(runbook: OperatorRunbook, subject: Incident | Drill) -> bool:
    """Whether a runbook is for this incident's row, or this drill's scenario."""
    if isinstance(subject, Drill):
        return subject.scenario in runbook.scenarios
    return subject.row is not None and subject.row.key in runbook.rows


class TickForm(ReasonForm):
    """What came of a step."""

    step = forms.TypedChoiceField(coerce=int, widget=UnfoldAdminSelectWidget())
    result = forms.ChoiceField(
        choices=[(str(each), str(each)) for each in Result],
        widget=UnfoldAdminSelectWidget(),
    )
    note = forms.CharField(
        required=False,
        max_length=LONGEST_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What was seen; needed unless the step was done.",
    )
    field_order = ["step", "result", "note", "reason"]

    def __init__(self, *args: Any, subject: RunbookUse, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {"/note": "note"}
        done = runbook_uses.results_of(subject)
        steps = sorted(subject.steps, key=lambda each: each["number"] in done)
        self.fields["step"].choices = [
            (each["number"], f"{each['number']} · {_first_line(each['text'])}")
            for each in steps
        ]


def _first_line(text: str) -> str:
    line = text.split("\n")[0].replace("**", "")
    return line if len(line) <= 100 else f"{line[:99]}…"
