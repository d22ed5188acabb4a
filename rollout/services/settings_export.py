"""What an installation's settings file has to say now."""

from dataclasses import dataclass
from functools import lru_cache

from portal.domain.canonical import digest_of
from portal.services import durability
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
    """The block for an installation, of which `team` and `environment` are known.

    Installations keep epoch and revision for ever and never go back, so that both are
    on the disk before they are given away.
    """
    known = attributes(installation, needs_run=False)
    active = snapshots.active(rollouts.find(rollout_key).pk)
    _flush_once(active.rollout_id, active.revision, active.digest)
    snapshot = snapshots.loaded(active)
    flags = domain.settings_export(
        snapshot,
        team=known.get("team"),
        environment=known.get("environment"),
    )
    return Export(flags, active.revision, active.epoch, snapshot.is_switch_engaged)


@lru_cache(maxsize=64)
def _flush_once(_rollout_id: int, _revision: int, _digest: str) -> None:
    """A snapshot stays as it is, so that only the first to ask for it waits."""
    durability.flush()
