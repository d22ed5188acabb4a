"""Runbooks: read, and changed by two people; each with how fresh it is."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain.baseline_runbooks import RUNBOOKS
from drills.models import OperatorRunbook
from drills.services import runbook_uses, runbooks
from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because, PortalView
from portal.domain.roles import May
from rollout.api.rollouts import REASON_EXAMPLE


class StepOfRunbook(serializers.Serializer):
    """One step; `text` is Markdown, `wait_s` for how long to wait at most."""

    number = serializers.IntegerField()
    kind = serializers.CharField()
    section = serializers.CharField()
    text = serializers.CharField()
    wait_s = serializers.IntegerField(allow_null=True)


class RunbookShape(serializers.ModelSerializer):
    """A runbook, its steps, and when somebody last followed it."""

    steps = StepOfRunbook(many=True, source="runbook.steps")
    last_used = serializers.SerializerMethodField()
    last_drilled = serializers.SerializerMethodField()
    freshness = serializers.SerializerMethodField()

    class Meta:
        model = OperatorRunbook
        fields = [
            *("key", "version", "is_live", "title", "body", "rows", "scenarios"),
            *("steps", "last_used", "last_drilled", "freshness"),
        ]

    def get_last_used(self, runbook: OperatorRunbook) -> datetime | None:
        return self._standing(runbook).last_used

    def get_last_drilled(self, runbook: OperatorRunbook) -> datetime | None:
        return self._standing(runbook).last_drilled

    def get_freshness(self, runbook: OperatorRunbook) -> str:
        return self._standing(runbook).freshness

    def _standing(self, runbook: OperatorRunbook) -> runbook_uses.Standing:
        return self.context["standings"][runbook.pk]


class RunbooksView(PortalView, ListAPIView):
    """Every runbook, also those that are not in use (any more)."""

    may = {"GET": May.READ}
    serializer_class = RunbookShape

    @extend_schema(summary="Read the runbooks")
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[OperatorRunbook]:
        return OperatorRunbook.objects.all()

    def get_serializer(self, *rows: Any, **said: Any) -> serializers.BaseSerializer:
        standings = runbook_uses.standings(rows[0]) if rows else {}
        context = {**self.get_serializer_context(), "standings": standings}
        return RunbookShape(*rows, **{**said, "context": context})


class RunbookView(PortalView):
    """One runbook, as it is now."""

    may = {"GET": May.READ}

    @extend_schema(summary="Read a runbook", responses=RunbookShape)
    def get(self, request: Request, key: str) -> Response:
        found = runbooks.find(key)
        context = {"standings": runbook_uses.standings([found])}
        return Response(RunbookShape(found, context=context).data)


class NewRunbook(Because):
    """What the runbook shall say: title, body, rows and scenarios."""

    runbook = serializers.DictField()


class ProposeRunbookView(PortalView):
    """Ask for a new runbook, or another wording; another person approves it."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Propose a runbook",
        request=NewRunbook,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "Another wording",
                {
                    "runbook": RUNBOOKS["blocked-sources"].to_json(),
                    "reason": "One step was missing.",
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said(NewRunbook)
        asked = runbooks.propose(
            key, said["runbook"], by=self.actor, reason=said["reason"]
        )
        return Response(Asked(asked).data, status=202)


class RetireRunbookView(PortalView):
    """Ask for a runbook to be offered no more; another person approves it."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Propose to retire a runbook",
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        reason = self.said()["reason"]
        asked = runbooks.propose_retirement(key, by=self.actor, reason=reason)
        return Response(Asked(asked).data, status=202)
