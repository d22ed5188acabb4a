"""The exact difference between two configurations, and carrying it out elsewhere.

An edit is at one place, named by a JSON Pointer: a field of a flag or a trigger, a
whole segment, a stage's coverage or one field of its plan; or a whole flag or trigger
that is new or gone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import jsonpatch

from portal.domain.canonical import digest_of
from portal.domain.strict_json import escaped
from portal.errors import Conflict, Invalid
from rollout.domain.configuration import Configuration
from rollout.domain.flags import without_credentials


class _Absent:
    """What stands in an edit where there is nothing before or after."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Edit:
    """At `path` there was `before`, and there will be `after`."""

    path: str
    before: Any = ABSENT
    after: Any = ABSENT

    def to_json(self) -> dict[str, Any]:
        """As it is stored and hashed; what is absent has no member."""
        said = {"before": self.before, "after": self.after}
        there = {name: each for name, each in said.items() if each is not ABSENT}
        return {"path": self.path, **there}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Edit":
        """The edit from its stored form."""
        return cls(**raw)

    @property
    def parts(self) -> list[str]:
        """The steps of the path."""
        steps = self.path.split("/")[1:]
        return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def difference(old: Configuration, new: Configuration) -> list[Edit]:
    """Every place where the two differ, in the order of the paths."""
    found = [
        *_by_field("/flags", old["flags"], new["flags"]),
        *compared("/segments", old["segments"], new["segments"]),
        *_of_stages(old["stages"], new["stages"]),
        *_by_field("/triggers", old["triggers"], new["triggers"]),
    ]
    return sorted(found, key=lambda edit: edit.path)


def compared(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Edit]:
    """The members of two objects at `path` that are not the same."""
    for key in old.keys() | new.keys():
        before, after = old.get(key, ABSENT), new.get(key, ABSENT)
        if not _is_same(before, after):
            yield Edit(f"{path}/{escaped(key)}", before, after)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same (1 is True for Python, not for a flag)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _is_same(each, other[key]) for key, each in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _by_field(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Edit]:
    for edit in compared(path, old, new):
        if ABSENT in (edit.before, edit.after):
            yield edit
        else:
            yield from compared(edit.path, edit.before, edit.after)


def _of_stages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Edit]:
    if old.keys() != new.keys():
        raise Invalid(
            "A rollout's stages are fixed when it is made; a change edits their plans.",
            code="STAGES_ARE_FIXED",
            errors=[
                {"pointer": f"/stages/{key}", "detail": "is new or gone"}
                for key in sorted(old.keys() ^ new.keys())
            ],
        )
    for edit in _by_field("/stages", old, new):
        if edit.path.endswith("/plan"):
            yield from compared(edit.path, edit.before, edit.after)
        else:
            yield edit


MOST_OPERATIONS = 500
# A document can be doubled by copying it into itself, again and again.
OPERATIONS = ("add", "remove", "replace", "test")


def patched(configuration: Configuration, patch: Sequence[Mapping[str, Any]]) -> Any:
    """A configuration with a JSON Patch (RFC 6902) carried out on it.

    Raises `Invalid` (PATCH_INVALID) when the patch is none or does not fit. Values are
    added, removed, replaced and tested; nothing is copied or moved.
    """
    if len(patch) > MOST_OPERATIONS:
        raise _no_patch(f"it has more than {MOST_OPERATIONS} operations")
    for number, operation in enumerate(patch):
        said = operation.get("op") if isinstance(operation, Mapping) else None
        if said not in OPERATIONS:
            raise _no_patch(f"operation {number} is none of {', '.join(OPERATIONS)}")
    try:
        return jsonpatch.apply_patch(deepcopy(dict(configuration)), list(patch))
    except (
        jsonpatch.JsonPatchException,
        jsonpatch.JsonPointerException,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise _no_patch(str(error)) from None


def _no_patch(trouble: str) -> Invalid:
    return Invalid(
        f"This JSON Patch cannot be carried out: {trouble[:300]}.",
        code="PATCH_INVALID",
        errors=[{"pointer": "/patch", "detail": trouble[:300]}],
    )


def conflicts(
    configuration: Configuration, edits: Iterable[Edit]
) -> list[dict[str, Any]]:
    """The edits whose `before` is not what is there now: `{path, expected, found}`."""
    found = []
    for edit in edits:
        there = _at(configuration, edit.parts)
        if not _is_same(there, edit.before):
            found.append(
                {
                    "path": edit.path,
                    "expected": _shown(edit.before),
                    "found": _shown(there),
                }
            )
    return found


def _shown(value: Any) -> Any:
    return None if value is ABSENT else without_credentials(value)


def carried_out(configuration: Configuration, edits: Iterable[Edit]) -> Any:
    """The configuration with these edits; `Conflict` when one of them does not fit."""
    edits = list(edits)
    if misfits := conflicts(configuration, edits):
        raise Conflict(
            "What this edits is no longer what it was: "
            + ", ".join(each["path"] for each in misfits)
            + ".",
            code="CHANGE_CONFLICT",
            conflicts=misfits,
        )
    result = deepcopy(dict(configuration))
    for edit in edits:
        *steps, last = edit.parts
        place = result
        for step in steps:
            place = place[step]
        if edit.after is ABSENT:
            del place[last]
        else:
            place[last] = deepcopy(edit.after)
    return result


def forced(configuration: Configuration, edits: Iterable[Edit]) -> Any:
    """The configuration with these edits, whatever was there before them.

    Raises `Conflict` (CHANGE_CONFLICT) when there is no such place any more.
    """
    edits = list(edits)
    if gone := [e.path for e in edits if _at(configuration, e.parts[:-1]) is ABSENT]:
        raise Conflict(
            f"What this edits is not there any more: {', '.join(gone)}.",
            code="CHANGE_CONFLICT",
            conflicts=[{"path": path} for path in gone],
        )
    return carried_out(
        configuration,
        [Edit(e.path, _at(configuration, e.parts), e.after) for e in edits],
    )


def _at(configuration: Any, parts: Sequence[str]) -> Any:
    place = configuration
    for part in parts:
        if not isinstance(place, Mapping) or part not in place:
            return ABSENT
        place = place[part]
    return place


def digest(edits: Iterable[Edit], *, base: str) -> str:
    """What an approval is bound to: the edits and the digest of what they rest on."""
    return digest_of({"base": base, "edits": [edit.to_json() for edit in edits]})
