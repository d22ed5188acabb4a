"""Looking things up: one box, and every app says what it knows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.domain.roles import May
from portal.services.access import require
from portal.sessions import actor_of

LONGEST = 200
LOOKED_AT = 5000  # of what is looked for by a part of its name
MOST_EACH = 10  # of one kind; whoever sees so many says more of what they look for


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was looked for: what it is, its name, a few words, its page."""

    kind: str
    title: str
    says: str
    url: str


Finder = Callable[[str], Iterable[Found]]
_finders: list[Finder] = []


def register(finder: Finder) -> Finder:
    """Have `finder` asked, too; it takes `MOST_EACH` at most of each kind, at a cost
    that does not grow with the past."""
    _finders.append(finder)
    return finder


def find(words: str) -> list[Found]:
    """Whatever is called so, or begins so."""
    return [found for finder in _finders for found in finder(words)]


def number_in(words: str) -> int | None:
    """The number that the words are, as `17` or `#17`."""
    number = words.removeprefix("#")
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return int(number) if is_number else None


def newest(model: type[Model], **named: str) -> QuerySet:
    """The rows that match, among the newest `LOOKED_AT`: never the whole past."""
    recent = model.objects.order_by("-pk").values("pk")[:LOOKED_AT]
    return model.objects.filter(pk__in=recent, **named).order_by("-pk")


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """What was found, by kind."""
    require(actor_of(request), May.READ)
    words = " ".join(request.GET.get("q", "").replace("\0", "").split())[:LONGEST]
    found = find(words) if words else []
    data = {**context, "title": "Search", "words": words, "found": found}
    return TemplateResponse(request, "portal/search.html", data)
