"""Release gates and signatures, read and prepared; people sign in the admin."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from drills.domain.release_gates import GATE_F, LETTERS
from drills.domain.signoffs import SigningRole
from drills.models import ReleaseGate, Signoff
from drills.services import (
    availability,
    packs,
    release_gates,
    signatures,
    waivers,
)
from drills.services.signatures import round_of
from drills.services.sources import rows_of
from portal.api.idempotency import idempotent
from portal.api.views import Asked, Because
from portal.domain.roles import May
from rollout.api.rollouts import REASON_EXAMPLE, ROLLOUT, RolloutView
from rollout.services import stages

GATE_EXAMPLE = OpenApiExample(
    "Another purpose",
    {
        "gate": {**GATE_F.to_json(), "purpose": "Opens Option C to everybody."},
        "reason": "It was not clear for whom.",
    },
    request_only=True,
)


class ReadingShape(serializers.Serializer):
    """One line of the evidence map, as it is now."""

    key = serializers.CharField()
    item = serializers.CharField()
    title = serializers.CharField()
    threshold = serializers.CharField()
    source = serializers.CharField()
    of = serializers.CharField()
    state = serializers.CharField()
    says = serializers.CharField()
    rests_on = serializers.DictField()
    facts = serializers.DictField()
    since = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    waiver = serializers.DictField(allow_null=True)
    digest = serializers.CharField()
    line = serializers.CharField()


class GateShape(serializers.ModelSerializer):
    """A release gate: its wording, and whether it is signed now."""

    rollout = serializers.CharField(source="rollout.key")
    is_signed = serializers.SerializerMethodField()
    says = serializers.SerializerMethodField()
    newest_pack = serializers.SerializerMethodField()

    class Meta:
        model = ReleaseGate
        fields = [
            *("rollout", "letter", "version", "title", "purpose", "rubric"),
            *("requirements", "is_signed", "says", "newest_pack"),
        ]

    def _standing(self, gate: ReleaseGate) -> signatures.GateStanding:
        if not hasattr(gate, "standing"):
            gate.standing = signatures.of_gate(gate)
        return gate.standing

    def get_is_signed(self, gate: ReleaseGate) -> bool:
        """Whether both signatures count now."""
        return self._standing(gate).is_signed

    def get_says(self, gate: ReleaseGate) -> str:
        """By whom it is signed, or what is lacking."""
        return self._standing(gate).says

    def get_newest_pack(self, gate: ReleaseGate) -> str | None:
        """The hash of the newest pack."""
        pack = packs.newest(gate)
        return pack.pack_hash if pack else None


class WholeGateShape(GateShape):
    """A release gate with its evidence map, read from the live sources now."""

    evidence = serializers.SerializerMethodField()

    class Meta(GateShape.Meta):
        fields = [*GateShape.Meta.fields, "evidence"]

    def get_evidence(self, gate: ReleaseGate) -> list[dict]:
        """Every requirement: what is there, its digest, its age, its end."""
        return [row.to_json() for row in rows_of(gate)]


class SignoffShape(serializers.ModelSerializer):
    """A signature, and whether it counts now."""

    rollout = serializers.CharField(source="pack.gate.rollout.key")
    gate = serializers.CharField(source="pack.gate.letter")
    pack = serializers.IntegerField(source="pack.number")
    on_behalf_of = serializers.SerializerMethodField()
    is_stale = serializers.SerializerMethodField()
    stale_because = serializers.SerializerMethodField()
    differences = serializers.SerializerMethodField()

    class Meta:
        model = Signoff
        fields = [
            *("id", "rollout", "gate", "pack", "pack_hash", "role", "verdict", "name"),
            *("on_behalf_of", "rubric", "note", "statement", "statement_digest"),
            *("authenticated_by", "signed_at", "expires_at"),
            *("is_stale", "stale_because", "differences"),
        ]

    def _lapse(self, signoff: Signoff):
        if not hasattr(signoff, "found_lapse"):
            standings = round_of(signoff.pack).standings
            signoff.found_lapse = next(
                each.lapse for each in standings if each.signoff.pk == signoff.pk
            )
        return signoff.found_lapse

    def get_on_behalf_of(self, signoff: Signoff) -> str | None:
        """For whom, if it was delegated."""
        return str(signoff.giver) if signoff.giver else None

    def get_is_stale(self, signoff: Signoff) -> bool:
        """Whether it has stopped counting."""
        return self._lapse(signoff) is not None

    def get_stale_because(self, signoff: Signoff) -> str:
        """Why it has."""
        lapse = self._lapse(signoff)
        return lapse.says if lapse else ""

    def get_differences(self, signoff: Signoff) -> list[dict]:
        """Which requirements are not what they were."""
        lapse = self._lapse(signoff)
        return [each.to_json() for each in lapse.differences] if lapse else []


class GatesView(RolloutView):
    """The release gates of a rollout."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="List release gates",
        parameters=[ROLLOUT],
        responses=GateShape(many=True),
    )
    def get(self, request: Request) -> Response:
        found = ReleaseGate.objects.filter(rollout__key=self.key)
        return Response(GateShape(found.select_related("rollout"), many=True).data)


