"""Bodies: strict JSON for acts, raw bytes for documents and artifacts."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from portal.domain.strict_json import read
from portal.errors import Malformed, TooLarge, Unsupported

JSON = frozenset({"application/json", "application/octet-stream", ""})
LINES = JSON | {"application/x-ndjson", "application/jsonl", "text/plain"}


class StrictJSON(BaseParser):
    """One JSON object: no deep nesting, no doubled keys, nothing inexact."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None):
        if parser_context:
            check_encoding(parser_context["request"])
        raw = stream.read()
        value = read(raw or b"{}", limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if not isinstance(value, dict):
            raise Malformed("The body has to be a JSON object.")
        return value


class Anything(BaseParser):
    """For views that read the raw body themselves; parses nothing."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None):
        return {}


def check_encoding(request: HttpRequest) -> None:
    """Refuse (`Unsupported`) a body that is compressed: digests are of plain bytes."""
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Unsupported(
            f"This body is encoded as {encoding[:40]}; send it without a "
            "Content-Encoding.",
            code="UNSUPPORTED_CONTENT_ENCODING",
        )


def raw_body(
    request: HttpRequest, *, limit: int, types: frozenset[str] | None = None
) -> bytes:
    """The bytes of a body, or `TooLarge` before more than `limit` of them are read.

    With `types`, a `Content-Type` that says something else is `Unsupported`.
    """
    check_encoding(request)
    said = (request.content_type or "").split(";")[0].strip().lower()
    if types is not None and said not in types and not said.endswith("+json"):
        raise Unsupported(
            f"This body is said to be {said[:80]}; send it as "
            f"{' or '.join(sorted(types - {''}))}."
        )
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(
            f"This body is {announced} bytes long; at most {limit} are taken.",
            limit=limit,
        )
    raw = request.read(limit + 1)
    if len(raw) > limit:
        raise TooLarge(f"At most {limit} bytes are taken.", limit=limit)
    return raw
