"""Evidence packs: asked for, read, and taken as an archive that proves itself."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.models import EvidencePack, PackOrder
from drills.services import pack_exports, packs, release_gates
from portal.api.idempotency import idempotent
from portal.api.streaming import Streamed
from portal.api.views import Because, PortalView
from portal.domain.roles import May
from portal.errors import Invalid, NotFound
from portal.services.access import require
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.services import vault

PATIENCE_S = 10  # for the sealer, which is rung at once
LONGEST_REASON = 2000


class PackShape(serializers.ModelSerializer):
    """An evidence pack, without its manifest."""

    rollout = serializers.CharField(source="gate.rollout.key")
    gate = serializers.CharField(source="gate.letter")

    class Meta:
        model = EvidencePack
        fields = [
            *("rollout", "gate", "number", "gate_version", "pack_hash"),
            *("evidence_digest", "is_complete", "troubles", "size", "assembled_at"),
        ]


class WholePackShape(PackShape):
    """An evidence pack with its manifest, as JSON."""

    manifest = serializers.SerializerMethodField()

    class Meta(PackShape.Meta):
        fields = [*PackShape.Meta.fields, "manifest"]

    def get_manifest(self, pack: EvidencePack) -> dict:
        """What the hash is over, in its RFC 8785 form."""
        return packs.said_in(pack)


class OrderShape(serializers.ModelSerializer):
    """A pack that was asked for; `pack_hash` once it is there."""

    gate = serializers.CharField(source="gate.letter")
    asked_by = serializers.CharField(source="asked_by.name")
    pack_hash = serializers.SerializerMethodField()

    class Meta:
        model = PackOrder
        fields = ["gate", "number", "reason", "asked_by", "asked_at", "pack_hash"]

    def get_pack_hash(self, order: PackOrder) -> str | None:
        """Its hash, once a worker has put it together."""
        pack = getattr(order, "pack", None)
        return pack.pack_hash if pack else None


class GatePacksView(RolloutView, ListAPIView):
    """The evidence packs of a gate, newest first; and asking for one."""

    may = {"GET": May.READ, "POST": May.ASSEMBLE_PACK}
    serializer_class = PackShape

    @extend_schema(summary="List evidence packs", parameters=[ROLLOUT])
    def get(self, request: Request, letter: str) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[EvidencePack]:
        gate = release_gates.find(self.key, self.kwargs["letter"])
        found = EvidencePack.objects.filter(gate=gate)
        return found.select_related("gate__rollout").defer("manifest")

    @extend_schema(
        summary="Have an evidence pack assembled",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: OrderShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, letter: str) -> Response:
        asked = packs.order(
            self.key, letter, by=self.actor, reason=self.said()["reason"]
        )
        return Response(OrderShape(asked).data, status=202)


class _PackView(PortalView):
    """A view about one pack, by its hash."""

    def pack(self, pack_hash: str) -> EvidencePack:
        """The pack; who may not know its rollout does not learn of it."""
        found = packs.find(pack_hash)
        require(self.actor, May.READ, rollout=found.gate.rollout.key)
        return found


class PackView(_PackView):
    """One evidence pack with its manifest."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read an evidence pack", responses=WholePackShape)
    def get(self, request: Request, pack_hash: str) -> Response:
        return Response(WholePackShape(self.pack(pack_hash)).data)


class PackFileView(_PackView):
    """One file of a pack."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a file of an evidence pack",
        responses={(200, "text/plain"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pack_hash: str, path: str) -> HttpResponseBase:
        named = {each.path: each for each in packs.files_of(self.pack(pack_hash))}
        if path not in named:
            raise NotFound(f"There is no file {path!r} in this pack.")
        response = Streamed(
            iter(vault.read(named[path].digest)),
            content_type="text/plain; charset=utf-8",
        )
        response["Content-Disposition"] = "inline"
        response["X-Content-Type-Options"] = "nosniff"
        return response


class ArchiveView(_PackView):
    """A pack as a ZIP that proves itself; who takes it is in the ledger."""

    may = {"GET": May.READ}
    http_method_names = ["get", "options"]  # looking without taking leaves no line

    @extend_schema(
        summary="Export an evidence pack",
        description=(
            "Waits some seconds for the ledger to be sealed up to the export; 503 "
            "(NOT_SEALED) when it is not. `verify_pack.py` in it checks all of it."
        ),
        parameters=[
            OpenApiParameter("reason", str, description="Why; it is in the ledger.")
        ],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pack_hash: str) -> HttpResponseBase:
        reason = request.query_params.get("reason") or "exported over the API"
        if len(reason) > LONGEST_REASON:
            raise Invalid(
                f"A reason has at most {LONGEST_REASON} characters.",
                errors=[{"pointer": "/reason", "detail": "is too long"}],
            )
        pack = self.pack(pack_hash)
        prepared = pack_exports.prepare(pack.pack_hash, by=self.actor, reason=reason)
        pack_exports.wait_for_seal(prepared, patience_s=PATIENCE_S)
        chunks: Iterator[bytes] = pack_exports.archive(prepared)
        response = Streamed(chunks, content_type="application/zip")
        name = prepared.name
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response
