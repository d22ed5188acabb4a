"""Who submitted, edited or conducted something in a pack: nobody of them signs it.

A token counts as its owner. Who approved, observed or reviewed is not among them: that
is what a second person is for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from drills.domain.drills import State
from drills.domain.signoffs import Part
from drills.models import Drill, PackOrder, ReleaseGate, VerificationRun, Waiver
from drills.services.sources import Sources
from portal.domain.approvals import ApprovalState
from portal.models import Actor, Approval, Person
from rollout.domain.changes import ChangeState
from rollout.models import RunDocument

# Requests of these kinds of row, once confirmed, are what documents are made of.
EDITED = {
    "drills.matrixrow": "the response matrix",
    "drills.operatorrunbook": "the runbooks",
}


@dataclass
class Involved:
    """The people who had a part in something, each with what they did."""

    parts: dict[int, list[str]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def add(self, person: Person | None, part: Part, what: str) -> None:
        """Somebody did something, if it was somebody."""
        if person is not None:
            said = f"{part} of {what}"
            parts = self.parts.setdefault(person.pk, [])
            if said not in parts:
                parts.append(said)
            self.names[person.pk] = str(person)


def in_evidence(gate: ReleaseGate, sources: Sources) -> Involved:
    """Who had a part in what the sources of a gate rest on now."""
    found = Involved()
    for each in _changes(gate):
        found.add(each.author_person, Part.AUTHOR, f"change {each.pk}")
    for approval in _edits(gate):
        what = EDITED.get(approval.subject_type, f"gate {gate.letter}")
        found.add(approval.requester_person, Part.EDITOR, what)
    drills = [each.drill for each in sources.standings.values() if each.drill]
    for drill in drills:
        _add_drill(found, drill)
    _add_verification(found, sources.verified)
    for waiver in _waivers(gate, sources):
        what = f"waiver {waiver.pk} ({waiver.requirement})"
        found.add(waiver.approval.requester_person, Part.SUBMITTER, what)
    for actor in _reporters(sources):
        found.add(actor.person_behind, Part.SUBMITTER, f"runs, by {actor.name}")
    return found


def add_submitter(found: Involved, order: PackOrder) -> None:
    """Whoever asked for the pack has submitted it."""
    found.add(order.asked_by.person_behind, Part.SUBMITTER, f"pack {order.number}")


def _changes(gate: ReleaseGate) -> Iterable:
    applied = gate.rollout.changes.filter(state=ChangeState.APPLIED)
    return (
        applied.exclude(author_person=None)
        .order_by("author_person_id", "-pk")
        .distinct("author_person")
        .select_related("author_person")
        .defer("edits", "risks")
    )


def _edits(gate: ReleaseGate) -> Iterable[Approval]:
    of_gate = Q(subject_type=gate._meta.label_lower, subject_id=str(gate.pk))
    of_gate &= Q(act="drills.release_gate.change")
    confirmed = Approval.objects.filter(
        of_gate | Q(subject_type__in=list(EDITED)), state=ApprovalState.CONFIRMED
    )
    return confirmed.select_related("requester_person").order_by("pk")


def _add_drill(found: Involved, drill: Drill) -> None:
    what = f"drill {drill.pk} ({drill.scenario})"
    if drill.state == State.PASSED:
        found.add(drill.conductor.person_behind, Part.CONDUCTOR, what)
        by = drill.captures.order_by().values_list("captured_by").distinct()
        for actor in Actor.objects.filter(pk__in=by).select_related(*_BEHIND):
            found.add(actor.person_behind, Part.SUBMITTER, f"artifacts of {what}")


def _add_verification(found: Involved, run: VerificationRun | None) -> None:
    if run is not None:
        what = f"verification {run.pk}"
        found.add(run.asked_by.person_behind, Part.CONDUCTOR, what)


def _waivers(gate: ReleaseGate, sources: Sources) -> Iterable[Waiver]:
    found = Waiver.objects.filter(gate=gate, ended_at=None, expires_at__gt=sources.now)
    return found.select_related("approval__requester_person")


_BEHIND = ("person", "token__owner")


def _reporters(sources: Sources) -> Iterable[Actor]:
    """Who sent the documents of the runs that the evaluation rests on."""
    if sources.attempt is None:
        return []
    sent = RunDocument.objects.filter(run__attempt=sources.attempt).order_by()
    by = sent.values_list("received_from").distinct()
    return Actor.objects.filter(pk__in=by).select_related(*_BEHIND)
