"""Change requests: propose, discuss, schedule, apply; approving takes a person."""

from dataclasses import asdict
from typing import Any

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

from portal.api.etags import check_if_match, conditional, etag
from portal.api.idempotency import idempotent
from portal.api.views import Because
from portal.domain.roles import May
from portal.errors import NotFound
from portal.services.access import require
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.domain.changes import ChangeState, Origin
from rollout.domain.exposure import Risk
from rollout.domain.flags import without_credentials
from rollout.models import Change, ChangeComment
from rollout.services import changes, previews, proposals, rollouts

PATCH_EXAMPLE = [
    {
        "op": "replace",
        "path": "/flags/PAI_DR_CLI_MAX_WAVE1_AGENTS/default",
        "value": 4,
    }
]
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True)


class PlaceShape(serializers.Serializer):
    """One place of the configuration: what was there, and what will be."""

    path = serializers.CharField()
    before = serializers.JSONField(required=False, allow_null=True)
    after = serializers.JSONField(required=False, allow_null=True)


class EditShape(PlaceShape):
    """One edit, with its risk."""

    risk = serializers.CharField()


class CommentShape(serializers.ModelSerializer):
    """What somebody said about a change."""

    author = serializers.CharField(source="author.name")

    class Meta:
        model = ChangeComment
        fields = ["author", "at", "text"]


class ChangeSummary(serializers.ModelSerializer):
    """A proposed change as lists show it: how many edits, and the first few."""

    rollout = serializers.CharField(source="rollout.key")
    risk = serializers.SerializerMethodField()
    edit_count = serializers.IntegerField()
    first_edits = serializers.SerializerMethodField()
    author = serializers.CharField(source="author.name")
    approver = serializers.CharField(source="approver.name", default=None)
    applier = serializers.CharField(source="applier.name", default=None)
    revision = serializers.IntegerField(source="snapshot.revision", default=None)

    class Meta:
        model = Change
        fields = [
            "id",
            "rollout",
            "title",
            "reason",
            "origin",
            "state",
            "risk",
            "edit_count",
            "first_edits",
            "base_revision",
            "base_digest",
            "digest",
            "author",
            "proposed_at",
            "expires_at",
            "approver",
            "approved_at",
            "scheduled_for",
            "blocked_because",
            "applier",
            "applied_at",
            "revision",
        ]

    def get_risk(self, change: Change) -> str:
        return str(Risk(change.risk))

    @extend_schema_field(PlaceShape(many=True))
    def get_first_edits(self, change: Change) -> list[dict[str, Any]]:
        return [without_credentials(edit) for edit in change.first_edits]


class ChangeShape(ChangeSummary):
    """A proposed change; it is approved in the admin, by another person."""

    edit_count = serializers.SerializerMethodField()
    edits = serializers.SerializerMethodField()

    class Meta(ChangeSummary.Meta):
        fields = [
            "edits" if name == "first_edits" else name
            for name in ChangeSummary.Meta.fields
        ]

    def get_edit_count(self, change: Change) -> int:
        return len(change.edits)

    @extend_schema_field(EditShape(many=True))
    def get_edits(self, change: Change) -> list[dict[str, Any]]:
        return [
            without_credentials({**edit, "risk": change.risks[edit["path"]]})
            for edit in change.edits
        ]


class Proposal(Because):
    """One of `patch`, `configuration` and `restore_revision`."""

    title = serializers.CharField(max_length=200, required=False, default="")
    patch = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="A JSON Patch (RFC 6902) on the configuration.",
    )
    configuration = serializers.DictField(
        required=False, help_text="A whole configuration, as it was exported."
    )
    restore_revision = serializers.IntegerField(
        min_value=1, required=False, help_text="An earlier revision, to be restored."
    )
    waits = serializers.BooleanField(
        default=False, help_text="Do not apply at once, even if nobody else is needed."
    )

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if len(said.keys() & {"patch", "configuration", "restore_revision"}) != 1:
            raise serializers.ValidationError(
                "Give one of patch, configuration and restore_revision."
            )
        return said


def _wanted(key: str, said: dict[str, Any]) -> tuple[proposals.Wanted, Origin]:
    if "patch" in said:
        return proposals.patch(said["patch"]), Origin.EDIT
    if "configuration" in said:
        return proposals.replacement(said["configuration"]), Origin.IMPORT
    rollout = rollouts.find(key)
    return proposals.revision(rollout, said["restore_revision"]), Origin.RESTORE


