"""Looking things up, what the words mean, and what has changed meanwhile."""

import re

import pytest
from django.urls import reverse

from portal import search
from portal.models import LedgerEntry, Person
from portal.search import Found
from portal.services import actors, people
from tests.builders import PASSWORD, a_person, an_actor

pytestmark = pytest.mark.django_db


def sign_in(client, person: Person) -> None:
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    answer = client.post(
        reverse("admin:login"), {"username": person.username, "password": PASSWORD}
    )
    assert answer.status_code == 302


def words_of(answer) -> str:
    assert answer.status_code == 200
    text = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", answer.content.decode())
    return " ".join(text.split())


# Search


def looked_up(words: str) -> list[tuple[str, str]]:
    return [(found.kind, found.title) for found in search.find(words)]


def test_people_are_found_by_a_part_of_their_name():
    a_person("engineer", name="Rosalind Franklin")

    assert ("People", "Rosalind Franklin") in looked_up("frank")
    assert looked_up("nobody is called so") == []


def test_a_line_of_the_ledger_is_found_by_its_number():
    a_person()
    entry = LedgerEntry.objects.order_by("-seq")[0]

    for words in (str(entry.seq), f"#{entry.seq}"):
        assert ("Ledger", f"{entry.seq} · {entry.verb}") in looked_up(words)


def test_what_is_found_is_on_a_page_that_works_without_scripts(client):
    sign_in(client, a_person("auditor", name="Grace Hopper"))

    found = client.get(reverse("admin:find"), {"q": "  hopper "})

    assert "Grace Hopper" in words_of(found)
    assert re.search(r'href="/admin/portal/person/\d+/change/"', found.content.decode())


@pytest.mark.parametrize(
    "odd", ["", "\0", "%", "a" * 5000, "<b>", "9" * 40, "\u202eabc"]
)
def test_nothing_that_is_looked_for_breaks_the_page(client, odd):
    sign_in(client, a_person("auditor"))

    answer = client.get(reverse("admin:find"), {"q": odd})

    assert answer.status_code == 200
    assert "<b>" not in answer.content.decode().split('id="content"')[1]


def test_whoever_is_not_signed_in_finds_nothing(client):
    assert "/login/" in client.get(reverse("admin:find"), {"q": "x"}).url


def test_the_newest_rows_are_looked_at_and_never_the_whole_past(monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 1)
    old, new = a_person(name="old one"), a_person(name="new one")

    found = search.newest(Person, full_name__contains="one")

    assert old.pk < new.pk
    assert list(found) == [new]


def test_every_finder_leads_to_a_page_of_the_portal():
    a_person(name="somebody")

    for found in search.find("some"):
        assert isinstance(found, Found)
        assert found.url.startswith("/admin/")


# What has changed


def test_it_is_told_what_others_did_since_the_visit_before(client):
    person = a_person("auditor")
    friend = an_actor("administrator", name="Ada")
    sign_in(client, person)
    client.logout()
    people.invite("new-one", by=friend, reason="she joins us", full_name="New One")
    sign_in(client, person)

    said = words_of(client.get(reverse("admin:since")))

    assert "You were here before on" in said
    assert "Person invited" in said
    assert "she joins us" in said


def test_what_one_did_oneself_is_not_told(client):
    person = a_person("administrator")
    sign_in(client, person)
    client.logout()
    me = actors.for_person(person)
    people.invite("new-one", by=me, reason="my own reason", full_name="New One")
    sign_in(client, person)

    assert "my own reason" not in words_of(client.get(reverse("admin:since")))


def test_the_first_visits_explain_the_start_page(client):
    person = a_person("auditor")
    start = reverse("admin:index")

    for is_new in (True, True, True, False):
        sign_in(client, person)
        assert ("New here?" in words_of(client.get(start))) == is_new
        client.logout()


# Words and times


def test_every_word_of_the_glossary_is_on_a_page(client):
    sign_in(client, a_person("auditor"))

    said = words_of(client.get(reverse("admin:words")))

    assert "rollout the thing being rolled out" in said
    assert "word meaning" not in said


def test_times_are_in_the_zone_of_the_browser_or_in_utc(client):
    sign_in(client, a_person("auditor"))

    for zone, shown in (
        ("Asia/Tokyo", "Times are in Asia/Tokyo"),
        ("../../etc/passwd", "Times are in UTC"),
        ("Nowhere/Never", "Times are in UTC"),
    ):
        client.cookies["timezone"] = zone
        assert shown in words_of(client.get(reverse("admin:find")))
