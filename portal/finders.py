"""What can be looked up of what every part shares."""

from collections.abc import Iterator

from django.db.models import Q
from django.urls import reverse

from portal.models import ApiToken, Approval, LedgerEntry, Person
from portal.search import MOST_EACH, Found, newest, number_in, register


def _page(model: str, pk: object) -> str:
    return reverse(f"admin:portal_{model}_change", args=[pk])


@register
def people(words: str) -> Iterator[Found]:
    """By any part of their names."""
    named = Q(username__icontains=words) | Q(full_name__icontains=words)
    for person in Person.objects.filter(named).order_by("username")[:MOST_EACH]:
        says = person.username if person.is_active else f"{person.username}, has left"
        yield Found("People", person.full_name, says, _page("person", person.pk))


@register
def tokens(words: str) -> Iterator[Found]:
    """By any part of their names; never by what they say."""
    found = ApiToken.objects.filter(name__icontains=words).select_related("owner")
    for token in found.order_by("-pk")[:MOST_EACH]:
        says = f"owned by {token.owner}"
        yield Found("API tokens", str(token), says, _page("apitoken", token.pk))


@register
def requests(words: str) -> Iterator[Found]:
    """Approvals, by what they are about."""
    found = newest(Approval, subject_name__icontains=words)
    for each in found[:MOST_EACH]:
        says = f"{each.get_state_display()}: {each.reason}"
        yield Found("Approvals", str(each), says, _page("approval", each.pk))


@register
def lines(words: str) -> Iterator[Found]:
    """A line of the ledger, by its number."""
    for entry in LedgerEntry.objects.filter(seq=number_in(words)):
        yield Found(
            "Ledger",
            f"{entry.seq} · {entry.verb}",
            f"{entry.actor_name}: {entry.subject_name}",
            _page("ledgerentry", entry.pk),
        )
