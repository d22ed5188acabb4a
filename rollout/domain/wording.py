"""Edits, rules and conditions in words, for people who decide whether they agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from rollout.domain.edits import ABSENT, Edit
from rollout.domain.flags import for_display, without_credentials
from rollout.domain.targeting import condition

_KINDS = {
    "flags": "Flag",
    "segments": "Segment",
    "stages": "Stage",
    "switch": "Switch",
}
_FIELDS = {
    "minimum": "smallest value",
    "maximum": "largest value",
    "options": "choices",
    "is_nullable": "may be none",
    "max_open_s": "longest open time, in seconds",
    "confirm_after_s": "failures count after, in seconds",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference: gone, new or as it was."""

    mark: str  # "-", "+" or " "
    text: str


@dataclass(frozen=True, slots=True)
class EditInWords:
    """Where something changes, and how; addresses are without their credentials."""

    path: str
    place: str
    lines: list[Line]


def in_words(edit: Edit) -> EditInWords:
    """An edit as people read it."""
    before, after = (
        [] if value is ABSENT else list(_lines(edit.parts, value))
        for value in (edit.before, edit.after)
    )
    return EditInWords(edit.path, place(edit.parts), list(_compared(before, after)))


def place(parts: list[str]) -> str:
    """A path in words: `Flag X: default`."""
    kind, *rest = parts
    named = _KINDS.get(kind, kind)
    if kind != "switch" and rest:
        named, rest = f"{named} {rest[0]}", rest[1:]
    said = ", ".join(field_in_words(name) for name in rest)
    return f"{named}: {said}" if said else named


def field_in_words(name: str) -> str:
    """The name of a field, for people; the key of a flag stays as it is."""
    return _FIELDS.get(name, name.replace("_", " ") if name.islower() else name)


def rule_in_words(rule: Mapping[str, Any]) -> str:
    """A rule of a configuration: for whom, how many of them, and what they get."""
    who = " and ".join(map(condition_in_words, rule["conditions"])) or "everybody"
    share = rule.get("percentage")
    of_them = "" if share is None else f", {share:g} % of them"
    named = f"{rule['description']}: " if rule.get("description") else ""
    if variants := rule.get("variants"):
        gets = ", ".join(
            f"{each['name']} = {for_display(each['value'])} ({each['weight']:g} %)"
            for each in variants
        )
    else:
        gets = for_display(rule.get("value"))
    return f"{named}{who}{of_them} → {gets}"


def condition_in_words(raw: Mapping[str, Any]) -> str:
    """A condition of a configuration."""
    named = {raw[name] for name in ("segment", "not_segment") if name in raw}
    shown = without_credentials(dict(raw))
    return str(condition(shown, segments=dict.fromkeys(named, ())))


def prerequisite_in_words(raw: Mapping[str, Any]) -> str:
    """A prerequisite of a configuration."""
    return f"{raw['flag']} is {' or '.join(map(for_display, raw['values']))}"


_ITEMS = {
    "rules": rule_in_words,
    "conditions": condition_in_words,
    "prerequisites": prerequisite_in_words,
}


def _lines(parts: list[str], value: Any) -> Iterator[str]:
    name = parts[-1]
    if isinstance(value, Mapping):
        for key, each in value.items():
            said = list(_lines([*parts, key], each))
            if len(said) == 1:
                yield f"{field_in_words(key)}: {said[0]}"
            else:
                yield from (f"{field_in_words(key)}: {line}" for line in said)
    elif isinstance(value, list):
        yield from map(_ITEMS.get(name, for_display), value)
    elif isinstance(value, str) and value:
        yield from for_display(value).splitlines()
    elif value != "":
        yield f"{value:g} %" if name == "coverage" else for_display(value)


def _compared(before: list[str], after: list[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            yield from (Line(" ", text) for text in before[i:j])
        else:
            yield from (Line("-", text) for text in before[i:j])
            yield from (Line("+", text) for text in after[k:m])
