"""Verification runs: asked for, listed, and read with their transcripts."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.models import VerificationHost, VerificationResult, VerificationRun
from drills.services import verification
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from portal.services.access import require
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView, rollout_key


class ResultShape(serializers.ModelSerializer):
    """How the command of one check ended."""

    class Meta:
        model = VerificationResult
        fields = [
            "name",
            "outcome",
            "exit_code",
            "started_at",
            "duration_s",
            "transcript",
            "transcript_digest",
            "output_size",
            "outlived",
            "tools",
            "sandbox",
        ]


class VerificationShape(serializers.ModelSerializer):
    """A run of the suite; `state` is `running`, `passed` or `failed`."""

    state = serializers.SerializerMethodField()
    says = serializers.SerializerMethodField()
    suite_digest = serializers.SerializerMethodField()
    finished_at = serializers.SerializerMethodField()
    asked_by = serializers.CharField(source="asked_by.name")

    class Meta:
        model = VerificationRun
        fields = [
            "id",
            "state",
            "says",
            "reason",
            "asked_by",
            "asked_at",
            "finished_at",
            "suite_digest",
        ]

    def get_state(self, run: VerificationRun) -> str:
        """Whether it has ended, and how."""
        verdict = _verdict(run)
        if verdict is None:
            return "running"
        return "passed" if verdict.has_passed else "failed"

    def get_says(self, run: VerificationRun) -> str:
        """What stands against it, or that nothing does."""
        return getattr(_verdict(run), "says", "")

    def get_suite_digest(self, run: VerificationRun) -> str:
        """The digest of the checks that were carried out."""
        return getattr(_verdict(run), "suite_digest", "")

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_finished_at(self, run: VerificationRun):
        """When it ended, if it has."""
        return getattr(_verdict(run), "finished_at", None)


class WholeVerificationShape(VerificationShape):
    """A run of the suite with everything that its commands said."""

    results = ResultShape(many=True)

    class Meta(VerificationShape.Meta):
        fields = [*VerificationShape.Meta.fields, "results"]


class HostShape(serializers.ModelSerializer):
    """What a host of drills workers would carry out, or why it cannot."""

    class Meta:
        model = VerificationHost
        fields = ["name", "digest", "checks", "error", "sandbox", "looked_at"]


class VerificationsView(RolloutView, ListAPIView):
    """The verification runs of a rollout, newest first.

    The commands stand in a file on the worker's host; nobody edits them over HTTP.
    """

    may = {"GET": May.READ, "POST": May.RUN_VERIFICATION}
    serializer_class = VerificationShape

    @extend_schema(summary="List verification runs", parameters=[ROLLOUT])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[VerificationRun]:
        found = VerificationRun.objects.filter(rollout__key=self.key)
        return found.select_related("asked_by", "verdict")

    @extend_schema(
        summary="Run the verification suite",
        parameters=[ROLLOUT],
        request=Because,
        responses={201: VerificationShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        run = verification.start(self.key, by=self.actor, reason=self.said()["reason"])
        return Response(VerificationShape(run).data, status=201)


class VerificationView(RolloutView):
    """One verification run with its transcripts."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a verification run",
        parameters=[ROLLOUT],
        responses=WholeVerificationShape,
    )
    def get(self, request: Request, number: int) -> Response:
        found = (
            VerificationRun.objects.filter(rollout__key=self.key, pk=number)
            .select_related("asked_by", "verdict")
            .prefetch_related("results")
            .first()
        )
        if found is None:
            raise NotFound(f"There is no verification run {number}.")
        return Response(WholeVerificationShape(found).data)


class VerificationHostsView(RolloutView):
    """What each host of drills workers has in its verification file."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List verification hosts",
        parameters=[ROLLOUT],
        responses=HostShape(many=True),
    )
    def get(self, request: Request) -> Response:
        require(self.actor, May.READ, rollout=rollout_key(request))
        return Response(HostShape(VerificationHost.objects.all()[:100], many=True).data)


def _verdict(run: VerificationRun):
    return getattr(run, "verdict", None)
