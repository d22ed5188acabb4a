"""The kill file: what somebody on the host writes when the database is away.

One rollout a line, `*` for all, and whatever follows is the reason. A file that names
nothing, or that cannot be read, means all: whoever made it wanted something stopped.
"""

from collections.abc import Container, Mapping

ALL = "*"
ASIDE = ".becoming-an-act"  # the end of the name while what it says is carried out
NO_REASON = "The kill file on the host says so."


def parse(text: str) -> dict[str, str]:
    """The reasons, by rollout."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, reason = line.strip().partition(" ")
        if key and not key.startswith("#"):
            found[key] = reason.strip() or NO_REASON
    return found or {ALL: NO_REASON}


def line(key: str, reason: str) -> str:
    """What is added for a rollout."""
    return f"{key} {' '.join(reason.split())}\n"


def kills(killed: Container[str], rollout: str) -> bool:
    """Whether a rollout is off by the file."""
    return ALL in killed or rollout in killed


def reason_for(killed: Mapping[str, str], rollout: str) -> str:
    """Why it is off."""
    return killed.get(rollout) or killed.get(ALL, NO_REASON)
