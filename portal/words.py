"""The words of the portal, as its glossary explains them."""

import re
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.domain.roles import May
from portal.services.access import require
from portal.sessions import actor_of

_ROW = re.compile(r"^\| (?P<word>[^|]+) \| (?P<meaning>.+) \|$", re.MULTILINE)


class Word(NamedTuple):
    """A word, or some that belong together, and what is meant by them."""

    word: str
    meaning: str


@cache
def glossary() -> list[Word]:
    """What `docs/glossary.md` says; it is read once."""
    text = (settings.BASE_DIR / "docs" / "glossary.md").read_text(encoding="utf-8")
    plain = text.replace("`", "").replace("*", "")
    rows = [Word(**found.groupdict()) for found in _ROW.finditer(plain)]
    return sorted(rows[1:], key=lambda row: row.word.lower())  # the first is the head


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """All of them, by the alphabet."""
    require(actor_of(request), May.READ)
    said = {**context, "title": "The words", "words": glossary()}
    return TemplateResponse(request, "portal/words.html", said)
