"""Banners: what everybody has to know on every page, for as long as it is so."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence, and where it leads."""

    says: str
    url: str


_sources: list[Callable[[], list[Banner]]] = []


def register(source: Callable[[], list[Banner]]) -> None:
    """Add something that may have to be known; one query at most."""
    _sources.append(source)


def shown() -> list[Banner]:
    """What has to be known now."""
    return [banner for source in _sources for banner in source()]
