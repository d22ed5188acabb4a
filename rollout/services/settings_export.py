"""What an installation's settings file has to say now."""

from dataclasses import dataclass

from portal.domain.canonical import digest_of
from rollout.domain import settings_export as domain
from rollout.domain.contexts import attributes
from rollout.domain.flags import Value
from rollout.services import rollouts, snapshots


@dataclass(frozen=True, slots=True)
class Export:
    """The block of flags, and what it was made from."""

    flags: dict[str, Value]
    revision: int
    epoch: int
    is_switch_engaged: bool

    @property
    def digest(self) -> str:
        """Changes when the flags do, and only then."""
        return digest_of(self.flags)


def export(rollout_key: str, **installation: str | None) -> Export:
    """The block for an installation, of which `team` and `environment` are known."""
    known = attributes(installation, needs_run=False)
    active = snapshots.active(rollouts.find(rollout_key).pk)
    snapshot = snapshots.loaded(active)
    flags = domain.settings_export(
        snapshot,
        team=known.get("team"),
        environment=known.get("environment"),
    )
    return Export(flags, active.revision, active.epoch, snapshot.is_switch_engaged)
