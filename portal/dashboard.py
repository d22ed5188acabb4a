"""The start page: boxes that the apps register in their `panels.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from portal.streams import stream_url


@dataclass(frozen=True, slots=True)
class Panel:
    """A box: where it stands, its template, and what it shows (few, fixed queries)."""

    position: int
    template: str
    context: Callable[[HttpRequest], dict[str, Any]]
    width: str = ""  # "wide" or "full"; else a third


_panels: list[Panel] = []


def register(panel: Panel) -> None:
    """Add a box."""
    _panels.append(panel)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows, in the order of the boxes."""
    context["stream_url"] = stream_url(request)
    context["panels"] = [
        {
            "template": panel.template,
            "data": panel.context(request),
            "width": panel.width,
        }
        for panel in sorted(_panels, key=lambda panel: panel.position)
    ]
    return context
