"""The forms of what can be done with release gates."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from drills.domain import delegations
from drills.domain.release_gates import GATE_F
from drills.domain.signoffs import (
    LONGEST_NOTE,
    Said,
    Tick,
    Verdict,
)
from drills.domain.waivers import LONGEST
from drills.models import ReleaseGate
from portal import clock
from portal.admin.acts import ReasonForm
from portal.models import Person
from rollout.admin.fields import RolloutField

VERDICTS = {
    Verdict.PASS: "PASS: the requirements are met",
    Verdict.CHANGES_REQUIRED: "CHANGES REQUIRED: send it back, with what has to change",
}


class SignForm(ReasonForm):
    """The verdict, a tick and a note for each item of the rubric, and why."""

    template = "drills/sign_fields.html"

    verdict = forms.ChoiceField(
        choices=[(str(each), says) for each, says in VERDICTS.items()],
        widget=UnfoldAdminRadioSelectWidget(),
        error_messages={"required": "Choose one of the two."},
    )

    def __init__(self, *args: Any, subject: ReleaseGate, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        reason = self.fields["reason"]
        reason.label = "Your note"
        reason.help_text = "A part of the statement that you sign, kept for ever."
        reason.max_length = LONGEST_NOTE
        self.gate = subject.gate
        self.pointers = {"/note": "reason"}
        for number, item in enumerate(self.gate.rubric):
            tick, note = f"tick-{number}", f"note-{number}"
            self.fields[tick] = forms.BooleanField(
                label=item.says, required=False, widget=UnfoldBooleanWidget()
            )
            self.fields[note] = forms.CharField(
                label="Note",
                required=False,
                max_length=LONGEST_NOTE,
                widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "note"}),
            )
            self.pointers[f"/rubric/{item.key}"] = tick

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Each item of the rubric with its two fields."""
        return [
            {
                "item": item,
                "tick": self[f"tick-{number}"],
                "note": self[f"note-{number}"],
            }
            for number, item in enumerate(self.gate.rubric)
        ]

    @property
    def others(self) -> list[forms.BoundField]:
        """The fields that are about no item."""
        rubric = ("tick-", "note-")
        return [field for field in self if not field.name.startswith(rubric)]


def said_of(gate: ReleaseGate, data: dict[str, Any]) -> Said:
    """What the form says of a pack."""
    return Said(
        verdict=Verdict(data["verdict"]),
        ticks=tuple(
            Tick(
                item=item.key,
                is_ticked=bool(data[f"tick-{number}"]),
                note=data[f"note-{number}"],
            )
            for number, item in enumerate(gate.gate.rubric)
        ),
        note=data["reason"],
    )


class _Until(ReasonForm):
    """Something that ends by itself."""

    longest: timedelta

    until = forms.DateTimeField(
        widget=UnfoldAdminTextInputWidget(),
        error_messages={
            "invalid": "Write a moment as 2026-11-17 22:00, in UTC.",
            "required": "Say until when.",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["until"]
        field.help_text = f"In UTC; at most {self.longest.days} days from now."
        field.initial = f"{clock.now() + timedelta(days=7):%Y-%m-%d %H:%M}"
        self.pointers = {"/until": "until", "/requirement": "requirement"}

    def clean_until(self) -> datetime:
        found: datetime = self.cleaned_data["until"]
        return found.replace(tzinfo=UTC)


class WaiverForm(_Until):
    """Which requirement need not be met, and until when."""

    longest = LONGEST
    requirement = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    field_order = ["requirement", "until", "reason"]

    def __init__(self, *args: Any, subject: ReleaseGate, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.fields["requirement"].choices = [
            (each.key, each.title)
            for each in subject.gate.requirements
            if each.is_waivable
        ]


class DelegationForm(_Until):
    """To whom, and until when."""

    longest = delegations.LONGEST
    receiver = forms.ModelChoiceField(
        Person.objects.filter(is_active=True),
        label="To",
        to_field_name="username",
        empty_label="Choose somebody",
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["receiver", "until", "reason"]


class LaidOut(forms.JSONField):
    """JSON that people read, a member on each line."""

    def prepare_value(self, value: Any) -> Any:
        is_typed = isinstance(value, str)  # as somebody wrote it
        return value if is_typed else json.dumps(value, indent=2, ensure_ascii=False)


class GateForm(ReasonForm):
    """What a gate shall say, as JSON: it is proposed whole, and shown as it differs."""

    says = LaidOut(
        label="The gate",
        help_text="title, purpose, rubric (key, says) and requirements (key, item, "
        "title, threshold, source, of, is_waivable). A new gate begins as gate F does.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 24, "class": "mono"}),
        error_messages={"invalid": "This is no JSON."},
    )
    field_order = ["says", "reason"]

    def __init__(self, *args: Any, subject: ReleaseGate | None, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        gate = GATE_F if subject is None else subject.gate  # to begin from
        self.fields["says"].initial = gate.to_json()

    def refuse(self, refusal: Any) -> None:
        """Every place of the document that will not do, beside it."""
        self.add_error(None, str(refusal))
        for each in refusal.facts.get("errors") or []:
            self.add_error("says", f"{each['pointer']} {each['detail']}.")


class NewGateForm(GateForm):
    """Which gate of which rollout."""

    rollout = RolloutField()
    letter = forms.ChoiceField(
        choices=[(each, each) for each in "ABCDEF"], widget=UnfoldAdminSelectWidget()
    )
    field_order = ["rollout", "letter", "says", "reason"]
