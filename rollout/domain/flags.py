"""Typed settings: what a value may be, and the clamp that it can never leave."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portal.errors import Invalid

ENABLED = "PAI_DR_CLI_ENABLED"  # its effective value is the decision itself
NO_WEB = "PAI_DR_CLI_NO_WEB"
MODE_DEFAULT = "PAI_DR_CLI_MODE_DEFAULT"
WAVE1_AGENTS = "PAI_DR_CLI_MAX_WAVE1_AGENTS"
WAVE2_AGENTS = "PAI_DR_CLI_MAX_WAVE2_AGENTS"

LARGEST = 2**53 - 1
# What an address can hold of secrets: who signs in, and whatever follows its path.
_USER = re.compile(r"//[^/\s?#]*@")
_AFTER_PATH = re.compile(r"(//[^\s?;#]*[?;#])[^\s]+")

Value = bool | int | str | None


class FlagType(StrEnum):
    """What kind of value a flag has."""

    BOOL = "bool"
    INTEGER = "integer"
    ENUM = "enum"
    STRING = "string"
    PATH = "path"


# Names that older documents use; accepted wherever a flag is named.
ALIASES = {
    "PAI_DR_OPTION_C_ENABLED": ENABLED,
    "PAI_DR_NO_WEB": NO_WEB,
    "PAI_DR_MODE_DEFAULT": MODE_DEFAULT,
    "PAI_DR_MAX_WAVE1_AGENTS": WAVE1_AGENTS,
    "PAI_DR_MAX_WAVE2_AGENTS": WAVE2_AGENTS,
    "PAI_DR_MAX_SUMMARY_KB": "PAI_DR_CLI_MAX_SUMMARY_KB",
    "PAI_DR_MAX_TOTAL_SUMMARY_KB": "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB",
    "PAI_DR_MAX_REVIEW_ITERATIONS": "PAI_DR_CLI_MAX_REVIEW_ITERATIONS",
    "PAI_DR_CITATION_VALIDATION_TIER": "PAI_DR_CLI_CITATION_VALIDATION_TIER",
    "PAI_DR_CITATIONS_BRIGHT_DATA_ENDPOINT": (
        "PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT"
    ),
    "PAI_DR_CITATIONS_APIFY_ENDPOINT": "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT",
    "PAI_DR_RUNS_ROOT": "PAI_DR_CLI_RUNS_ROOT",
}


def canonical_key(key: str) -> str:
    """The name that a flag has today."""
    return ALIASES.get(key, key)


@dataclass(frozen=True, slots=True)
class FlagSpec:
    """A flag as rules and clamps see it."""

    key: str
    type: FlagType
    default: Value = None
    minimum: int | None = None
    maximum: int | None = None
    options: tuple[str, ...] = ()
    is_nullable: bool = False

    def check(self, value: Any, *, pointer: str = "") -> Value:
        """`value`, if this flag can have it; otherwise `Invalid` says why not.

        A value outside the clamp is refused here, when it is written; `clamp` is the
        second line of defence, when it is evaluated.
        """
        if (trouble := self.trouble(value)) is not None:
            raise Invalid(
                f"{self.key} cannot be {value!r}: {trouble}.",
                code="FLAG_VALUE_INVALID",
                errors=[{"pointer": pointer, "detail": trouble}],
            )
        checked: Value = value
        return checked

    def trouble(self, value: object) -> str | None:
        """Why this flag cannot have `value`; None if it can."""
        if value is None:
            return None if self.is_nullable else "it has to have a value"
        if self.type == FlagType.BOOL:
            return None if isinstance(value, bool) else "it is true or false"
        if self.type == FlagType.INTEGER:
            return self._integer_trouble(value)
        if not isinstance(value, str):
            return "it is a text"
        if self.type == FlagType.ENUM and value not in self.options:
            return f"it is one of {', '.join(self.options)}"
        if self.type == FlagType.PATH and not value.startswith(("/", "~")):
            return "it is an absolute path, or begins with ~"
        if self.type == FlagType.STRING and not value.strip():
            return "it is not blank; null says that there is none"
        return None

    def _integer_trouble(self, value: object) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return "it is a whole number"
        low = -LARGEST if self.minimum is None else self.minimum
        high = LARGEST if self.maximum is None else self.maximum
        return None if low <= value <= high else f"it is from {low} to {high}"

    def clamp(self, value: Value) -> Value:
        """`value` brought back into the clamp; what has the wrong type, the default."""
        if self.type == FlagType.INTEGER and isinstance(value, int):
            if self.minimum is not None and value < self.minimum:
                return self.minimum
            if self.maximum is not None and value > self.maximum:
                return self.maximum
        return value if self.trouble(value) is None else self.default


def stricter(key: str, value: Value, forced: bool | int) -> Value:
    """The one that exposes less: the smaller number, no web rather than web.

    A value of another type than what is forced has no say.
    """
    if type(value) is not type(forced):
        return forced
    if isinstance(value, bool) and isinstance(forced, bool):
        return value or forced if key == NO_WEB else value and forced
    if isinstance(value, int):
        return min(value, forced)
    return forced


def for_display(value: Value) -> str:
    """A value for people: addresses without their credentials."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if "//" not in text:
        return text
    return _AFTER_PATH.sub(r"\1…", _USER.sub("//", text))


def without_credentials(value: Any) -> Any:
    """A JSON value in which every address is shown without its credentials."""
    if isinstance(value, dict):
        return {key: without_credentials(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_credentials(each) for each in value]
    return for_display(value) if isinstance(value, str) else value
