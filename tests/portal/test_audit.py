import csv
import io
import json
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from portal import clock
from portal.domain.ledger import leaf_of
from portal.domain.merkle import is_consistent, is_included
from portal.domain.verbs import Verb
from portal.models import Checkpoint, LedgerEntry
from portal.services import actors, ledger_search, people, sealing
from portal.services.ledger_search import Wanted
from tests.builders import a_person, the_last_line
from tests.rollout.test_admin import signed_in

pytestmark = pytest.mark.django_db
LIST = "/admin/portal/ledgerentry/"


def invited(name: str, reason: str = "test") -> None:
    people.invite(name, by=actors.host(), reason=reason)


def found(**wanted) -> list[int]:
    return [line.seq for line in ledger_search.search(Wanted(**wanted)).lines]


@pytest.fixture
def history(sealer):
    """Entries 1 and 2 a day ago, 3 and 4 now."""
    with time_machine.travel(clock.now() - timedelta(days=1), tick=True):
        invited("anna", "first of all")
        invited("bert")
    invited("carl", "because of 100% bad luck")
    a_person("qa", name="dora")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"who": "SYST"}, [5, 4, 3, 2, 1]),
        ({"who": "nobody"}, []),
        ({"verb": "portal.role"}, [5]),
        ({"subject": "anna"}, [1]),
        ({"text": "100%"}, [3]),
        ({"text": "FIRST OF"}, [1]),
        ({"request_id": "no"}, []),
        ({"since": timedelta(hours=-1)}, [5, 4, 3]),
        ({"until": timedelta(hours=-1)}, [2, 1]),
        ({"since": timedelta(hours=-1), "text": "first"}, []),
        ({"until": timedelta(days=-9)}, []),
    ],
)
def test_the_ledger_is_searched_by_who_what_when_and_why(history, wanted, expected):
    now = clock.now()
    asked = {k: now + v if isinstance(v, timedelta) else v for k, v in wanted.items()}

    assert found(**asked) == expected


def test_pages_lead_through_everything_once(history):
    seen, before = [], None
    while True:
        page = ledger_search.search(Wanted(), before=before, limit=2)
        seen += [line.seq for line in page.lines]
        before = page.before
        if before is None:
            break

    assert seen == [5, 4, 3, 2, 1]


def test_a_page_looks_no_further_than_its_window_and_leads_on(history, monkeypatch):
    monkeypatch.setattr(ledger_search, "WINDOW", 2)

    page = ledger_search.search(Wanted(text="first"))

    assert (page.lines, page.before) == ([], 4)
    lines = list(ledger_search.everything(Wanted(text="first")))
    assert [line.seq for line in lines] == [1]


def test_an_auditor_searches_on_a_page(client, history):
    signed_in(client, "auditor")

    page = client.get(LIST, {"text": "bad luck", "who": "system"}).content.decode()

    assert "because of 100% bad luck" in page
    assert "first of all" not in page


def test_a_page_counts_nothing(client, history, django_assert_max_num_queries):
    signed_in(client, "auditor")
    client.get(LIST)

    with django_assert_max_num_queries(20) as queries:
        client.get(LIST, {"text": "luck"})

    assert not [q for q in queries.captured_queries if "COUNT" in q["sql"]]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"before": "x"},
        {"before": "99999999999999999999999"},
        {"text": "\0"},
        {"who": "x" * 5000},
        {"verb": "%_\\"},
    ],
)
def test_what_cannot_be_searched_for_is_said(client, history, query):
    signed_in(client, "auditor")

    assert client.get(LIST, query).status_code == 200


def test_an_export_is_a_table_without_formulas_and_is_written_down(client, history):
    sealing.seal()
    invited("evil", '=HYPERLINK("https://example.org")')
    signed_in(client, "auditor")

    answer = client.post(f"{LIST}export/", {"form": "csv", "verb": "portal.person"})

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert '\'=HYPERLINK("https://example.org")' in {row["reason"] for row in rows}
    assert {row["verb"] for row in rows} == {Verb.PERSON_INVITED}
    assert the_last_line()[1] == Verb.LEDGER_EXPORTED
    body = json.loads(LedgerEntry.objects.first().body)
    assert body["details"]["wanted"] == {"verb": "portal.person"}


def test_an_export_of_exact_texts_has_what_was_hashed(client, history):
    sealing.seal()
    signed_in(client, "auditor")

    answer = client.post(f"{LIST}export/", {"form": "jsonl"})

    lines = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert len(lines) == LedgerEntry.objects.count()
    for line in lines:
        assert leaf_of(line["body"].encode()).hex() == line["leaf"]


def test_nobody_exports_by_a_link(client, history):
    signed_in(client, "auditor")

    assert client.get(f"{LIST}export/").status_code == 405
    assert reverse("admin:portal_ledgerentry_export") == f"{LIST}export/"


def test_the_api_gives_out_what_was_signed_and_proves_it(client, history):
    first = sealing.seal()
    signed_in(client, "auditor")
    last = sealing.seal()

    latest = client.get("/api/v1/audit/checkpoints/latest").json()
    listed = client.get("/api/v1/audit/checkpoints").json()["items"]
    keys = client.get("/api/v1/audit/keys").json()["items"]
    inclusion = client.get("/api/v1/audit/inclusion?seq=2").json()
    consistency = client.get(f"/api/v1/audit/consistency?old={first.size}").json()

    assert latest["note"] == last.note == listed[0]["note"]
    assert keys[0]["key"].startswith("test.example/ledger+")
    root = bytes(last.root)
    leaf = bytes(LedgerEntry.objects.get(seq=2).leaf)
    path = [bytes.fromhex(each) for each in inclusion["hashes"]]
    assert is_included(leaf, 1, inclusion["size"], path, root)
    path = [bytes.fromhex(each) for each in consistency["hashes"]]
    assert is_consistent(first.size, bytes(first.root), last.size, root, path)


def test_the_api_filters_by_actor_and_time(client, history):
    signed_in(client, "auditor")
    moment = (clock.now() - timedelta(hours=1)).isoformat()

    def seqs(**query) -> list[int]:
        items = client.get("/api/v1/audit", query).json()["items"]
        return [item["seq"] for item in items]

    assert seqs(until=moment) == [2, 1]
    assert seqs(until=moment, actor="nobody") == []
    assert seqs(since=moment, verb="portal.person.invited")[-1] == 3


@pytest.mark.parametrize(
    "path",
    [
        "audit?since=yesterday",
        "audit?until=2026-13-01T00:00:00Z",
        "audit/inclusion",
        "audit/inclusion?seq=x",
        "audit/inclusion?seq=0",
        "audit/inclusion?seq=1&size=99",
        "audit/consistency?old=99",
        "audit/inclusion?seq=99999999999999999999",
    ],
)
def test_what_cannot_be_asked_is_refused(client, history, path):
    sealing.seal()
    signed_in(client, "auditor")

    answer = client.get(f"/api/v1/{path}")

    assert answer.status_code == 422, answer.content


def test_before_anything_is_signed_the_api_says_so(client, history):
    signed_in(client, "auditor")
    assert not Checkpoint.objects.exists()

    answer = client.get("/api/v1/audit/checkpoints/latest")

    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_SEALED")
