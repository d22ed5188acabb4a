"""Values as people type them: a word is a text, `4` a number, `true` a switch."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal.domain import strict_json
from portal.errors import Refusal
from rollout.domain.flags import FlagSpec, FlagType, for_display

LISTED = ("in", "not_in", "in_network")  # operators that take a list
LARGEST = 64 * 1024  # bytes of JSON in one field
NONE = "none"  # as a choice; a value of its own only where a flag can have none


def as_text(value: Any) -> str:
    """A value in the field of a form; `from_text` reads it back."""
    if isinstance(value, list):
        items = [as_text(each) for each in value]
        is_plain = all(item and "," not in item for item in items)
        return ", ".join(items) if is_plain else json.dumps(value)
    if not isinstance(value, str):
        return json.dumps(value)
    is_read_back = value == value.strip() and _is_text(value)
    return value if is_read_back else json.dumps(value)


def from_text(text: str, *, is_list: bool = False) -> Any:
    """What somebody typed: JSON where it is JSON, else the words themselves."""
    text = text.strip()
    try:
        value = strict_json.read(text.encode(), limit=LARGEST)
    except (Refusal, UnicodeEncodeError):
        value = text
    if is_list and not isinstance(value, list):
        return [from_text(each) for each in text.split(",") if each.strip()]
    return value


def _is_text(text: str) -> bool:
    try:
        strict_json.read(text.encode(), limit=LARGEST)
    except (Refusal, UnicodeEncodeError):
        return not text.startswith("[")
    return False


def value_field(spec: FlagSpec, *, label: str, required: bool = False) -> forms.Field:
    """A field for a value of this flag: a choice, a number within its clamp, a text."""
    none = [(NONE, "none")] if spec.is_nullable else []
    if spec.type in (FlagType.BOOL, FlagType.ENUM):
        options = spec.options or ("true", "false")
        return forms.ChoiceField(
            choices=[("", "—"), *((o, o) for o in options), *none],
            required=required,
            widget=UnfoldAdminSelectWidget(),
            label=label,
        )
    if spec.type == FlagType.INTEGER and not none:
        return forms.IntegerField(
            min_value=spec.minimum,
            max_value=spec.maximum,
            required=required,
            widget=UnfoldAdminIntegerFieldWidget(),
            label=label,
            help_text=_clamp_in_words(spec),
        )
    return forms.CharField(
        required=required,
        widget=UnfoldAdminTextInputWidget(),
        label=label,
        help_text="Write null for none." if none else "",
    )


def _clamp_in_words(spec: FlagSpec) -> str:
    low, high = spec.minimum, spec.maximum
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"From {low} on." if high is None else f"At most {high}."
    return f"From {low} to {high}."


def to_field(spec: FlagSpec, value: Any) -> Any:
    """A value as the flag's field shows it: addresses without their credentials."""
    if spec.type in (FlagType.BOOL, FlagType.ENUM):
        return for_display(value)
    return (
        "null" if value is None else value if type(value) is int else for_display(value)
    )


def of_field(spec: FlagSpec, said: Any) -> Any:
    """The value that the flag's field stands for."""
    if spec.type == FlagType.BOOL:
        return {"true": True, "false": False}.get(said)
    if spec.type == FlagType.ENUM:
        return None if said == NONE and spec.is_nullable else said
    if spec.is_nullable and said in ("null", ""):
        return None
    if spec.type == FlagType.INTEGER and isinstance(said, str):
        return from_text(said)
    return said


def with_credentials(typed: Any, known: Any) -> Any:
    """`typed`, where an address that was shown without its credentials gets them back.

    `known` is what the form was filled from.
    """
    secret = {for_display(text): text for text in _texts(known) if "://" in text}
    return _replaced(typed, secret)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        inside: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for each in inside:
            yield from _texts(each)


def _replaced(value: Any, secret: dict[str, str]) -> Any:
    if isinstance(value, str):
        return secret.get(value, value)
    if isinstance(value, list):
        return [_replaced(each, secret) for each in value]
    if isinstance(value, dict):
        return {key: _replaced(each, secret) for key, each in value.items()}
    return value
