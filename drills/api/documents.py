"""The documents of a rollout, with their digests."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain.documents import SAYS, TITLES
from drills.pages import answer
from drills.services import documents
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.services import rollouts


class DocumentShape(serializers.Serializer):
    """A document as it is written now; `digest` is that of `body`, as UTF-8."""

    name = serializers.CharField()
    title = serializers.CharField()
    rollout = serializers.CharField()
    as_of = serializers.DateTimeField()
    digest = serializers.CharField()
    body = serializers.CharField()


class DocumentName(serializers.Serializer):
    """What there is to read."""

    name = serializers.CharField()
    title = serializers.CharField()
    says = serializers.CharField()


class DocumentsView(RolloutView):
    """Which documents there are."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List documents",
        parameters=[ROLLOUT],
        responses=DocumentName(many=True),
    )
    def get(self, request: Request) -> Response:
        rollouts.find(self.key)
        return Response(
            [
                {"name": name, "title": TITLES[name], "says": SAYS[name]}
                for name in documents.NAMES
            ]
        )


class DocumentView(RolloutView):
    """One document, with its digest."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a document", parameters=[ROLLOUT], responses=DocumentShape
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(DocumentShape(documents.render(name, self.key)).data)


class DocumentFileView(RolloutView):
    """The same as Markdown; `Document-Digest` is the digest of its body."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a document as Markdown",
        parameters=[ROLLOUT],
        responses={(200, "text/markdown"): OpenApiTypes.STR},
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        return answer(documents.render(name, self.key))