class GateView(RolloutView):
    """One release gate with its evidence map."""

    may = {"GET": May.READ}

    @extend_schema(
        summary="Read a release gate", parameters=[ROLLOUT], responses=WholeGateShape
    )
    def get(self, request: Request, letter: str) -> Response:
        gate = release_gates.find(self.key, letter)
        return Response(WholeGateShape(gate).data)


class NewGate(Because):
    """What the gate shall say."""

    gate = serializers.DictField()


class ProposeGateView(RolloutView):
    """Ask for a gate, or another wording; another person approves it."""

    may = {"POST": May.PROPOSE_CHANGE}

    @extend_schema(
        summary="Propose a release gate",
        parameters=[ROLLOUT],
        request=NewGate,
        responses={202: Asked},
        examples=[GATE_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, letter: str) -> Response:
        said = self.said(NewGate)
        asked = release_gates.propose(
            self.key, letter, said["gate"], by=self.actor, reason=said["reason"]
        )
        return Response(Asked(asked).data, status=202)


class NewWaiver(Because):
    """Which requirement need not be met, and until when."""

    requirement = serializers.CharField(max_length=100)
    until = serializers.DateTimeField()


class WaiveView(RolloutView):
    """Ask for a waiver; another person grants it."""

    may = {"POST": May.PROPOSE_WAIVER}

    @extend_schema(
        summary="Ask for a waiver",
        parameters=[ROLLOUT],
        request=NewWaiver,
        responses={202: Asked},
    )
    @idempotent
    def post(self, request: Request, letter: str) -> Response:
        said = self.said(NewWaiver)
        asked = waivers.request_waiver(
            self.key,
            letter,
            said["requirement"],
            said["until"],
            by=self.actor,
            reason=said["reason"],
        )
        return Response(Asked(asked).data, status=202)


class OpenView(RolloutView):
    """Ask to open the last stage for general use; another person confirms it."""

    may = {"POST": May.REQUEST_EXPOSURE}

    @extend_schema(
        summary="Request general availability",
        parameters=[ROLLOUT],
        request=Because,
        responses={202: Asked},
        examples=[REASON_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, stage: str) -> Response:
        found = stages.find(self.key, stage)
        asked = availability.request_availability(
            found.pk, by=self.actor, reason=self.said()["reason"]
        )
        return Response(Asked(asked).data, status=202)


class SignoffsView(RolloutView, ListAPIView):
    """The signatures of a rollout, newest first. Signing itself takes a person."""

    may = {"GET": May.READ}
    serializer_class = SignoffShape

    @extend_schema(
        summary="List signatures",
        parameters=[
            ROLLOUT,
            OpenApiParameter(
                "gate", str, enum=list(LETTERS), description="Only of this gate."
            ),
            OpenApiParameter("role", str, enum=list(SigningRole)),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Signoff]:
        found = Signoff.objects.filter(pack__gate__rollout__key=self.key)
        if letter := self.chosen("gate", LETTERS):
            found = found.filter(pack__gate__letter=letter)
        if role := self.chosen("role", SigningRole):
            found = found.filter(role=role)
        return found.select_related("pack__gate__rollout", "giver")