class ChangesView(RolloutView, ListAPIView):
    """The changes of a rollout, newest first."""

    may = {"GET": May.READ, "POST": May.PROPOSE_CHANGE}
    serializer_class = ChangeSummary

    @extend_schema(
        summary="List changes",
        parameters=[
            ROLLOUT,
            OpenApiParameter("state", str, enum=[str(state) for state in ChangeState]),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Change]:
        found = changes.summarised(Change.objects.filter(rollout__key=self.key))
        if state := self.chosen("state", ChangeState):
            found = found.filter(state=state)
        return found

    @extend_schema(
        summary="Propose a change",
        description=(
            "What exposes nobody to more is applied at once (`state` is `applied`); "
            "anything else waits for another person, who approves it in the admin."
        ),
        parameters=[ROLLOUT],
        request=Proposal,
        responses={201: ChangeShape},
        examples=[
            OpenApiExample(
                "Fewer agents",
                {"reason": "Provider quota.", "patch": PATCH_EXAMPLE},
                request_only=True,
            ),
            OpenApiExample(
                "Back to revision 12",
                {"reason": "Revision 13 was a mistake.", "restore_revision": 12},
                request_only=True,
            ),
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said(Proposal)
        key = self.key
        wanted, origin = _wanted(key, said)
        change = changes.propose(
            key,
            wanted,
            by=self.actor,
            reason=said["reason"],
            title=said["title"],
            origin=origin,
            waits=said["waits"],
        )
        return Response(ChangeShape(change).data, status=201)


class OneChangeView(RolloutView):
    """What the views of one change share."""

    def found(self, change_id: str) -> Change:
        """The change, if it is of the caller's rollout."""
        change = changes.find(change_id)
        asked = self.request.query_params.get("rollout")
        own = getattr(getattr(self.actor, "token", None), "rollout", "")
        if (own or asked or change.rollout.key) != change.rollout.key:
            raise NotFound(f"There is no change {change_id}.")
        act = self.may[self.request.method]
        require(self.actor, act, rollout=change.rollout.key)
        return change

    def shape(self, change: Change, status: int = 200) -> Response:
        """The change as it is now, with its ETag."""
        change = changes.find(change.pk)
        response = Response(ChangeShape(change).data, status=status)
        return conditional(self.request, response, _version(change))


def _version(change: Change) -> str:
    return etag(changes.version(change))


class Revision(Because):
    """Other edits for one's own change, on the newest configuration."""

    patch = serializers.ListField(child=serializers.DictField())


class ChangeView(OneChangeView):
    """One change. Editing it voids what was approved."""

    may = {"GET": May.READ, "PATCH": May.PROPOSE_CHANGE}

    @extend_schema(summary="Read a change", responses=ChangeShape)
    def get(self, request: Request, change_id: str) -> Response:
        return self.shape(self.found(change_id))

    @extend_schema(
        summary="Edit one's own change",
        parameters=[IF_MATCH],
        request=Revision,
        responses=ChangeShape,
        examples=[
            OpenApiExample(
                "Four after all",
                {"reason": "As discussed.", "patch": PATCH_EXAMPLE},
                request_only=True,
            )
        ],
    )
    def patch(self, request: Request, change_id: str) -> Response:
        change = self.found(change_id)
        check_if_match(request, _version(change))
        said = self.said(Revision)
        wanted = proposals.patch(said["patch"])
        changes.revise(
            change.pk,
            wanted,
            by=self.actor,
            reason=said["reason"],
            seen=changes.version(change),
        )
        return self.shape(change)


class CommentsView(OneChangeView):
    """What was said about a change."""

    may = {"GET": May.READ, "POST": May.READ}

    @extend_schema(
        summary="Read a discussion", responses=CommentShape(many=True), filters=False
    )
    def get(self, request: Request, change_id: str) -> Response:
        said = self.found(change_id).comments.select_related("author")
        return Response(CommentShape(said, many=True).data)

    @extend_schema(
        summary="Say something about a change",
        request=Because,
        responses={201: CommentShape},
        examples=[
            OpenApiExample("A question", {"reason": "Why four?"}, request_only=True)
        ],
    )
    @idempotent
    def post(self, request: Request, change_id: str) -> Response:
        change = self.found(change_id)
        said = changes.comment(change.pk, by=self.actor, reason=self.said()["reason"])
        return Response(CommentShape(said).data, status=201)


class PreviewShape(serializers.Serializer):
    """What the change would have meant for the newest decisions of the last week."""

    compared = serializers.IntegerField()
    different = serializers.IntegerField()
    let_in = serializers.IntegerField()
    kept_out = serializers.IntegerField()
    is_cut = serializers.BooleanField()
    is_switch_engaged = serializers.BooleanField()
    shown = serializers.ListField(child=serializers.DictField())


class PreviewView(OneChangeView):
    """Who would have been decided for differently."""

    may = {"GET": May.READ}

    @extend_schema(summary="Preview a change", responses=PreviewShape)
    def get(self, request: Request, change_id: str) -> Response:
        return Response(asdict(previews.of_change(self.found(change_id))))
