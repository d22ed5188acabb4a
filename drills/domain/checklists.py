"""The diagnosis steps of an incident's row, and what was found at each."""

from enum import StrEnum

from portal.errors import NotFound


class Finding(StrEnum):
    """What a step has shown."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    COULD_NOT_LOOK = "could_not_look"


def check_step(number: int, steps: int) -> None:
    """Refuse a step that the checklist does not have; they count from 1."""
    if not 1 <= number <= steps:
        has = f"steps 1 to {steps}" if steps else "no steps"
        raise NotFound(f"There is no step {number}; this checklist has {has}.")
