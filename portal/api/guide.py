"""The page of the API: what a service has to know, then every operation.

The guides are those of `docs/`, with the portal's own address in their commands and the
programs and documents that they name shown where they are named.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from posixpath import join, normpath
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from markdown_it.token import Token
from rest_framework.request import Request
from rest_framework.response import Response

from portal.domain.markdown import PARSER

FOLDER = settings.BASE_DIR / "docs"
GUIDES = {  # the anchor of each, and where it is
    "service": "how-to/service.md",
    "webhooks": "how-to/webhooks.md",
    "events": "reference/events.md",
    "problems": "reference/problems.md",
}
FILES = {  # what the guides name, to be fetched by its name
    "manifest.json": "examples/manifest.json",
    "gates.json": "examples/gates.json",
    "gates-failed.json": "examples/gates-failed.json",
    "events.ndjson": "examples/events.ndjson",
    "report_run.py": "examples/report_run.py",
    "report_run.mts": "examples/report_run.mts",
    "evaluate_flags.py": "examples/evaluate_flags.py",
    "evaluate_flags.mts": "examples/evaluate_flags.mts",
    "bucketing.json": "reference/bucketing.json",
}
SHOWN = "examples/"  # what is shown where a paragraph names nothing else
WRITTEN_FOR = "http://localhost:8000"
_ONLY_A_LINK = ["link_open", "text", "link_close"]
_CODE = re.compile(r"`([A-Z][A-Z_]+)`")
_NEEDS = re.compile(r"Needs the scope (`[^,.]+`)")
_REMARK = re.compile(r"\A<!--.*?-->\s*")  # for whoever edits the page


class ApiDocsView(SpectacularSwaggerSplitView):
    """The guides, and below them every operation, to be tried."""

    template_name = "portal/api_docs.html"
    url_name = "schema"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().get(request, *args, **kwargs)
        if "script_url" in response.data:  # the page, and not the script that it loads
            origin = escape(request.build_absolute_uri("/").rstrip("/"))
            contents, text = guides()
            response.data["contents"] = contents
            response.data["guides"] = mark_safe(text.replace(WRITTEN_FOR, origin))
            response.data["operations"] = operations()
        return response


def file(request: HttpRequest, name: str) -> HttpResponse:
    """A document or a program that the guides name, as it is."""
    if name not in FILES:
        raise Http404
    kind = "application/json" if name.endswith("json") else "text/plain"
    return HttpResponse(
        (FOLDER / FILES[name]).read_bytes(), content_type=f"{kind}; charset=utf-8"
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of the list of operations."""

    method: str
    path: str
    summary: str
    needs: str


@cache
def operations() -> list[tuple[str, str, list[Operation]]]:
    """Every operation, by what it is about: the tag, what that means, and which."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    found: dict[str, list[Operation]] = {each["name"]: [] for each in document["tags"]}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            needs = _NEEDS.search(said["description"])
            line = Operation(
                method.upper(),
                path,
                said["summary"],
                needs[1].replace("`", "") if needs else "a person",
            )
            found[said["tags"][0]].append(line)
    means = {each["name"]: each["description"] for each in document["tags"]}
    return [(tag, means[tag], lines) for tag, lines in found.items() if lines]


@cache
def guides() -> tuple[list[tuple[str, str]], SafeString]:
    """The headings of all guides with their anchors, and the guides themselves."""
    contents: list[tuple[str, str]] = []
    parts = []
    for anchor, path in GUIDES.items():
        text = _REMARK.sub("", (FOLDER / path).read_text())
        tokens = list(_with_files(PARSER.parse(text), path))
        contents += _anchor(tokens, anchor)
        _link(tokens, path)
        parts.append(PARSER.renderer.render(tokens, PARSER.options, {}))
    return contents, mark_safe("".join(parts))


def _with_files(tokens: list[Token], path: str) -> Iterator[Token]:
    """The parts of a guide, and after a paragraph that only names a file, the file."""
    for at, token in enumerate(tokens):
        yield token
        named = tokens[at - 1].children if token.type == "paragraph_close" else None
        if named and [each.type for each in named] == _ONLY_A_LINK:
            target = _target(named[0], path)
            if target.startswith(SHOWN) and target in FILES.values():
                text = (FOLDER / target).read_text()
                yield Token("fence", "code", 0, content=text, info="", block=True)


def _target(link: Token, path: str) -> str:
    """Which file of `docs/` a link of a guide leads to."""
    href = urlsplit(str(link.attrGet("href"))).path
    return normpath(join(path, "..", href))


def _anchor(tokens: list[Token], guide: str) -> Iterator[tuple[str, str]]:
    """Give headings and codes their anchors; tell those of the upper headings."""
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            text = tokens[at + 1].content
            slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
            anchor = guide if token.tag == "h1" else slug
            token.attrSet("id", anchor)
            if token.tag in ("h1", "h2"):
                yield anchor, text
        elif token.type == "tr_open" and (code := _CODE.match(tokens[at + 2].content)):
            token.attrSet("id", f"problem-{code[1]}")


def _link(tokens: list[Token], path: str) -> None:
    """Have links lead to where things are on this page."""
    places = {where: f"#{anchor}" for anchor, where in GUIDES.items()}
    places |= {where: f"/api/docs/{name}" for name, where in FILES.items()}
    for token in tokens:
        for link in token.children or []:
            href = str(link.attrGet("href") or "")
            if link.type == "link_open" and not urlsplit(href).netloc:
                link.attrSet("href", places[_target(link, path)])
