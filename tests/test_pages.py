"""Every page there is: it opens, brings what it needs, and stays as cheap as it was."""

import re
from collections import Counter

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from drills.domain.incidents import Severity
from portal import sessions
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import Role
from tests import lived_in
from tests.builders import a_person
from tests.drills.builders import an_incident
from tests.pages import links_in, reachable
from tests.rollout.builders import a_finished_run

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
FEWEST_KINDS = 100
MORE = 12  # of everything
# A gate asks of all of its evidence anew, the start page of everything; a list takes 8.
MOST_QUERIES = 90


def asked_by(client: Client, path: str) -> tuple[Counter, HttpResponse]:
    """The queries of a page, by how they begin, and the page."""
    cache.clear()
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return Counter(each["sql"].split("WHERE")[0] for each in seen), answer


def test_every_page_is_whole_and_costs_no_more_with_more_behind_it(monkeypatch):
    monkeypatch.setattr(sessions, "NOTE_EVERY_S", 3600)  # a write now and then
    client = Client()
    client.force_login(lived_in.fill(), BACKEND)
    before: dict[str, int] = {}

    def links_of(path: str) -> list[str]:
        asked, answer = asked_by(client, path)
        before[path] = asked.total()
        text = answer.content.decode()
        assert not re.search(r'(?:src|<link[^>]+href)="(https?:)?//', text), path
        policy = dict(
            each.strip().split(" ", 1)
            for each in answer["content-security-policy"].split(";")
            if " " in each.strip()
        )
        assert "unsafe-inline" not in policy["script-src"], path
        assert asked.total() <= MOST_QUERIES, path
        return links_in(text, path)

    assert len(list(reachable(links_of))) >= FEWEST_KINDS
    for number in range(MORE):
        a_finished_run(f"more-{number}")
        an_incident(severity=Severity.LOW)
        a_person("operator")
        lived_in.propose_more_runs()

    grown = []
    for path, few in before.items():
        asked, _ = asked_by(client, path)
        if asked.total() > few:
            worst = asked.most_common(1)
            grown.append(f"{path}: {few} → {asked.total()}: {worst}")
    assert not grown, "\n".join(grown)


def test_nobody_is_led_where_they_may_not_go():
    lived_in.fill()

    refused = [said for role in Role for said in refusals_met_by(role)]

    assert not refused, "\n".join(refused)


def refusals_met_by(role: Role) -> list[str]:
    """Follow every link as somebody with one role: what is refused, and from where."""
    somebody = lived_in.a_settled_person(role, name=f"Another {role}")
    client = Client()
    client.force_login(somebody, BACKEND)
    led_from: dict[str, str] = {}
    refused = []

    def links_of(path: str) -> list[str]:
        answer = client.get(path)
        if answer.status_code != 200:
            where = f"{role}: {led_from.get(path)} → {path}"
            refused.append(f"{where}: {answer.status_code}")
            return []
        links = links_in(answer.content.decode(), path)
        led_from.update({link: path for link in links if link not in led_from})
        return links

    assert len(list(reachable(links_of))) > FEWEST_KINDS / 2
    return refused


def test_every_list_says_what_to_do_while_it_is_empty():
    silent = [
        str(model._meta.label)
        for model, page in admin.site._registry.items()
        if isinstance(page, GovernedAdmin) and not getattr(page, "empty_says", "")
    ]

    assert silent == ["portal.LedgerEntry"]  # signing in makes a line
    assert all(
        isinstance(page, GovernedAdmin) for page in admin.site._registry.values()
    )
