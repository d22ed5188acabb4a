"""What can be looked up about incidents, drills and what they rest on."""

from collections.abc import Iterator

from django.db.models import Model, TextField, Value
from django.db.models.functions import Concat
from django.urls import reverse

from drills.models import Drill, Incident, MatrixRow, ReleaseGate
from portal.search import MOST_EACH, Found, newest, number_in, register


def _page(row: Model) -> str:
    return reverse(f"admin:drills_{row._meta.model_name}_change", args=[row.pk])


@register
def incidents(words: str) -> Iterator[Found]:
    """By their number, or any part of their title."""
    named = newest(Incident, title__icontains=words)
    numbered = Incident.objects.filter(pk=number_in(words))
    for each in [*numbered, *named[:MOST_EACH]]:
        says = f"severity {each.severity}, {each.get_state_display().lower()}"
        yield Found("Incidents", f"{each.pk} · {each.title}", says, _page(each))


@register
def practised(words: str) -> Iterator[Found]:
    """Drills, by their number or scenario."""
    plain = words.lower().replace(" ", "_")
    named = newest(Drill, scenario__icontains=plain)
    numbered = Drill.objects.filter(pk=number_in(words))
    for drill in [*numbered, *named[:MOST_EACH]]:
        says = drill.get_state_display()
        yield Found("Drills", f"{drill.pk} · {drill}", says, _page(drill))


@register
def rows(words: str) -> Iterator[Found]:
    """Rows of the matrix, by any part of their symptom."""
    found = MatrixRow.objects.filter(symptom__icontains=words)
    for row in found.order_by("key")[:MOST_EACH]:
        yield Found("Matrix", row.symptom, f"severity {row.severity}", _page(row))


@register
def gates(words: str) -> Iterator[Found]:
    """Release gates, by their letter (`gate F`) or any part of their title."""
    named = (Value("release gate "), "letter", Value(": "), "title")
    called = Concat(*named, output_field=TextField())
    found = ReleaseGate.objects.annotate(called=called).filter(called__icontains=words)
    for gate in found.order_by("rollout", "letter")[:MOST_EACH]:
        title = f"Gate {gate.letter}: {gate.title}"
        yield Found("Release gates", title, gate.purpose, _page(gate))
