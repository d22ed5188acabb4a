"""Every page that links lead to, each kind once, whoever opens it."""

import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve

# What no link is followed to: it ends the session, or is a file and no page.
NOT_FOLLOWED = (
    "/admin/logout/",
    "/admin/jsi18n/",
    "/api/",
    "/livez",
    "/readyz",
    "/metrics",
    "/static/",
)
_LINK = re.compile(r'<a\s[^>]*?href="([^"#]+)')


def kind_of(path: str) -> str | None:
    """Pages of one kind have one route; None for what is no page of ours."""
    plain = urlsplit(path).path
    if (
        plain == "/"
        or plain.startswith(NOT_FOLLOWED)
        or plain.endswith(".md")
        or "/export" in plain
        or "download" in plain
    ):
        return None
    try:
        match = resolve(plain)
    except Resolver404:
        return None
    kind = match.view_name or match.route
    return "history" if kind.endswith("_history") else kind  # all of one template


def links_in(text: str, at: str) -> list[str]:
    """Where a page that is at this path leads to, on the same portal."""
    found = (urljoin(at, unescape(each)) for each in _LINK.findall(text))
    return [each for each in found if each.startswith("/")]


def reachable(links_of: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """One page of each kind, breadth first; `links_of` opens a page."""
    waiting, known = ["/admin/", "/api/docs"], {kind_of("/admin/")}
    while waiting:
        path = waiting.pop(0)
        links = links_of(path)
        yield path
        for each in links:
            kind = kind_of(each)
            if kind is not None and kind not in known:
                known.add(kind)
                waiting.append(each)
