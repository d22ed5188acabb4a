"""What can be looked up about a rollout and its runs."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Model, Q, TextField, Value
from django.db.models.functions import Concat
from django.urls import reverse

from portal.search import MOST_EACH, Found, number_in, register
from rollout.models import (
    Artifact,
    Decision,
    Flag,
    RolloutKind,
    Run,
    Segment,
    Snapshot,
    Stage,
)

DIGEST = "sha256:"


def _page(row: Model) -> str:
    return reverse(f"admin:rollout_{row._meta.model_name}_change", args=[row.pk])


@register
def runs(words: str) -> Iterator[Found]:
    """By the beginning of their name: there are many, and that has an index."""
    found = Run.objects.filter(run_id__startswith=words).select_related("rollout")
    for run in found.order_by("run_id")[:MOST_EACH]:
        says = f"{run.get_status_display()}, {run.rollout.name}"
        yield Found("Runs", run.run_id, says, _page(run))


@register
def flags(words: str) -> Iterator[Found]:
    """By any part of their key or description."""
    named = Q(key__icontains=words) | Q(description__icontains=words)
    for flag in Flag.objects.filter(named).order_by("key")[:MOST_EACH]:
        yield Found("Flags", flag.key, flag.description, _page(flag))


@register
def stages(words: str) -> Iterator[Found]:
    """By their number (`stage 3`), or any part of their name or key; no twin's."""
    named = (Value("stage "), "position", Value(": "), "name")
    called = Concat(*named, output_field=TextField())
    known = Stage.objects.filter(rollout__kind=RolloutKind.LIVE)
    found = known.annotate(called=called).select_related("rollout")
    wanted = Q(called__icontains=words) | Q(key__icontains=words)
    for stage in found.filter(wanted).order_by("rollout", "position")[:MOST_EACH]:
        says = f"{stage.get_state_display()}, {stage.rollout.name}"
        title = f"Stage {stage.position}: {stage.name}"
        yield Found("Stages", title, says, _page(stage))


@register
def segments(words: str) -> Iterator[Found]:
    """By any part of their key."""
    found = Segment.objects.filter(key__icontains=words).order_by("key")
    for segment in found[:MOST_EACH]:
        yield Found("Segments", segment.key, segment.description, _page(segment))


@register
def decisions(words: str) -> Iterator[Found]:
    """By their id."""
    try:
        known = UUID(words)
    except ValueError:
        return
    for decision in Decision.objects.filter(pk=known):
        says = f"{decision.workflow}: {decision.reason}"
        yield Found("Decisions", str(decision.pk), says, _page(decision))


@register
def snapshots(words: str) -> Iterator[Found]:
    """By their revision."""
    if (number := number_in(words)) is None:
        return
    for snapshot in Snapshot.objects.filter(revision=number)[:MOST_EACH]:
        title = f"Revision {snapshot.revision} of {snapshot.rollout}"
        yield Found("Snapshots", title, snapshot.reason, _page(snapshot))


@register
def artifacts(words: str) -> Iterator[Found]:
    """By their digest."""
    digest = words if words.startswith(DIGEST) else f"{DIGEST}{words}"
    if len(digest) != len(DIGEST) + 64:
        return
    found = Artifact.objects.filter(digest=digest).select_related("run")
    for artifact in found.order_by("pk")[:MOST_EACH]:
        yield Found("Artifacts", artifact.path, str(artifact.run), _page(artifact))
