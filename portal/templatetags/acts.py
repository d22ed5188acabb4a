"""Where a page leads to, for those who may go there."""

from typing import Any
from urllib.parse import urlsplit

from django import template
from django.urls import Resolver404, resolve
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.domain.roles import May, who_may
from portal.services.access import may
from portal.sessions import actor_of

register = template.Library()


@register.simple_tag(takes_context=True)
def leads(context: dict[str, Any], path: str, says: str) -> SafeString:
    """A link; where it leads to an act that its reader may not do, who can instead.

    A part that is rendered by itself has no reader: it says who can.
    """
    needed, request = needed_at(path), context.get("request")
    if needed is None or (request and may(actor_of(request), needed)):
        return format_html('<a class="link" href="{}">{}</a>', path, says)
    return format_html('{}: <span class="soft">{} can.</span>', says, who_may(needed))


def needed_at(path: str) -> May | None:
    """What somebody has to be allowed to for the act at this address; None: no act."""
    if "/act/" not in path:
        return None
    try:
        return getattr(resolve(urlsplit(path).path).func, "needs", None)
    except Resolver404:
        return None
