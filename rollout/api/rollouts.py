"""Rollouts, flags, stages and the switch."""

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.etags import check_if_match, conditional, etag
from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because, PortalView
from portal.domain.roles import May
from portal.errors import Invalid, NotAllowed
from portal.models import Actor, ActorKind
from portal.services.access import require
from rollout.domain.changes import ChangeState
from rollout.domain.flags import without_credentials
from rollout.models import Flag, Rollout, Stage, Switch
from rollout.services import flags, rollouts, snapshots, stages, switch

ROLLOUT = OpenApiParameter(
    "rollout", str, description="Needed by people; a token knows its rollout."
)
REASON_EXAMPLE = OpenApiExample(
    "A reason", {"reason": "Gate C fails everywhere since 14:00."}, request_only=True
)


def rollout_key(request: Request) -> str:
    """The rollout that a request is about: the token's own, or `?rollout=`."""
    actor: Actor = request.user
    own = actor.token.rollout if actor.kind == ActorKind.TOKEN else ""
    asked = request.query_params.get("rollout", "")
    if own and asked and own != asked:
        raise NotAllowed(
            f"This token is good for {own} only.", code="WRONG_ROLLOUT", rollout=asked
        )
    if not (own or asked):
        raise Invalid(
            "Say which rollout: ?rollout=KEY.",
            code="ROLLOUT_REQUIRED",
            errors=[{"pointer": "/rollout", "detail": "is needed"}],
        )
    return own or asked


class RolloutView(PortalView):
    """A view about one rollout."""

    @property
    def key(self) -> str:
        """The rollout's key; reading needs the permission for this very rollout."""
        key = rollout_key(self.request)
        method = "GET" if self.request.method == "HEAD" else self.request.method
        require(self.actor, self.may[method], rollout=key)
        return key


class RolloutShape(serializers.ModelSerializer):
    """A rollout, and what decides for it now."""

    revision = serializers.IntegerField()
    snapshot = serializers.CharField()

    class Meta:
        model = Rollout
        fields = [
            "key",
            "name",
            "description",
            "kind",
            "fallback_workflow",
            "revision",
            "snapshot",
        ]


class RolloutsView(PortalView):
    """What is being rolled out."""

    may = {"GET": May.READ}

    @extend_schema(summary="List rollouts", responses=RolloutShape(many=True))
    def get(self, request: Request) -> Response:
        known: QuerySet[Rollout] = Rollout.objects.all()
        actor: Actor = request.user
        if actor.kind == ActorKind.TOKEN and actor.token.rollout:
            known = known.filter(key=actor.token.rollout)
        found = []
        for rollout in known:
            snapshot = snapshots.active(rollout.pk)
            rollout.revision, rollout.snapshot = snapshot.revision, snapshot.digest
            found.append(RolloutShape(rollout).data)
        return Response(found)


class FlagShape(serializers.ModelSerializer):
    """A flag with its clamp and its rules."""

    default = serializers.SerializerMethodField()
    rules = serializers.SerializerMethodField()

    class Meta:
        model = Flag
        fields = [
            "key",
            "type",
            "description",
            "owner",
            "expires_on",
            "default",
            "minimum",
            "maximum",
            "options",
            "is_nullable",
            "prerequisites",
            "rules",
        ]

    @extend_schema_field(serializers.JSONField(allow_null=True))
    def get_default(self, flag: Flag) -> object:
        return without_credentials(flag.default)

    def get_rules(self, flag: Flag) -> list[dict]:
        return [
            {
                "position": rule.position,
                "description": rule.description,
                "conditions": rule.conditions,
                "percentage": rule.percentage,
                "value": without_credentials(rule.value),
                "variants": without_credentials(rule.variants),
            }
            for rule in flag.rules.all()
            if rule.is_live
        ]


class FlagsView(RolloutView):
    """The flags of a rollout."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List flags", parameters=[ROLLOUT], responses=FlagShape(many=True)
    )
    def get(self, request: Request) -> Response:
        rollout = rollouts.find(self.key)
        known = rollout.flags.filter(is_live=True).prefetch_related("rules")
        current = etag(snapshots.active(rollout.pk).digest)
        return conditional(request, Response(FlagShape(known, many=True).data), current)


class StaleShape(serializers.Serializer):
    """A flag that could go, and why."""

    key = serializers.CharField()
    owner = serializers.CharField()
    expires_on = serializers.DateField(allow_null=True)
    last_asked_at = serializers.DateTimeField(source="asked_at", allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField())


class StaleFlagsView(RolloutView):
    """Flags that are past their time, that nobody asks for, or that nobody owns."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List stale flags",
        parameters=[ROLLOUT],
        responses=StaleShape(many=True),
    )
    def get(self, request: Request) -> Response:
        found = []
        for flag, why in flags.stale(self.key):
            flag.reasons = why
            found.append(flag)
        return Response(StaleShape(found, many=True).data)


class NewDefault(Because):
    """Another default for a flag."""

    default = serializers.JSONField(allow_null=True)


