"""What a portal begins with, beside its rollout: each app registers its own."""

from typing import Protocol

from portal.models import Actor


class Seed(Protocol):
    """Makes what is missing of an app's baseline, and names it; twice is as once."""

    def __call__(self, *, by: Actor, reason: str) -> list[str]: ...


_seeds: list[Seed] = []


def register(seed: Seed) -> None:
    """Add what an app begins with; apps do so in their `baselines.py`."""
    _seeds.append(seed)


def seed_all(by: Actor, why: str) -> list[str]:
    """Make what is missing anywhere; the names of what was made."""
    return [made for seed in _seeds for made in seed(by=by, reason=why)]
