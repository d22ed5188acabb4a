"""The documents as pages and files, for whoever is signed in and may read."""

from collections.abc import Callable
from functools import wraps

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from drills.domain.documents import SAYS, TITLES, Document
from drills.services import documents
from portal.domain import markdown
from portal.domain.roles import May
from portal.errors import NotFound
from portal.services.access import may
from portal.sessions import actor_of
from rollout.models import Rollout, RolloutKind
from rollout.services import rollouts

MOST_ROLLOUTS = 100
MARKDOWN = "text/markdown; charset=utf-8"


def _for_readers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Behind the admin's sign-in, and its permission to read."""

    @require_safe
    @wraps(view)
    def wrapped(request: HttpRequest, **named: str) -> HttpResponse:
        if not may(actor_of(request), May.READ):
            raise PermissionDenied
        return view(request, **named)

    return lambda request, **named: admin.site.admin_view(wrapped)(request, **named)


def _keys() -> list[str]:
    live = Rollout.objects.filter(kind=RolloutKind.LIVE).order_by("pk")
    return list(live.values_list("key", flat=True)[:MOST_ROLLOUTS])


def _asked_for(request: HttpRequest, keys: list[str]) -> str:
    """The rollout of the address, or else the first that is live."""
    asked = request.GET.get("rollout", "")
    if not (asked or keys):
        raise Http404("There is no rollout yet.")
    return asked or keys[0]


def _known(key: str) -> None:
    try:
        rollouts.find(key)
    except NotFound as refusal:
        raise Http404(str(refusal)) from None


def _written(request: HttpRequest, name: str, keys: list[str]) -> Document:
    try:
        return documents.render(name, _asked_for(request, keys))
    except NotFound as refusal:
        raise Http404(str(refusal)) from None


@_for_readers
def listed(request: HttpRequest) -> HttpResponse:
    """Which documents there are."""
    keys = _keys()
    if asked := request.GET.get("rollout", ""):
        _known(asked)
    context = {
        **admin.site.each_context(request),
        "title": "Documents",
        "documents": [(name, TITLES[name], SAYS[name]) for name in documents.NAMES],
        "rollouts": keys,
        "rollout": _asked_for(request, keys) if keys else "",
    }
    return TemplateResponse(request, "drills/documents.html", context)


@_for_readers
def page(request: HttpRequest, name: str) -> HttpResponse:
    """A document, to read and to print."""
    keys = _keys()
    found = _written(request, name, keys)
    context = {
        **admin.site.each_context(request),
        "title": found.title,
        "document": found,
        "rollouts": keys,
        # Safe by how it is made: raw HTML in it stays text.
        "body": mark_safe(markdown.to_html(found.body)),
    }
    return TemplateResponse(request, "drills/document.html", context)


@_for_readers
def file(request: HttpRequest, name: str) -> HttpResponse:
    """The same as Markdown."""
    return answer(_written(request, name, _keys()))


def answer(document: Document) -> HttpResponse:
    """A document's Markdown as an answer, named by its digest."""
    response = HttpResponse(document.markdown, content_type=MARKDOWN)
    response["Content-Disposition"] = f'inline; filename="{document.file_name}"'
    response["Document-Digest"] = document.digest
    response["Cache-Control"] = "no-store"
    return response