class FlagView(RolloutView):
    """One flag. A change that exposes less is made at once; any other waits for a
    second person: then the answer is 202, and `Location` names the change."""

    may = {"GET": May.READ, "PATCH": May.PROPOSE_CHANGE}

    @extend_schema(summary="Read a flag", parameters=[ROLLOUT], responses=FlagShape)
    def get(self, request: Request, key: str) -> Response:
        flag = flags.find(self.key, key)
        return conditional(request, Response(FlagShape(flag).data), _version(flag))

    @extend_schema(
        summary="Change a flag's default",
        parameters=[
            ROLLOUT,
            OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True),
        ],
        request=NewDefault,
        responses={200: FlagShape, 202: FlagShape},
        examples=[
            OpenApiExample(
                "Fewer agents",
                {"default": 2, "reason": "Provider quota."},
                request_only=True,
            )
        ],
    )
    def patch(self, request: Request, key: str) -> Response:
        flag = flags.find(self.key, key)
        check_if_match(request, _version(flag))
        said = self.said(NewDefault)
        change = flags.change_default(
            flag.pk, said["default"], by=self.actor, reason=said["reason"]
        )
        flag = flags.find(self.key, key)
        status = 200 if change.state == ChangeState.APPLIED else 202
        response = Response(FlagShape(flag).data, status=status)
        response["Location"] = f"/api/v1/changes/{change.pk}"
        return conditional(request, response, _version(flag))


def _version(flag: Flag) -> str:
    newest = flag.history.order_by("-history_id").values_list("history_id", flat=True)
    return etag(f"{flag.key}-{newest[0]}")


class StageShape(serializers.ModelSerializer):
    """A stage of the canary plan."""

    coverage = serializers.FloatField()

    class Meta:
        model = Stage
        fields = [
            "position",
            "key",
            "name",
            "state",
            "is_admitting",
            "coverage",
            "plan",
        ]


class StagesView(RolloutView):
    """The stages of a rollout, in their order."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List stages", parameters=[ROLLOUT], responses=StageShape(many=True)
    )
    def get(self, request: Request) -> Response:
        rollout = rollouts.find(self.key)
        current = etag(snapshots.active(rollout.pk).digest)
        shapes = StageShape(rollout.stages.all(), many=True)
        return conditional(request, Response(shapes.data), current)


class StageStartView(RolloutView):
    """Ask to start a stage; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to start a stage",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        asked = stages.request_start(stage.pk, by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)


class Hold(Because):
    """A hold stops promotion and widening; without `admit`, admission too."""

    admit = serializers.BooleanField(default=True)


class StageHoldView(RolloutView):
    """Hold a stage, at once."""

    may = {"POST": May.HOLD}

    @extend_schema(
        summary="Hold a stage",
        parameters=[ROLLOUT],
        request=Hold,
        responses=StageShape,
        examples=[
            OpenApiExample(
                "Admit nobody for now",
                {"admit": False, "reason": "Looking into gate C."},
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said(Hold)
        stage = stages.hold(
            stages.find(self.key, key).pk,
            by=self.actor,
            reason=said["reason"],
            keeps_admitting=said["admit"],
        )
        return Response(StageShape(stage).data)


class StageDisableView(RolloutView):
    """Set a stage aside that is not open, at once."""

    may = {"POST": May.HOLD}

    @extend_schema(
        summary="Set a stage aside",
        parameters=[ROLLOUT],
        request=Because,
        responses=StageShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        stage = stages.disable(stage.pk, by=self.actor, reason=said["reason"])
        return Response(StageShape(stage).data)


class StageEnableView(RolloutView):
    """Ask to use a stage again; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to use a stage again",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        said = self.said()
        stage = stages.find(self.key, key)
        asked = stages.request_enable(stage.pk, by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)


class SwitchShape(serializers.ModelSerializer):
    """The emergency switch; `epoch` only ever rises."""

    rollout = serializers.CharField(source="rollout.key")
    changed_by = serializers.CharField(source="changed_by.name")

    class Meta:
        model = Switch
        fields = ["rollout", "state", "epoch", "changed_at", "changed_by", "reason"]


def _switch(key: str) -> Switch:
    return Switch.objects.select_related("rollout", "changed_by").get(
        rollout=rollouts.find(key)
    )


class SwitchView(RolloutView):
    """Is Option C off everywhere?"""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read the switch", parameters=[ROLLOUT], responses=SwitchShape
    )
    def get(self, request: Request) -> Response:
        found = _switch(self.key)
        return conditional(
            request, Response(SwitchShape(found).data), etag(f"epoch-{found.epoch}")
        )


class SwitchEngageView(RolloutView):
    """Turn Option C off everywhere, at once."""

    may = {"POST": May.ENGAGE_SWITCH}

    @extend_schema(
        summary="Engage the switch",
        parameters=[ROLLOUT],
        request=Because,
        responses=SwitchShape,
        examples=[REASON_EXAMPLE],
    )
    @idempotent(is_replayed=False)
    def post(self, request: Request) -> Response:
        said = self.said()
        switch.engage(self.key, by=self.actor, reason=said["reason"])
        return Response(SwitchShape(_switch(self.key)).data)


class SwitchReleaseView(RolloutView):
    """Ask that Option C may run again; another person confirms in the admin."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Ask to release the switch",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[
            OpenApiExample(
                "A reason", {"reason": "The provider is back."}, request_only=True
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        said = self.said()
        asked = switch.request_release(self.key, by=self.actor, reason=said["reason"])
        return Response(Asked(asked).data, status=202)
