"""What has changed since somebody was last here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.models import Actor, LedgerEntry
from portal.services.access import require
from portal.sessions import actor_of

SHOWN_EACH = 5
LOOKED_AT = 5000  # lines; so that a long past costs nothing
ROUTINE: set[str] = set()  # verbs that tell no story; apps add theirs


@dataclass(frozen=True, slots=True)
class Happened:
    """What was done, how often, and the newest lines about it."""

    verb: str
    count: int
    newest: list[LedgerEntry]

    @property
    def title(self) -> str:
        """The verb as people say it, without the name of its app."""
        _, *rest = self.verb.split(".")
        return " ".join(rest).replace("_", " ").capitalize()

    @property
    def untold(self) -> int:
        """How many lines are not among the newest."""
        return self.count - len(self.newest)


@dataclass(frozen=True, slots=True)
class Digest:
    """What others did since `since`; `is_whole` unless that is too long ago."""

    since: datetime | None
    happened: list[Happened]
    is_whole: bool


def digest_for(actor: Actor) -> Digest:
    """What happened after this person's visit before this one.

    Not what they did themselves, nor what happens all the time. The newest `LOOKED_AT`
    lines are looked at, whatever the past.
    """
    visits = LedgerEntry.objects.filter(actor=actor, verb=Verb.PERSON_SIGNED_IN)
    known = list(visits.order_by("-seq").values_list("seq", "at")[:2])
    seq, since = known[1] if len(known) > 1 else (0, None)
    lines = LedgerEntry.objects.filter(seq__gt=seq).order_by("-seq")
    looked_at = list(lines.values_list("seq", "verb", "actor_id")[:LOOKED_AT])
    by_verb: dict[str, list[int]] = {}
    for number, verb, actor_id in looked_at:
        if verb not in ROUTINE and actor_id != actor.pk:
            by_verb.setdefault(verb, []).append(number)
    shown = [n for numbers in by_verb.values() for n in numbers[:SHOWN_EACH]]
    told = LedgerEntry.objects.defer("body").in_bulk(shown)
    happened = [
        Happened(verb, len(numbers), [told[n] for n in numbers[:SHOWN_EACH]])
        for verb, numbers in by_verb.items()
    ]
    return Digest(since, happened, len(looked_at) < LOOKED_AT)


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """By kind of act, the newest first."""
    actor = actor_of(request)
    require(actor, May.READ)
    said = {
        **context,
        "title": "Since you were last here",
        "digest": digest_for(actor),
    }
    return TemplateResponse(request, "portal/since.html", said)
