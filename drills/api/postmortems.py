"""Postmortems: begun from the timeline, written on revision by revision."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drills.api.incidents import OneIncidentView
from drills.domain.postmortems import LONGEST
from drills.models import Postmortem
from drills.services import postmortems
from portal.api.etags import check_if_match, conditional, etag
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT


class PostmortemShape(serializers.ModelSerializer):
    """The text as it is now; revision 1 is the draft."""

    written_by = serializers.CharField(source="written_by.name")

    class Meta:
        model = Postmortem
        fields = ["revision", "text", "written_by", "written_at"]


class NewText(Because):
    """The whole text."""

    text = serializers.CharField(max_length=LONGEST)


class PostmortemView(OneIncidentView):
    """Read it, begin it, go on with it."""

    may = {"GET": May.READ, "POST": May.WORK_INCIDENT, "PUT": May.WORK_INCIDENT}

    @extend_schema(
        summary="Read the postmortem", parameters=[ROLLOUT], responses=PostmortemShape
    )
    def get(self, request: Request, number: int) -> Response:
        found = self._found(number)
        response = Response(PostmortemShape(found).data)
        return conditional(request, response, etag(found.revision))

    @extend_schema(
        summary="Begin the postmortem",
        parameters=[ROLLOUT],
        request=Because,
        responses={201: PostmortemShape},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, number: int) -> Response:
        reason = self.said()["reason"]
        self.incident(number)
        made = postmortems.begin(number, by=self.actor, reason=reason)
        return Response(
            PostmortemShape(made).data,
            status=201,
            headers={"ETag": etag(made.revision)},
        )

    @extend_schema(
        summary="Write the postmortem",
        description="Needs If-Match with the ETag of the revision that was read.",
        parameters=[ROLLOUT],
        request=NewText,
        responses=PostmortemShape,
    )
    def put(self, request: Request, number: int) -> Response:
        said = self.said(NewText)
        found = self._found(number)
        check_if_match(request, etag(found.revision))
        written = postmortems.write(
            number, said["text"], found.revision, by=self.actor, reason=said["reason"]
        )
        response = Response(PostmortemShape(written).data)
        response["ETag"] = etag(written.revision)
        return response

    def _found(self, number: int) -> Postmortem:
        found = postmortems.of(self.incident(number))
        if found is None:
            raise NotFound(f"The postmortem of incident {number} was not begun yet.")
        return found
