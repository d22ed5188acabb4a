"""Trying a context on a flag's page: what would this run get, now or then, and why?"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from portal import clock
from portal.domain import strict_json
from portal.errors import Refusal
from rollout.admin.typed import LARGEST
from rollout.domain.flags import for_display
from rollout.domain.schemas import MODES
from rollout.domain.stages import ANY, SENSITIVITIES
from rollout.models import Flag
from rollout.services import explanations

NAMED = ("team", "mode", "query_class", "sensitivity", "environment")
KEYS = ("targetingKey", "run_id")
# Fields that may say anything, and the list of a plan that names what is known.
LISTED = {
    "team": "teams",
    "query_class": "query_classes",
    "environment": "environments",
}


def _text(label: str, hint: str = "", *, listed: str = "") -> forms.CharField:
    return forms.CharField(
        required=False,
        label=label,
        max_length=500,
        help_text=hint,
        widget=UnfoldAdminTextInputWidget(
            {"list": f"named-{listed}"} if listed else {}
        ),
    )


def _choice(label: str, options: tuple[str, ...]) -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False,
        label=label,
        choices=[("", "not said"), *((option, option) for option in options)],
        widget=UnfoldAdminSelectWidget(),
    )


class TryForm(forms.Form):
    """A context, and a moment."""

    team = _text("Team", listed="team")
    mode = _choice("Mode", MODES)
    query_class = _text("Query class", listed="query_class")
    sensitivity = _choice("Sensitivity", SENSITIVITIES)
    environment = _text("Environment", listed="environment")
    targetingKey = _text("targetingKey", "What sticks to its bucket; empty: the run.")
    run_id = _text("Run")
    more = forms.CharField(
        required=False,
        label="Further attributes, as JSON",
        widget=UnfoldAdminTextareaWidget({"rows": 2, "placeholder": '{"level": 3}'}),
    )
    at = forms.DateTimeField(
        required=False,
        label="At, in UTC",
        help_text="A moment that is past, such as 2026-11-17 14:05; empty: now.",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "now"}),
        error_messages={"invalid": "Write a moment as 2026-11-17 14:05, in UTC."},
    )

    def clean_more(self) -> dict[str, Any]:
        try:
            text = self.cleaned_data["more"] or "{}"
            found = strict_json.read(text.encode(), limit=LARGEST)
        except (Refusal, UnicodeEncodeError) as refusal:
            raise forms.ValidationError(str(refusal)) from None
        if not isinstance(found, dict):
            raise forms.ValidationError('Write an object, such as {"level": 3}.')
        return found

    def clean_at(self) -> Any:
        at = self.cleaned_data["at"]
        if at is not None and at > clock.now():
            raise forms.ValidationError(
                "Nobody knows yet what will decide then; write a moment that is past."
            )
        return at

    def asked(self) -> dict[str, Any]:
        """What a caller would have sent."""
        said = {name: self.cleaned_data[name] for name in (*NAMED, *KEYS)}
        given = {name: value for name, value in said.items() if value}
        return {**self.cleaned_data["more"], **given}


def tried(request: HttpRequest, flag: Flag) -> dict[str, Any]:
    """The form, and what the flag would be, if somebody has asked."""
    if "try" not in request.GET:
        return {"try_form": TryForm()}
    form = TryForm(request.GET)
    if not form.is_valid():
        return {"try_form": form}
    try:
        found = explanations.try_context(
            flag.rollout.key,
            form.asked(),
            at=form.cleaned_data["at"],
            flag=flag.key,
        )
    except Refusal as refusal:
        _refuse(form, refusal)
        return {"try_form": form}
    return {
        "try_form": form,
        "tried": found,
        "tried_value": for_display(found.answer.flags.get(flag.key)),
        "not_said": [
            form.fields[miss["respect"]].label
            for miss in found.answer.not_admitted
            if not miss["asked"]
        ],
    }


def named_in(stages: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the plans of a rollout's stages name, for fields that may say anything."""
    plans = [stage["plan"] for stage in stages.values()]
    return {
        field: sorted({each for plan in plans for each in plan[name]} - {ANY})
        for field, name in LISTED.items()
    }


def _refuse(form: TryForm, refusal: Refusal) -> None:
    errors = refusal.facts.get("errors")
    for error in errors if isinstance(errors, list) else []:
        name = error["pointer"].lstrip("/")
        form.add_error(name if name in form.fields else "more", error["detail"])
    if not errors:
        form.add_error("at", str(refusal))
