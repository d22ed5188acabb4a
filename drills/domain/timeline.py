"""The timeline of an incident: what is kept of it, and what is one with what."""

from enum import StrEnum

from portal.domain.canonical import digest_of

MOST_DISTINCT = 50  # different signs in a chapter that are kept apart
OTHERS = "Further signs of other wording."
LONGEST_SIGN = 500


class EntryKind(StrEnum):
    """What an entry tells of."""

    SIGN = "sign"
    MOVE = "move"
    NOTE = "note"
    ROLE = "role"
    TASK = "task"
    STEP = "step"
    LINK = "link"
    SEVERITY = "severity"
    REMINDER = "reminder"
    POSTMORTEM = "postmortem"


# What machines say again and again is counted; what people say stands by itself.
COUNTED = (EntryKind.SIGN, EntryKind.REMINDER)


def key(kind: EntryKind, says: str, *, chapter: int) -> str:
    """What equal entries have in common; empty for those that are never counted.

    A new chapter begins with every move: a sign that comes back after something was
    done about it has to be seen as such.
    """
    if kind not in COUNTED:
        return ""
    return digest_of([str(kind), says, chapter])
