"""The ledger over HTTP: its lines, what was signed of it, and proofs."""

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.views import PortalView
from portal.domain.roles import May
from portal.errors import Invalid
from portal.models import Checkpoint, LedgerEntry, SealerKey
from portal.services import ledger_search, proofs

EXACT = ("verb", "subject_type", "subject_id", "request_id")


class Line(serializers.ModelSerializer):
    """One line of the ledger; `body` is what was hashed."""

    actor = serializers.CharField(source="actor_name")
    leaf = serializers.SerializerMethodField()
    link = serializers.SerializerMethodField()

    class Meta:
        model = LedgerEntry
        fields = [
            "seq",
            "uuid",
            "at",
            "actor",
            "verb",
            "subject_type",
            "subject_id",
            "subject_name",
            "reason",
            "request_id",
            "body",
            "leaf",
            "link",
        ]

    def get_leaf(self, entry: LedgerEntry) -> str:
        return bytes(entry.leaf).hex()

    def get_link(self, entry: LedgerEntry) -> str:
        return bytes(entry.link).hex()


class AuditView(ListAPIView):
    """Who did what, when and why; newest first."""

    may = {"GET": May.READ}
    serializer_class = Line

    @extend_schema(
        summary="Read the ledger",
        parameters=[
            *(
                OpenApiParameter(name, str, description=f"Only lines with this {name}.")
                for name in EXACT
            ),
            OpenApiParameter("actor", str, description="Only of actors named so."),
            OpenApiParameter(
                "since", OpenApiTypes.DATETIME, description="From this moment on."
            ),
            OpenApiParameter(
                "until", OpenApiTypes.DATETIME, description="Before this moment."
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        given = self.request.query_params
        wanted = {name: value for name in EXACT if (value := given.get(name))}
        found = LedgerEntry.objects.filter(**wanted)
        if actor := given.get("actor"):
            found = found.filter(actor__in=ledger_search.actors_named(actor))
        if since := given.get("since"):
            found = found.filter(seq__gte=ledger_search.first_at(_moment(since)))
        if until := given.get("until"):
            found = found.filter(seq__lt=ledger_search.first_at(_moment(until)))
        return found


class KeyShape(serializers.ModelSerializer):
    """A public key of the sealer; `key` is spelled as C2SP `signed-note` does."""

    key = serializers.CharField(source="text")

    class Meta:
        model = SealerKey
        fields = ["origin", "key", "fingerprint", "announced_at"]


class KeysView(ListAPIView):
    """Who vouches for the ledger, and did before; newest first."""

    may = {"GET": May.READ}
    serializer_class = KeyShape
    queryset = SealerKey.objects.all()

    @extend_schema(summary="List the sealer's public keys")
    def get(self, request: Request) -> Response:
        return self.list(request)


class CheckpointShape(serializers.ModelSerializer):
    """What was signed: `note` is a C2SP `tlog-checkpoint`."""

    root = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = ["origin", "size", "root", "note", "at"]

    def get_root(self, checkpoint: Checkpoint) -> str:
        return bytes(checkpoint.root).hex()


class CheckpointsView(ListAPIView):
    """Everything that was signed; newest first."""

    may = {"GET": May.READ}
    serializer_class = CheckpointShape
    queryset = Checkpoint.objects.all()

    @extend_schema(summary="List checkpoints")
    def get(self, request: Request) -> Response:
        return self.list(request)


class LatestCheckpointView(PortalView):
    """How far the ledger is signed; worth keeping elsewhere."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read the last checkpoint", responses=CheckpointShape)
    def get(self, request: Request) -> Response:
        return Response(CheckpointShape(proofs.latest_checkpoint()).data)


class ProofShape(serializers.Serializer):
    """Hashes that lead to a root, as RFC 6962 orders them."""

    size = serializers.IntegerField()
    hashes = serializers.ListField(child=serializers.CharField())


class InclusionView(PortalView):
    """That an entry is under a checkpoint."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Prove that an entry is in the ledger",
        parameters=[
            OpenApiParameter("seq", int, required=True),
            OpenApiParameter("size", int, description="Else of the last checkpoint."),
        ],
        responses=ProofShape,
    )
    def get(self, request: Request) -> Response:
        size = _number(request, "size", proofs.latest_checkpoint().size)
        found = proofs.inclusion(_number(request, "seq"), size)
        return Response({"size": size, "hashes": [each.hex() for each in found]})


class ConsistencyView(PortalView):
    """That a checkpoint only adds to an older one."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Prove that the ledger only grew",
        parameters=[
            OpenApiParameter("old", int, required=True),
            OpenApiParameter("size", int, description="Else of the last checkpoint."),
        ],
        responses=ProofShape,
    )
    def get(self, request: Request) -> Response:
        size = _number(request, "size", proofs.latest_checkpoint().size)
        found = proofs.consistency(_number(request, "old"), size)
        return Response({"size": size, "hashes": [each.hex() for each in found]})


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(
            f"{name} has to be a number.",
            errors=[{"pointer": f"/{name}", "detail": "is no number"}],
        )
    return int(text)


def _moment(text: str):
    try:
        found = parse_datetime(text.replace(" ", "+"))  # a `+` that was not escaped
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid("A moment is written as 2026-01-31T12:00:00Z.", code="NO_MOMENT")
    return found
