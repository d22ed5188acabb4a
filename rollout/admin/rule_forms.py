"""The rules of a flag as a form: rows to fill, and always some to spare.

Nothing here needs a script: whoever asks what would happen gets fresh spare rows.
"""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import BoundField
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from rollout.admin.proposing import ProposalForm
from rollout.admin.typed import (
    LISTED,
    as_text,
    from_text,
    of_field,
    to_field,
    value_field,
    with_credentials,
)
from rollout.domain.flags import FlagSpec, without_credentials
from rollout.domain.operators import OPERATORS
from rollout.models import Flag
from rollout.services import configuration, flags

SPARE_RULES, SPARE_ROWS = 1, 2
MOST = 200
SEGMENT_OPERATORS = {"segment": "in the segment", "not_segment": "not in the segment"}
OPERATOR_CHOICES = [
    ("", "—"),
    *((name, name.replace("_", " ")) for name in OPERATORS),
    *SEGMENT_OPERATORS.items(),
]
_ROW = re.compile(r"rule-(\d{1,3})(?:-(condition|variant)-(\d{1,3}))?-\w+\Z")


class RulesForm(ProposalForm):
    """Every rule of a flag, in order; what is left blank is no rule."""

    template = "rollout/rule_fields.html"

    def __init__(self, *args: Any, subject: Flag, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.spec: FlagSpec = flags.spec_of(subject)
        self.known = configuration.read(subject.rollout)["flags"][subject.key]["rules"]
        shown = [] if self.is_bound else without_credentials(self.known)
        rows = _rows_in(self.data) if self.is_bound else _rows_of(shown)
        self.rules = [
            self._rule(number, *rows.get(number, (0, 0)), raw)
            for number, raw in enumerate(_padded(shown, len(rows) + SPARE_RULES))
        ]

    def _rule(
        self, number: int, conditions: int, variants: int, raw: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Add the fields of one rule; what the template shows of it."""
        raw = raw or {}
        name = f"rule-{number}"
        self.fields[f"{name}-order"] = forms.IntegerField(
            required=False,
            label="Place",
            initial=number + 1 if raw else None,
            widget=UnfoldAdminIntegerFieldWidget(),
        )
        self.fields[f"{name}-description"] = forms.CharField(
            required=False,
            label="Description",
            max_length=200,
            initial=raw.get("description"),
            widget=UnfoldAdminTextInputWidget(),
        )
        self.fields[f"{name}-percentage"] = _percentage(
            "Share of them, in percent", raw.get("percentage")
        )
        self.fields[f"{name}-value"] = self._value("Value", raw)
        self.fields[f"{name}-removed"] = forms.BooleanField(
            required=False, label="Take this rule out", widget=UnfoldBooleanSwitchWidget
        )
        given = _padded(raw.get("conditions", []), conditions + SPARE_ROWS)
        split = _padded(raw.get("variants", []), variants + SPARE_ROWS)
        return {
            "title": f"Rule {number + 1}" if raw or self.is_bound else "Another rule",
            "fields": [
                self[f"{name}-{each}"]
                for each in ("order", "description", "percentage", "value")
            ],
            "removed": self[f"{name}-removed"],
            "is_split": variants > 0,
            "conditions": [
                self._condition(f"{name}-condition-{row}", each or {})
                for row, each in enumerate(given)
            ],
            "variants": [
                self._variant(f"{name}-variant-{row}", each or {})
                for row, each in enumerate(split)
            ],
        }

    def _condition(self, name: str, raw: Mapping[str, Any]) -> list[BoundField]:
        is_segment = bool(raw.keys() & SEGMENT_OPERATORS.keys())
        operator = next(iter(raw)) if is_segment else raw.get("operator")
        operand = raw.get(operator) if is_segment else raw.get("value")
        self.fields[f"{name}-attribute"] = forms.CharField(
            required=False,
            label="Attribute",
            initial=raw.get("attribute"),
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "team"}),
        )
        self.fields[f"{name}-operator"] = forms.ChoiceField(
            required=False,
            label="Operator",
            choices=OPERATOR_CHOICES,
            initial=operator,
            widget=UnfoldAdminSelectWidget(),
        )
        self.fields[f"{name}-operand"] = forms.CharField(
            required=False,
            label="Value or segment",
            initial=as_text(operand) if raw else "",
            widget=UnfoldAdminTextInputWidget(),
        )
        return [self[f"{name}-{each}"] for each in ("attribute", "operator", "operand")]

    def _variant(self, name: str, raw: Mapping[str, Any]) -> list[BoundField]:
        self.fields[f"{name}-name"] = forms.CharField(
            required=False,
            label="Name",
            initial=raw.get("name"),
            max_length=60,
            widget=UnfoldAdminTextInputWidget(),
        )
        self.fields[f"{name}-value"] = self._value("Value", raw)
        self.fields[f"{name}-weight"] = _percentage("Weight, %", raw.get("weight"))
        return [self[f"{name}-{each}"] for each in ("name", "value", "weight")]

    def _value(self, label: str, raw: Mapping[str, Any]) -> forms.Field:
        field = value_field(self.spec, label=label)
        field.initial = to_field(self.spec, raw["value"]) if "value" in raw else ""
        return field

    # From what was said to the rules of a configuration

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        path = f"/flags/{self.spec.key}/rules"
        found = []
        for number in range(len(self.rules)):
            name = f"rule-{number}"
            if said.get(f"{name}-removed"):
                continue
            raw, places = self._rule_said(name)
            if raw is not None:
                order = said.get(f"{name}-order") or MOST + number
                found.append((order, number, raw, places))
        found.sort(key=lambda each: each[:2])
        for place, (_, _, _, places) in enumerate(found):
            for below, field in places.items():
                self.pointers[f"{path}/{place}{below}"] = field
        rules = [raw for _, _, raw, _ in found]
        said["rules"] = with_credentials(rules, self.known)
        return said

    def _rule_said(self, name: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """A rule, or None if all of it is blank; and the fields of its places."""
        said = self.cleaned_data
        places = {"": f"{name}-value"}
        for field in ("description", "percentage", "value"):
            places[f"/{field}"] = f"{name}-{field}"
        conditions = self._rows_said(f"{name}-condition", _condition_said)
        variants = self._rows_said(f"{name}-variant", self._variant_said)
        for kind, rows, last in (
            ("conditions", conditions, "operand"),
            ("variants", variants, "weight"),
        ):
            for place, (row, _) in enumerate(rows):
                places[f"/{kind}/{place}"] = f"{row}-{last}"
            if rows:
                places[f"/{kind}"] = f"{rows[0][0]}-{last}"
        value, share = said.get(f"{name}-value"), said.get(f"{name}-percentage")
        has_value = value not in ("", None)
        about = said.get(f"{name}-description", "")
        if not (conditions or variants or has_value or share is not None or about):
            return None, {}
        if has_value == bool(variants) and f"{name}-value" not in self.errors:
            self.add_error(
                f"{name}-value", "Say what they get: one value, or variants instead."
            )
        raw: dict[str, Any] = {
            "description": about,
            "conditions": [each for _, each in conditions],
            "percentage": None if share is None else float(share),
        }
        if variants:
            raw["variants"] = [each for _, each in variants]
        else:
            raw["value"] = of_field(self.spec, value)
        return raw, places

    def _rows_said(self, prefix: str, read: Any) -> list[tuple[str, dict[str, Any]]]:
        """The rows that are not blank, each with the name of its fields."""
        names = {
            name.rpartition("-")[0]: None
            for name in self.fields
            if name.startswith(f"{prefix}-")
        }
        found = []
        for row in names:
            fields = [name for name in self.fields if name.startswith(f"{row}-")]
            said = {f.rpartition("-")[2]: self.cleaned_data.get(f) for f in fields}
            if any(each not in ("", None) for each in said.values()):
                found.append((row, read(said)))
        return found

    def _variant_said(self, said: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": said["name"] or "",
            "value": of_field(self.spec, said["value"]),
            "weight": float(said["weight"] or 0),
        }


def _condition_said(said: Mapping[str, Any]) -> dict[str, Any]:
    operator, text = said["operator"], said["operand"] or ""
    if operator in SEGMENT_OPERATORS:
        return {operator: text}
    operand = from_text(text, is_list=operator in LISTED)
    return {
        "attribute": said["attribute"] or "",
        "operator": operator or "",
        "value": operand,
    }


def _percentage(label: str, value: Any) -> forms.DecimalField:
    return forms.DecimalField(
        required=False,
        label=label,
        min_value=0,
        max_value=100,
        decimal_places=2,
        initial=value,
        widget=UnfoldAdminDecimalFieldWidget(),
    )


def _padded(rows: list[Any], length: int) -> list[Any]:
    return [*rows, *[None] * (length - len(rows))]


def _rows_of(rules: list[Mapping[str, Any]]) -> dict[int, tuple[int, int]]:
    """Per rule, how many conditions and variants it has."""
    return {
        number: (len(rule["conditions"]), len(rule.get("variants", [])))
        for number, rule in enumerate(rules)
    }


def _rows_in(data: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
    """The same of what was sent, as far as it is filled in."""
    rows: dict[int, dict[str, int]] = {}
    for name, value in data.items():
        match = _ROW.match(name)
        if match is None or not value or int(match[1]) >= MOST:
            continue
        found = rows.setdefault(int(match[1]), {})
        if match[2]:
            found[match[2]] = max(found.get(match[2], 0), int(match[3]) + 1)
    last = max(rows, default=-1)
    return {
        number: (
            rows.get(number, {}).get("condition", 0),
            rows.get(number, {}).get("variant", 0),
        )
        for number in range(last + 1)
    }
