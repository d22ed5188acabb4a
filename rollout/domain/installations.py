"""What an installation's settings file has to say, whatever is known of the portal.

The research system takes anything but `false` for "enabled". So whoever writes its
settings says `false` unless the portal has said otherwise, and lately.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rollout.domain.flags import ENABLED, Value

RUNS_ROOT = "PAI_DR_CLI_RUNS_ROOT"


class SettingsState(StrEnum):
    """Why the settings file says what it says."""

    ENABLED = "enabled"  # by the portal's word
    DISABLED = "disabled"  # by the portal's word
    UNHEARD = "unheard"  # the portal was not heard for longer than the limit
    KILLED = "killed"  # by the kill file of the host
    OLDER = "older"  # the portal speaks of an older epoch than it did before
    UNWRITABLE = "unwritable"  # the file does not say what it should


@dataclass(frozen=True, slots=True)
class Word:
    """What the portal said of an installation's settings.

    `epoch` is the switch's and only ever rises; `revision` is the snapshot's.
    """

    epoch: int
    revision: int
    is_engaged: bool
    flags: Mapping[str, Value] = field(default_factory=dict)
    etag: str = ""

    def is_older_than(self, known: "Word") -> bool:
        """Whether the portal has gone back, as after an old backup was restored."""
        return (self.epoch, self.revision) < (known.epoch, known.revision)

    def to_json(self) -> dict[str, Any]:
        """To be kept over a restart."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Word":
        """What was kept."""
        return cls(
            epoch=int(raw["epoch"]),
            revision=int(raw["revision"]),
            is_engaged=bool(raw["is_engaged"]),
            flags=dict(raw["flags"]),
            etag=str(raw["etag"]),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """The block of flags, and why it is that one."""

    state: SettingsState
    flags: dict[str, Value]

    @property
    def is_enabled(self) -> bool:
        """Whether the installation may run Option C at all."""
        return self.flags[ENABLED] is True


def wanted(
    word: Word | None,
    *,
    unheard_s: float | None,
    limit_s: float,
    is_killed: bool,
    is_older: bool,
    runs_root: str,
) -> Wanted:
    """The block for an installation whose runs lie under `runs_root`.

    `unheard_s` are the seconds since the portal last confirmed `word`, or None when it
    has to do so first: after the kill file, say.
    """
    flags = dict(word.flags) if word else {}
    flags.setdefault(RUNS_ROOT, runs_root)
    state = SettingsState.DISABLED
    if is_killed:
        state = SettingsState.KILLED
    elif is_older:
        state = SettingsState.OLDER
    elif word is None or unheard_s is None or unheard_s > limit_s:
        state = SettingsState.UNHEARD
    elif flags.get(ENABLED) is True and not word.is_engaged:
        state = SettingsState.ENABLED
    return Wanted(state, flags | {ENABLED: state == SettingsState.ENABLED})
