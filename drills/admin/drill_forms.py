"""The forms of what can be done with drills."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from drills.domain.drills import LONGEST_TEXT
from drills.domain.hand_logs import Logged
from drills.domain.scenarios import CHECKLIST, PLANS
from drills.models import Drill
from portal.admin.acts import ReasonForm
from rollout.admin.fields import RolloutField
from rollout.models import RolloutKind, Stage

STEPS = 8  # of the form; the API takes more
MOST_FILES = 50


def _scenario() -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[(str(name), plan.title) for name, plan in PLANS.items()],
        widget=UnfoldAdminSelectWidget(),
    )


def _stage() -> forms.ModelChoiceField:
    live = Stage.objects.filter(rollout__kind=RolloutKind.LIVE)
    return forms.ModelChoiceField(
        live.select_related("rollout"),
        required=False,
        empty_label="the open one, or else the first",
        widget=UnfoldAdminSelectWidget(),
    )


def _moment(label: str, *, required: bool = True) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        required=required,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-17 22:00:00"}),
        error_messages={
            "invalid": "Write a moment as 2026-11-17 22:00:00, in UTC.",
            "required": "Say when.",
        },
    )


class StartForm(ReasonForm):
    """Of which rollout, and for which stage."""

    rollout = RolloutField()
    stage = _stage()
    field_order = ["rollout", "stage", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].initial = "Practice."


class ObservationForm(ReasonForm):
    """What somebody has seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "What you have seen"


class ChecklistForm(ReasonForm):
    """The answer to one item of the postmortem checklist."""

    item = forms.ChoiceField(
        choices=list(CHECKLIST.items()), widget=UnfoldAdminSelectWidget()
    )
    field_order = ["item", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "Your answer"


class ManyFilesInput(forms.ClearableFileInput):
    """Takes several files at once."""

    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Some files; each is checked by itself."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > MOST_FILES:
            raise forms.ValidationError(f"At most {MOST_FILES} files at once.")
        if not given and self.required:
            raise forms.ValidationError(self.error_messages["required"])
        return [super(ManyFilesField, self).clean(each, initial) for each in given]


def _files(*, required: bool) -> ManyFilesField:
    return ManyFilesField(
        label="Captured artifacts",
        required=required,
        help_text="Each is scanned; without any the drill does not count.",
        error_messages={"required": "Choose the files that were captured."},
    )


class AttachForm(ReasonForm):
    """Artifacts that were captured by hand."""

    files = _files(required=True)
    field_order = ["files", "reason"]


class ScheduleForm(ReasonForm):
    """How often a scenario is practised."""

    rollout = RolloutField()
    scenario = _scenario()
    every_days = forms.IntegerField(
        label="Every so many days",
        min_value=1,
        max_value=366,
        initial=21,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="A drill counts for 30 days.",
    )
    starts_by_itself = forms.BooleanField(
        label="Start it when it is due",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Else people are reminded. It takes an observer in any case.",
    )
    field_order = ["rollout", "scenario", "every_days", "starts_by_itself", "reason"]


class LogForm(ReasonForm):
    """A drill that was conducted by hand: its steps, times and artifacts."""

    template = "drills/log_fields.html"

    rollout = RolloutField()
    scenario = _scenario()
    stage = _stage()
    environment = forms.CharField(
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Where it was conducted; it counts in that environment only.",
    )
    started_at = _moment("Began, in UTC")
    ended_at = _moment("Ended, in UTC")
    files = _files(required=False)
    field_order = [
        *("rollout", "scenario", "stage", "environment", "started_at", "ended_at"),
        *("files", "reason"),
    ]

    def __init__(self, *args: Any, subject: Drill | None = None, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.fields["environment"].initial = settings.ENVIRONMENT
        for number in range(1, STEPS + 1):
            for name, label in (
                ("does", "What was done"),
                ("expects", "Expected"),
                ("actual", "Actual"),
            ):
                self.fields[f"{name}_{number}"] = forms.CharField(
                    label=f"{label} (step {number})",
                    required=False,
                    max_length=LONGEST_TEXT,
                    widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
                )
            self.fields[f"from_{number}"] = _moment(
                f"From (step {number})", required=False
            )
            self.fields[f"to_{number}"] = _moment(f"To (step {number})", required=False)
            self.fields[f"went_{number}"] = forms.BooleanField(
                label=f"As expected (step {number})", required=False
            )
        self.pointers = {"/started_at": "started_at", "/ended_at": "ended_at"}
        self.pointers |= {"/scenario": "scenario"}
        self.pointers |= {f"/steps/{n}": f"does_{n + 1}" for n in range(STEPS)}

    @property
    def plain_fields(self) -> list[Any]:
        """What is asked once."""
        return [self[name] for name in self.fields if not name[-1].isdigit()]

    @property
    def step_rows(self) -> list[dict[str, Any]]:
        """What is asked for each step."""
        names = ("does", "expects", "actual", "went", "from", "to")
        return [
            {"number": n, "fields": [self[f"{name}_{n}"] for name in names]}
            for n in range(1, STEPS + 1)
        ]

    def clean(self) -> dict[str, Any]:
        """The steps that were filled in, each with every answer."""
        said = super().clean()
        steps = []
        for number in range(1, STEPS + 1):
            texts = [said.get(f"{name}_{number}") for name in _TEXTS]
            if not any(texts):
                continue
            times = [said.get(f"{name}_{number}") for name in ("from", "to")]
            if not all(texts) or not all(times):
                self.add_error(
                    f"does_{number}", "Say what was done, expected, seen, and when."
                )
                continue
            does, expects, actual = map(str, texts)
            began, ended = (_utc(time) for time in times)
            steps.append(
                Logged(
                    does=does,
                    expects=expects,
                    actual=actual,
                    is_as_expected=bool(said.get(f"went_{number}")),
                    started_at=began,
                    ended_at=ended,
                )
            )
        return {**said, "steps": steps}


_TEXTS = ("does", "expects", "actual")


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
