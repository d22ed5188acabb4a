"""Release gates: the page on which they are signed, and what was signed."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from drills.admin.gate_acts import (
    ACTS,
    CALLED,
    DELEGATION_ACTS,
    delegated_to,
    evidence_of,
    page_of,
)
from drills.domain import signoffs as domain
from drills.domain.signoffs import Obstacle, Signer, SigningRole
from drills.models import (
    Availability,
    Delegation,
    ReleaseGate,
    Signoff,
    Waiver,
)
from drills.services import (
    availability,
    involved,
    packs,
    signatures,
    signoffs,
    waivers,
)
from drills.services.delegations import ACT_OF
from drills.services.release_gates import CHANGE_GATE
from drills.services.signatures import Round
from drills.services.sources import Sources, sources_of
from drills.services.waivers import WAIVE
from portal import clock
from portal.admin.acts import Act, Shown
from portal.admin.approvals import Explained, explain
from portal.admin.governed import GovernedAdmin
from portal.domain.approvals import ApprovalState
from portal.domain.roles import May, who_may
from portal.models import Actor, Approval
from portal.services.access import may
from portal.sessions import actor_of
from portal.streams import stream_url
from rollout.admin.stages import BEYOND, Beyond
from rollout.domain.readiness import Check
from rollout.models import Stage
from rollout.services import rollouts

SHOWN = 10  # packs of a gate, and people of a role
Against = Callable[[Signer], list[Obstacle]]


@admin.register(ReleaseGate)
class ReleaseGateAdmin(GovernedAdmin):
    """What people sign before more is opened."""

    list_display = ["named", "rollout", "title", "shown_version", "shown_standing"]
    list_display_links = ["named"]
    list_filter = ["letter", "rollout"]
    search_fields = ["title", "purpose"]
    list_select_related = ["rollout"]
    change_form_template = "drills/release_gate.html"
    empty_says = "No rollout has a release gate yet. Propose one."
    acts = ACTS

    @admin.display(description="gate")
    def named(self, gate: ReleaseGate) -> str:
        return f"Gate {gate.letter}"

    @admin.display(description="version")
    def shown_version(self, gate: ReleaseGate) -> str:
        return str(gate.version) if gate.version else "proposed"

    @admin.display(description="standing")
    def shown_standing(self, gate: ReleaseGate) -> str:
        found = signatures.of_gate(gate)
        mark = "✓ signed" if found.is_signed else found.says
        return format_html("<span>{}</span>", mark)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReleaseGate]:
        return super().get_queryset(request).select_related("rollout")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        gate = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            **(_page_of(gate, actor_of(request)) if gate else {}),
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _page_of(gate: ReleaseGate, reader: Actor) -> dict[str, Any]:
    """Everything that signers look at."""
    sources = sources_of(gate)
    standing = signatures.of_gate(gate)
    rounds = signatures.rounds_of(gate)
    pack = packs.newest(gate)
    found = next((each for each in rounds if each.pack == pack), None)
    if pack is not None and found is None:
        pack.gate = gate
        found = Round(pack, sources)
    stage = rollouts.last_stage(gate.rollout)
    is_last_gate = gate.letter == availability.LETTER and stage is not None
    against = _against(found, sources)
    orders = list(
        gate.orders.select_related("pack", "asked_by").order_by("-number")[:SHOWN]
    )
    return {
        "gate": gate,
        "standing": standing,
        "round": found,
        "rounds": rounds[:SHOWN],
        "evidence": evidence_of(gate),
        "files": _told(found),
        "since_signature": _since(standing.round, found),
        "orders": orders,
        "under_way": bool(orders) and not hasattr(orders[0], "pack"),
        "who": list(_who(against)),
        "yours": list(_yours(reader, against)),
        "assembles": who_may(May.ASSEMBLE_PACK),
        "waivers": waivers_of(gate),
        "pending": Approval.objects.filter(
            subject_type=gate._meta.label_lower,
            subject_id=str(gate.pk),
            state=ApprovalState.PENDING,
        ).select_related("requester"),
        "stage": stage if is_last_gate else None,
        "opened": availability.in_force(stage) if is_last_gate else None,
        "opening": _opening(gate, stage) if is_last_gate else [],
    }


def _opening(gate: ReleaseGate, stage: Stage) -> list[Check]:
    """What has a say in opening it; what leads to this very page leads nowhere."""
    return [
        replace(check, remedy="") if check.link == page_of(gate) else check
        for check in availability.checks(stage)
    ]


def _told(found: Round | None) -> list[str]:
    """The transcripts and drills that the newest pack brings."""
    if found is None:
        return []
    folders = ("verification/", "drills/")
    names = packs.said_in(found.pack)["files"]
    return [path for path in sorted(names) if path.startswith(folders)]


def _since(signed: Round | None, newest: Round | None) -> list[dict[str, str]]:
    """What the newest pack says otherwise than the one that was signed last."""
    if signed is None or newest is None or signed.pack.pk == newest.pack.pk:
        return []
    before = {e["key"]: e for e in packs.said_in(signed.pack)["evidence"]}
    now = {e["key"]: e for e in packs.said_in(newest.pack)["evidence"]}
    return [
        {
            "requirement": (now.get(key) or before[key])["title"],
            "before": before[key]["line"] if key in before else "was not required",
            "after": now[key]["line"] if key in now else "is not required any more",
        }
        for key in dict.fromkeys([*before, *now])
        if key not in before
        or key not in now
        or before[key]["digest"] != now[key]["digest"]
    ]


def _against(found: Round | None, sources: Sources) -> Against:
    """What speaks against a signer: by the newest pack, or by what one would hold."""
    if found is not None:
        return lambda signer: signoffs.obstacles(signer, found)
    parts = involved.in_evidence(sources.gate, sources).parts
    return lambda signer: domain.obstacles(
        signer, involved=parts, others=(), now=sources.now
    )


def _who(against: Against) -> Iterable[dict[str, Any]]:
    """Everybody who holds a role that signs, and what stands against each."""
    for role in SigningRole:
        for person, signer in signatures.holders(role, most=SHOWN):
            yield {
                "person": person,
                "role": CALLED[role],
                "obstacles": against(signer),
            }


def _yours(reader: Actor, against: Against) -> Iterable[dict[str, Any]]:
    """What stands against whoever reads this, in each role that they can sign in."""
    for role in SigningRole:
        delegation = delegated_to(reader, role)
        if reader.person and (delegation or may(reader, ACT_OF[role])):
            signer, _ = signatures.signer(reader.person, role, delegation)
            yield {
                "role": CALLED[role],
                "giver": delegation and delegation.giver,
                "obstacles": against(signer),
            }


def waivers_of(gate: ReleaseGate) -> list[Waiver]:
    """The waivers that were granted lately, those that count first."""
    found = gate.waivers.select_related(
        "approval__requester", "approval__decider", "ended_by"
    )
    now = clock.now()
    newest = list(found.order_by("-pk")[:SHOWN])
    for each in newest:
        each.counts = each.ended_at is None and each.expires_at > now
    return newest


@admin.register(Signoff)
class SignoffAdmin(GovernedAdmin):
    """Who signed what, and whether it still counts; append-only."""

    list_display = [
        *("id", "shown_verdict", "name", "role", "pack", "signed_at", "expires_at"),
    ]
    list_filter = ["verdict", "role"]
    search_fields = ["name", "pack_hash", "=id"]
    list_select_related = ["pack__gate__rollout", "lapse"]
    change_form_template = "drills/signoff.html"
    empty_says = "Nobody has signed anything yet. Gates are signed on their pages."

    @admin.display(description="verdict")
    def shown_verdict(self, signoff: Signoff) -> str:
        is_stale = hasattr(signoff, "lapse")
        said = signoff.get_verdict_display()
        return format_html("<s>{}</s> stale", said) if is_stale else said

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        signoff = self.get_object(request, object_id)
        context = {**(extra_context or {})}
        if signoff is not None:
            found = signatures.round_of(signoff.pack)
            context["standing"] = next(
                each for each in found.standings if each.signoff.pk == signoff.pk
            )
            context["gate"] = signoff.pack.gate
        return super().change_view(request, object_id, form_url, context)


def _end_waiver(waiver: Waiver, actor: Actor, said: dict[str, Any]) -> str:
    waivers.end(waiver.pk, by=actor, reason=said["reason"])
    return "The requirement counts again."


@admin.register(Waiver)
class WaiverAdmin(GovernedAdmin):
    """Requirements that need not be met for a while."""

    list_display = ["id", "gate", "requirement", "granted_at", "expires_at", "ended_at"]
    list_filter = ["gate"]
    search_fields = ["requirement", "reason"]
    list_select_related = ["gate__rollout"]
    empty_says = "Nothing was waived. That is asked for on the page of its gate."
    acts = (
        Act(
            name="end",
            title="End this waiver",
            may=May.PROPOSE_WAIVER,
            perform=_end_waiver,
            hidden=lambda waiver, actor: waiver.ended_at is not None,
            effects=lambda waiver: [
                "The requirement counts again at once; signatures that rest on the "
                "waiver are stale."
            ],
        ),
    )


@admin.register(Delegation)
class DelegationAdmin(GovernedAdmin):
    """Who may sign for whom, and until when."""

    list_display = ["id", "role", "giver", "receiver", "given_at", "until", "ended_at"]
    list_filter = ["role"]
    search_fields = ["giver__username", "receiver__username", "reason"]
    list_select_related = ["giver", "receiver"]
    empty_says = "Nobody signs for anybody else."
    acts = DELEGATION_ACTS


@admin.register(Availability)
class AvailabilityAdmin(GovernedAdmin):
    """What was opened for general use, on which signatures."""

    list_display = ["id", "attempt", "architect", "qa", "opened_by", "opened_at"]
    list_select_related = ["attempt__stage", "architect", "qa", "opened_by"]
    list_filter = ["attempt__stage__rollout"]
    search_fields = ["attempt__stage__name", "opened_by__name"]
    empty_says = "Nothing was opened for general use yet."


# What the page of the last stage says of what comes after it


def _beyond(stage: Stage) -> Iterable[Beyond]:
    """After the last stage comes general availability, which takes its gate."""
    if stage != rollouts.last_stage(stage.rollout):
        return
    gate, standing = availability.signed(stage)
    if gate is not None and standing is not None:
        is_signed = "is signed" if standing.is_signed else "is not signed yet"
        yield Beyond(
            "After the last stage comes general availability: one act opens it for "
            f"everybody. It takes gate {gate.letter}, which an architect and QA sign; "
            f"it {is_signed}.",
            f"Gate {gate.letter}: {gate.title}",
            page_of(gate),
        )


BEYOND.append(_beyond)


# What whoever decides on a request reads


def _of_waiver(approval: Approval) -> list[str]:
    gate = ReleaseGate.objects.get(pk=approval.subject_id)
    key = approval.payload["requirement"]
    return [
        f"{gate.gate.requirement(key).title} need not be met until "
        f"{approval.payload['until'][:16]} UTC.",
        f"{approval.requester} has submitted it and cannot sign what rests on it.",
    ]


def _of_availability(approval: Approval) -> list[str]:
    return [
        "The last stage lets in everybody. Triggers, watchdog, the watch for late "
        "degradation and the switch stay armed.",
        f"It rests on pack {approval.base.get('pack') or 'none'}.",
    ]


def _checks(approval: Approval) -> Shown | None:
    stage = Stage.objects.filter(pk=approval.subject_id).first()
    if stage is None:
        return None
    return Shown("rollout/checks.html", {"checks": availability.checks(stage)})


def _of_gate(approval: Approval) -> list[str]:
    gate = ReleaseGate.objects.get(pk=approval.subject_id)
    before = gate.gate.to_json() if gate.version else {}
    after = approval.payload["gate"]
    said = [
        f"{name.capitalize()} becomes: {json.dumps(after[name], ensure_ascii=False)}"
        for name in after
        if before.get(name) != after[name]
    ]
    return [*said, "Signatures under the present wording are stale from then on."]


explain(WAIVE, Explained(_of_waiver))
explain(CHANGE_GATE, Explained(_of_gate))
explain(availability.OPEN, Explained(_of_availability, _checks))
