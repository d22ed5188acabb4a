"""The safety scan of what runs wrote, and the allow list."""

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal import clock
from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.scanning import Verdict
from rollout.models import Allowance, Artifact, Scan
from rollout.services import allowances, scans

MOST_SHOWN = 100


class FindingShape(serializers.Serializer):
    """A secret that was met; `preview` shows nothing of it."""

    id = serializers.IntegerField()
    family = serializers.CharField()
    is_certain = serializers.BooleanField()
    is_allowed = serializers.BooleanField()
    line = serializers.IntegerField()
    offset = serializers.IntegerField()
    chain = serializers.ListField(child=serializers.CharField())
    preview = serializers.CharField()
    fingerprint = serializers.CharField()
    count = serializers.IntegerField()


class ScanShape(serializers.ModelSerializer):
    """One scan; `verdict` counts what is allowed now, `found_verdict` does not."""

    verdict = serializers.SerializerMethodField()
    found_verdict = serializers.CharField(source="verdict")
    findings = serializers.SerializerMethodField()

    class Meta:
        model = Scan
        fields = [
            "digest",
            "verdict",
            "found_verdict",
            "findings",
            "troubles",
            "rules",
            "is_final",
            "size_read",
            "size_unpacked",
            "scanned_at",
        ]

    def get_verdict(self, scan: Scan) -> str:
        return scans.standing_of(scan).verdict

    def get_findings(self, scan: Scan) -> int:
        return len(scan.findings.all())


class Use(serializers.Serializer):
    """Where a content is used."""

    run_id = serializers.CharField(source="run.run_id")
    path = serializers.CharField()
    version = serializers.IntegerField()


class WholeScan(ScanShape):
    """A scan with every finding, and the artifacts that have this content."""

    findings = serializers.SerializerMethodField()
    artifacts = serializers.SerializerMethodField()

    class Meta(ScanShape.Meta):
        fields = [*ScanShape.Meta.fields, "artifacts"]

    @extend_schema_field(FindingShape(many=True))
    def get_findings(self, scan: Scan) -> list[dict]:
        return FindingShape(scan.findings.all(), many=True).data

    @extend_schema_field(Use(many=True))
    def get_artifacts(self, scan: Scan) -> list[dict]:
        used = Artifact.objects.filter(
            digest=scan.digest, run__rollout__key=self.context["rollout"]
        )
        rows = used.select_related("run").order_by("pk")[:MOST_SHOWN]
        return Use(rows, many=True).data


class ScansView(RolloutView, ListAPIView):
    """What the safety scan found, newest first."""

    may = {"GET": May.READ}
    serializer_class = ScanShape

    @extend_schema(
        summary="List scans",
        parameters=[
            ROLLOUT,
            OpenApiParameter(
                "verdict",
                str,
                enum=[str(each) for each in Verdict],
                description="Only those that were found to be so.",
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Scan]:
        found = scans.of_rollout(self.key)
        if wanted := self.chosen("verdict", Verdict):
            found = found.filter(verdict=wanted)
        return scans.with_findings(found, at=clock.now())


class ScanView(RolloutView):
    """The newest scan of a content."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a scan", parameters=[ROLLOUT], responses=WholeScan)
    def get(self, request: Request, digest: str) -> Response:
        found = scans.find(self.key, digest)
        return Response(WholeScan(found.scan, context={"rollout": self.key}).data)


class NewAllowance(Because):
    """Until when a finding counts as no secret, and why it is none."""

    expires_at = serializers.DateTimeField()


class AllowanceRequestView(RolloutView):
    """Ask to allow a finding, wherever it stands; another person confirms in the
    admin."""

    may = {"POST": May.PROPOSE_ALLOWANCE}

    @extend_schema(
        summary="Ask to allow a finding",
        parameters=[ROLLOUT],
        request=NewAllowance,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "A documented sample",
                {
                    "expires_at": "2030-01-02T08:00:00Z",
                    "reason": "The sample key of the vendor's manual.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, digest: str, finding_id: int) -> Response:
        standing = scans.find(self.key, digest)
        if finding_id not in {each.pk for each in standing.findings}:
            raise NotFound(f"The scan of this content has no finding {finding_id}.")
        said = self.said(NewAllowance)
        asked = allowances.request_allowance(
            finding_id, said["expires_at"], by=self.actor, reason=said["reason"]
        )
        return Response(Asked(asked).data, status=202)


class AllowanceShape(serializers.ModelSerializer):
    """An entry of the allow list."""

    requested_by = serializers.CharField(source="approval.requester.name")
    confirmed_by = serializers.CharField(source="approval.decider.name")

    class Meta:
        model = Allowance
        fields = [
            "id",
            "family",
            "fingerprint",
            "reason",
            "requested_by",
            "confirmed_by",
            "allowed_at",
            "expires_at",
            "ended_at",
        ]


class AllowancesView(RolloutView, ListAPIView):
    """The allow list, newest first."""

    may = {"GET": May.READ}
    serializer_class = AllowanceShape

    @extend_schema(summary="List allowances", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Allowance]:
        used = Artifact.objects.filter(run__rollout__key=self.key)
        found = Allowance.objects.filter(
            finding__scan__digest__in=used.values("digest")
        )
        return found.select_related("approval__requester", "approval__decider")
