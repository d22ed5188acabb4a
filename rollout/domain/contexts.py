"""What a caller knows about a run, and whether it can be taken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.domain.canonical import digest_of
from portal.errors import Invalid

LONGEST_ATTRIBUTE = 500
LONGEST_RUN_ID = 200
MOST_ATTRIBUTES = 50
# As the manifest's schema has it; a dot alone is lost from a path on its way.
RUN_ID = re.compile(r"^(?!\.$)(?!.*\.\.)[^/\\\s]+$")


@dataclass(frozen=True, slots=True)
class Context:
    """What a caller knows about a run.

    `is_final` is not the caller's: the portal adds it when it knows that the run has
    ended. `extra` are further attributes that rules can look at.
    """

    run_id: str
    targeting_key: str = ""
    team: str | None = None
    mode: str | None = None
    query_class: str | None = None
    sensitivity: str | None = None
    environment: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_final: bool = False

    @property
    def unit(self) -> str:
        """What sticks to its bucket: `targetingKey`, by default the run."""
        return self.targeting_key or self.run_id

    @property
    def is_no_web(self) -> bool:
        """Whether the run may not touch the web, whatever the stage allows."""
        return self.sensitivity == "no_web"

    def asked(self) -> dict[str, Any]:
        """What the caller said, in one form."""
        named = {name: getattr(self, name) for name in _NAMED}
        keys = {"run_id": self.run_id, "targetingKey": self.unit}
        said = {k: v for k, v in named.items() if v is not None}
        return {**self.extra, **said, **keys}

    @property
    def inputs_digest(self) -> str:
        """The digest of what the caller said."""
        return digest_of(self.asked())

    def to_json(self) -> dict[str, Any]:
        """Everything that a decision is made from, to be stored beside it."""
        return {"asked": self.asked(), "is_final": self.is_final}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Context":
        """The context of a recorded decision."""
        return from_asked(raw["asked"], is_final=raw["is_final"])


def check_run_id(run_id: str) -> None:
    """Refuse (`Invalid`) a run that nothing could be reported of, by its id.

    For new runs only: what was decided before is decided again as it is.
    """
    if not RUN_ID.fullmatch(run_id):
        raise Invalid(
            "A run_id is a part of paths and of file names: it has no slash, no "
            "backslash, no space and no two dots in a row, and is not a dot.",
            errors=[{"pointer": "/run_id", "detail": f"has to match {RUN_ID.pattern}"}],
        )


_NAMED = ("team", "mode", "query_class", "sensitivity", "environment")
_KNOWN = frozenset({"run_id", "targetingKey", *_NAMED})


def from_asked(asked: Mapping[str, Any], *, is_final: bool = False) -> Context:
    """A context from what a caller sent; `Invalid` points at what cannot be taken."""
    taken = attributes(asked, needs_run=True)
    return Context(
        run_id=taken["run_id"],
        targeting_key=taken["targetingKey"],
        extra={k: v for k, v in taken.items() if k not in _KNOWN},
        is_final=is_final,
        **{name: taken.get(name) for name in _NAMED},
    )


def attributes(asked: Mapping[str, Any], *, needs_run: bool) -> dict[str, Any]:
    """What rules look at: what a caller sent, in one form (that of `Context.asked`).

    `Invalid` points at what cannot be taken. Flags can be evaluated without naming a
    run (`needs_run=False`); what then takes a bucket raises `Invalid`
    (TARGETING_KEY_MISSING).
    """
    found: dict[str, Any] = {"run_id": ""}
    errors = []
    if len(asked) > MOST_ATTRIBUTES:
        errors.append(
            {"pointer": "", "detail": f"at most {MOST_ATTRIBUTES} attributes"}
        )
    for name, value in asked.items():
        if isinstance(value, str):
            limit = LONGEST_RUN_ID if name == "run_id" else LONGEST_ATTRIBUTE
            if len(value) > limit:
                errors.append(
                    {"pointer": f"/{name}", "detail": f"is at most {limit} long"}
                )
            elif not value.isascii() and not _is_text(value):
                errors.append({"pointer": f"/{name}", "detail": "is not UTF-8"})
        elif value is not None and name in _KNOWN:
            errors.append({"pointer": f"/{name}", "detail": "has to be a text"})
        if value or name not in _KNOWN:
            found[name] = value
    if needs_run and not found["run_id"]:
        errors.append({"pointer": "/run_id", "detail": "is needed"})
    if errors:
        raise Invalid("This context cannot be taken.", errors=errors)
    if "targetingKey" not in found:
        found["targetingKey"] = found["run_id"]
    return found


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: a lone surrogate cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
