"""Who does what in an incident."""

from enum import StrEnum


class IncidentRole(StrEnum):
    """A part that one person has at a time, and hands over."""

    COMMANDER = "commander"  # decides
    SCRIBE = "scribe"  # writes down
    COMMUNICATIONS = "communications"  # tells everybody else
