"""What can be said about a change: other edits, a time to come, a whole document."""

import json
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from portal.admin.acts import ReasonForm
from portal.domain import strict_json
from portal.errors import Refusal
from rollout.admin.fields import RolloutField
from rollout.admin.proposing import ProposalForm
from rollout.admin.typed import as_text, from_text, with_credentials
from rollout.domain.edits import ABSENT, Edit
from rollout.domain.flags import without_credentials
from rollout.domain.wording import in_words
from rollout.models import Change
from rollout.services import proposals


class EditsForm(ReasonForm):
    """What each edit of a change leads to, as JSON, and whether it stays in."""

    def __init__(self, *args: Any, subject: Change, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.edits = proposals.edits_of(subject)
        rows: dict[str, forms.Field] = {}
        for number, edit in enumerate(self.edits):
            named = in_words(edit).place
            if edit.after is not ABSENT:
                name = f"after-{number}"
                rows[name] = _after_field(edit, label=named)
                self.pointers[edit.path] = name
            rows[f"drop-{number}"] = forms.BooleanField(
                label=f"Leave this out: {named}",
                required=False,
                widget=UnfoldBooleanSwitchWidget(),
            )
        self.fields = {**rows, **self.fields}

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        said["edits"] = [
            Edit(edit.path, edit.before, self._after(number, edit))
            for number, edit in enumerate(self.edits)
            if not said.get(f"drop-{number}")
        ]
        return said

    def _after(self, number: int, edit: Edit) -> Any:
        if edit.after is ABSENT:
            return ABSENT
        name = f"after-{number}"
        text = self.cleaned_data.get(name, "")
        if isinstance(edit.after, dict | list):
            try:
                typed = strict_json.read(
                    text.encode(), limit=settings.MAX_DOCUMENT_BYTES
                )
            except Refusal as refusal:
                self.add_error(name, str(refusal))
                return edit.after
        else:
            typed = from_text(text)
        return with_credentials(typed, [edit.before, edit.after])


def _after_field(edit: Edit, *, label: str) -> forms.CharField:
    after = without_credentials(edit.after)
    if isinstance(after, dict | list):
        return forms.CharField(
            label=label,
            initial=json.dumps(after, indent=2, ensure_ascii=False),
            widget=UnfoldAdminTextareaWidget({"rows": 8, "class": "mono"}),
        )
    return forms.CharField(
        label=label,
        required=False,
        initial=as_text(after),
        widget=UnfoldAdminTextInputWidget(),
    )


class WhenForm(ReasonForm):
    """A time to come."""

    at = forms.DateTimeField(
        label="At, in UTC",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-17 22:00"}),
        help_text="Such as 2026-11-17 22:00, before the proposal expires.",
        error_messages={
            "invalid": "Write a moment as 2026-11-17 22:00, in UTC.",
            "required": "Say when.",
        },
    )
    field_order = ["at", "reason"]

    def __init__(self, *args: Any, subject: Change, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {"/at": "at"}


class ImportForm(ProposalForm):
    """A whole configuration, from a file or pasted."""

    rollout = RolloutField(with_twins=True)
    file = forms.FileField(required=False, widget=UnfoldAdminFileFieldWidget())
    document = forms.CharField(
        label="Or the document itself",
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 12}),
        help_text="configuration.v1, as it was exported. A file goes before this.",
    )
    field_order = ["rollout", "file", "document", "waits", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {"": "document"}

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if (file := said.get("file")) is not None:
            if file.size > settings.MAX_DOCUMENT_BYTES:
                raise forms.ValidationError("This file is too large.")
            # The last click sends the form once more, and browsers send no file twice.
            try:
                said["document"] = file.read().decode()
            except UnicodeDecodeError:
                raise forms.ValidationError("This file is not UTF-8 text.") from None
            self.data = self.data.copy()
            self.data["document"] = said["document"]
        if not said.get("document"):
            self.add_error("document", "Choose a file, or paste a configuration.")
        return said
