"""What can be done with a change: apply, take back, rebase, reject, schedule."""

from collections.abc import Callable

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from rollout.api.changes import ChangeShape, OneChangeView
from rollout.models import Change
from rollout.services import changes


class ActView(OneChangeView):
    """An act on a change that takes nothing but a reason."""

    may = {"POST": May.PROPOSE_CHANGE}
    act: Callable[..., Change]

    @extend_schema(
        request=Because,
        responses=ChangeShape,
        examples=[
            OpenApiExample("A reason", {"reason": "As agreed."}, request_only=True)
        ],
    )
    @idempotent
    def post(self, request: Request, change_id: str) -> Response:
        change = self.found(change_id)
        self.act(change.pk, by=self.actor, reason=self.said()["reason"])
        return self.shape(change)


@extend_schema_view(post=extend_schema(summary="Apply a change"))
class ApplyView(ActView):
    """Make an approved change count."""

    act = staticmethod(changes.apply)


@extend_schema_view(post=extend_schema(summary="Take back a change"))
class CancelView(ActView):
    """Take back one's own change."""

    act = staticmethod(changes.cancel)


@extend_schema_view(post=extend_schema(summary="Put a change on the newest base"))
class RebaseView(ActView):
    """Put one's own change on the newest configuration; approvals are void."""

    act = staticmethod(changes.rebase)


@extend_schema_view(post=extend_schema(summary="Reject a change"))
class RejectView(ActView):
    """Say no, for somebody who could have said yes."""

    may = {"POST": May.APPROVE_LOW_RISK_CHANGE}
    act = staticmethod(changes.reject)


class When(Because):
    """A time to come."""

    at = serializers.DateTimeField()


class ScheduleView(OneChangeView):
    """Have an approved change applied at a time."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Schedule a change",
        request=When,
        responses=ChangeShape,
        examples=[
            OpenApiExample(
                "Tonight",
                {"at": "2030-01-31T22:00:00Z", "reason": "Quiet hours."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, change_id: str) -> Response:
        change = self.found(change_id)
        said = self.said(When)
        changes.schedule(change.pk, said["at"], by=self.actor, reason=said["reason"])
        return self.shape(change)
