"""Pages by cursor: their cost does not grow with what came before."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from portal.errors import Invalid


class NewestFirst(CursorPagination):
    """`?limit=` (50, at most 200) and `?cursor=`; the newest first."""

    ordering = "-pk"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    page_size_query_description = "How many, 1 to 200; 50 unless given."
    cursor_query_param = "cursor"
    cursor_query_description = "Where to go on: follow `next` instead of making one."

    def get_page_size(self, request: Request) -> int:
        """What `limit` says; more than the most is taken as the most."""
        said = request.query_params.get("limit")
        if said is None:
            return self.page_size
        digits = said.lstrip("0")
        if not (digits.isascii() and digits.isdigit()):
            raise Invalid(
                f"limit is a whole number, 1 to {self.max_page_size}.",
                errors=[{"pointer": "/limit", "detail": "has to be a whole number"}],
            )
        # int() takes only so many digits; nine of them are more than the most.
        return min(int(digits[:9]), self.max_page_size)

    def paginate_queryset(
        self, queryset: QuerySet, request: Request, view: Any = None
    ) -> list[object] | None:
        """The page; `Invalid` for a cursor that no page has named."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, ValidationError):
            raise Invalid(
                "This cursor is none of ours: follow the `next` of a page, or leave it "
                "out to begin with the newest.",
                errors=[{"pointer": "/cursor", "detail": "has to be that of a page"}],
            ) from None

    def get_paginated_response(self, data: list[object]) -> Response:
        return Response(
            {
                "items": data,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
            }
        )

    def get_paginated_response_schema(self, schema: dict) -> dict:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["items", "next", "previous"],
            "properties": {"items": schema, "next": link, "previous": link},
        }
