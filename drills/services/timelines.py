"""Telling the timeline of an incident; parts of the acts that hold its row."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import F, Model
from django.db.models.functions import Greatest

from drills.domain import timeline as domain
from drills.domain.timeline import EntryKind
from drills.models import Incident, IncidentLink, TimelineEntry
from portal import clock
from portal.domain.redaction import redact
from portal.models import Actor

MOST_LINKED = 500  # by itself; people may link more


def tell(
    incident: Incident,
    kind: EntryKind,
    says: str,
    *,
    by: Actor,
    at: datetime | None = None,
    count: int = 1,
) -> None:
    """Add a line, or count it when an equal one stands in this chapter already."""
    now = clock.now()
    says = redact(says)
    key = domain.key(kind, says, chapter=incident.chapter)
    if key:
        known = TimelineEntry.objects.filter(incident=incident, key=key)
        if known.update(count=F("count") + count, last_at=Greatest("last_at", now)):
            return
    began = min(at or now, now)
    TimelineEntry.objects.create(
        incident=incident,
        kind=kind,
        key=key,
        says=says,
        actor=by,
        at=began,
        chapter=incident.chapter,
        count=count,
        last_at=now,
    )


def tell_signs(
    incident: Incident, signs: Counter[str], *, by: Actor, at: datetime
) -> None:
    """Add what was seen, each wording once with its count; not too many wordings."""
    of_chapter = incident.timeline.filter(kind=EntryKind.SIGN, chapter=incident.chapter)
    known = set(of_chapter.values_list("says", flat=True))
    counts: Counter[str] = Counter()
    for said, count in signs.items():
        says = redact(said)
        is_apart = says in known or len(known) < domain.MOST_DISTINCT
        if is_apart:
            known.add(says)
        counts[says if is_apart else domain.OTHERS] += count
    for says, count in counts.items():
        tell(incident, EntryKind.SIGN, says, by=by, at=at, count=count)


def link(incident: Incident, things: Iterable[Model], *, by: Actor) -> None:
    """Say what the incident is about; once each, and not without end."""
    room = MOST_LINKED - incident.links.count()
    named = {(each._meta.label_lower, str(each.pk)): each for each in things}
    rows = [
        IncidentLink(
            incident=incident,
            subject_type=label,
            subject_id=pk,
            subject_name=str(thing)[:300],
            linked_by=by,
            linked_at=clock.now(),
        )
        for (label, pk), thing in named.items()
    ]
    if room > 0 and rows:
        IncidentLink.objects.bulk_create(rows[:room], ignore_conflicts=True)
