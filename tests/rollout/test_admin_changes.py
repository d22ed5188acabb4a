"""The page of a change, and everything that is done with a change in the admin."""

import html
import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from portal import clock
from portal.models import Approval, LedgerEntry
from portal.services import actors
from rollout.domain.flags import WAVE1_AGENTS
from rollout.models import Change, Flag, Snapshot
from rollout.services import changes, configuration, proposals
from rollout.services.decisions import decide_for
from tests.builders import PASSWORD, an_actor, with_password
from tests.rollout.builders import ASKED, KEY, a_rollout, a_running_stage, a_service
from tests.rollout.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

AGENTS = f"/flags/{WAVE1_AGENTS}"
ENDPOINT = "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"


@pytest.fixture(autouse=True)
def rollout(db):
    return a_rollout()


def a_change(path: str = f"{AGENTS}/default", value=9, *, by=None, **how) -> Change:
    return changes.propose(
        KEY,
        proposals.patch([{"op": "replace", "path": path, "value": value}]),
        by=by or an_actor("engineer"),
        reason="The provider has room.",
        **how,
    )


def read(client, change: Change) -> str:
    response = client.get(page(Change, "change", change.pk))
    assert response.status_code == 200
    return response.content.decode()


def hidden(body: str) -> dict[str, str]:
    """The hidden fields of a form, as a browser would send them."""
    inputs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body)
    return {name: value for name, value in inputs if not name.startswith("csrf")}


def send(client, address: str, **said):
    """Open a form, fill it in, and send it."""
    opened = client.get(address)
    assert opened.status_code == 200, address
    return client.post(address, hidden(opened.content.decode()) | said)


def buttons(body: str) -> set[str]:
    return set(re.findall(r"/act/(\w+)/", body))


def test_the_page_says_what_changes_who_wants_it_and_what_it_takes(client):
    change = a_change()
    signed_in(client, "auditor")

    body = read(client, change)

    assert f"Flag {WAVE1_AGENTS}: default" in body
    assert "gone: </span>6" in body
    assert "new: </span>9" in body
    assert "▲ exposes more" in body
    assert "An architect or QA, another person, has to approve it." in body
    assert "The provider has room." in body
    assert change.author.name in body
    assert change.base_digest in body


def test_addresses_are_shown_without_their_credentials(client):
    secret = "https://me:hunter2@apify.example/x"
    change = a_change(f"/flags/{ENDPOINT}/default", secret)
    architect = an_actor("architect")
    changes.comment(change.pk, by=architect, reason="Which one?")
    person = signed_in(client, "architect", "auditor")
    mine = a_change(f"/flags/{ENDPOINT}/default", secret, by=actors.for_person(person))

    for body in (
        read(client, change),
        read(client, mine),
        client.get(page(Change, "edit", mine.pk)).content.decode(),
        client.get(page(Change, "approve", change.pk)).content.decode(),
    ):
        assert "https://apify.example/x" in body
        assert "hunter2" not in body


def test_the_preview_tells_who_would_be_decided_for_differently(client):
    a_running_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "in", **ASKED}, by=service, reason="asks")
    decide_for(
        KEY, {"run_id": "out", **ASKED, "team": "gamma"}, by=service, reason="asks"
    )
    change = a_change("/stages/offline-baseline/plan/teams", ["alpha", "gamma"])
    signed_in(client, "qa")

    body = re.sub(r"<[^>]+>", "", read(client, change))

    assert "Of the 2 decisions of the last 7 days, 1 would be different" in body
    assert "1 let in, 0 kept out" in body
    assert "workflow: standard → option_c" in body


def test_without_decisions_the_preview_says_so(client):
    signed_in(client, "qa")

    assert "No decision was recorded in the last 7 days" in read(client, a_change())


def test_two_people_approve_and_apply_through_pages(client):
    engineer = signed_in(client, "engineer")
    change = a_change(by=actors.for_person(engineer))
    assert buttons(read(client, change)) == {"edit", "cancel", "comment"}

    signed_in(client, "architect")
    approve = page(Change, "approve", change.pk)
    assert {"approve", "reject"} <= buttons(read(client, change))
    assert "new: </span>9" in client.get(approve).content.decode()
    wrong = send(client, approve, reason="Fine.", password="wrong")
    done = send(client, approve, reason="Fine.", password=PASSWORD)

    assert wrong.status_code == 422
    assert (done.status_code, done["location"]) == (
        302,
        page(Change, "change", change.pk),
    )
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 6

    client.force_login(engineer, "django.contrib.auth.backends.ModelBackend")
    assert {"apply", "schedule"} <= buttons(read(client, change))
    assert send(client, page(Change, "apply", change.pk), reason="Now.")
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 9
    body = read(client, change)
    assert buttons(body) == {"comment"}
    assert page(Snapshot, "change", Snapshot.objects.first().pk) in body


def test_nobody_approves_their_own_change_in_the_admin(client):
    person = signed_in(client, "architect")
    change = a_change(by=actors.for_person(person))

    assert "approve" not in buttons(read(client, change))
    refused = send(
        client, page(Change, "approve", change.pk), reason="Mine.", password=PASSWORD
    )

    assert refused.status_code == 422
    change.refresh_from_db()
    assert (change.state, change.approver) == ("open", None)


def test_an_engineer_is_not_offered_what_takes_an_architect(client):
    signed_in(client, "engineer")

    assert "approve" not in buttons(read(client, a_change()))
    assert "approve" in buttons(
        read(client, a_change("/flags/PAI_DR_CLI_RUNS_ROOT/default", "/elsewhere"))
    )


def test_an_auditor_reads_everything_and_only_comments(client):
    change = a_change()
    signed_in(client, "auditor")

    assert buttons(read(client, change)) == {"comment"}
    for act in ("approve", "apply", "schedule", "rebase", "edit", "reject", "cancel"):
        address = page(Change, act, change.pk)
        assert client.get(address).status_code == 403, act
        assert client.post(address, {"reason": "x"}).status_code == 403, act
    assert client.get(page(Change, "import")).status_code == 403
    change.refresh_from_db()
    assert change.state == "open"


def test_what_was_edited_while_somebody_looked_is_not_approved(client):
    engineer = an_actor("engineer")
    change = a_change(by=engineer)
    signed_in(client, "architect")
    approve = page(Change, "approve", change.pk)
    seen = hidden(client.get(approve).content.decode())
    changes.revise(
        change.pk,
        proposals.patch([{"op": "replace", "path": f"{AGENTS}/default", "value": 50}]),
        by=engineer,
        reason="More still.",
    )

    refused = client.post(approve, seen | {"reason": "Nine.", "password": PASSWORD})

    body = refused.content.decode()
    assert refused.status_code == 422
    assert "has changed since you opened it" in body
    assert "new: </span>50" in body
    assert "Nine." in body
    change.refresh_from_db()
    assert change.approver is None
    again = client.post(
        approve, hidden(body) | {"reason": "Fifty.", "password": PASSWORD}
    )
    assert again.status_code == 302


def test_a_form_that_is_sent_twice_is_carried_out_once(client):
    change = a_change()
    signed_in(client, "auditor")
    address = page(Change, "comment", change.pk)
    said = hidden(client.get(address).content.decode()) | {"reason": "Why nine?"}

    first, second = client.post(address, said), client.post(address, said)

    assert (first.status_code, second.status_code) == (302, 302)
    assert [each.text for each in change.comments.all()] == ["Why nine?"]
    body = read(client, change)
    assert "nothing was done a second time" in body
    assert "Why nine?" in body


def test_the_author_edits_and_is_shown_the_difference_first(client):
    person = signed_in(client, "engineer")
    change = a_change(by=actors.for_person(person))
    address = page(Change, "edit", change.pk)

    wrong = send(client, address, reason="Too many.", **{"after-0": "51"})
    looked = send(client, address, reason="Eight.", **{"after-0": "8"})
    body = looked.content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]
    assert "new: </span>8" in body
    assert "Nothing changes yet." in body
    change.refresh_from_db()
    assert change.edits[0]["after"] == 9
    said = {"reason": "Eight.", "after-0": "8", "shown": mark}
    done = client.post(address, hidden(body) | said)

    assert wrong.status_code == 422
    assert "It is from 1 to 50." in wrong.content.decode()
    assert done.status_code == 302
    change.refresh_from_db()
    assert (change.state, change.edits[0]["after"]) == ("open", 8)


def test_a_base_that_moved_is_explained_and_the_author_is_helped(client):
    person = signed_in(client, "engineer")
    change = a_change(by=actors.for_person(person))
    a_change(value=4)

    body = read(client, change)
    assert "It could not be applied now." in body
    assert "has changed since this was proposed" in body
    assert "rebase" in buttons(body)
    start = client.get(reverse("admin:index")).content.decode()
    assert f"Renew your change · {change.title}" in start
    send(client, page(Change, "rebase", change.pk), reason="Still nine.")

    change.refresh_from_db()
    assert change.edits[0]["before"] == 4
    assert "could not be applied" not in read(client, change)
    start = client.get(reverse("admin:index")).content.decode()
    assert "Renew your change" not in start

    signed_in(client, "architect")
    assert "rebase" not in buttons(read(client, change))


def test_a_schedule_lies_ahead(client):
    person = signed_in(client, "engineer")
    change = a_change(by=actors.for_person(person))
    request = Approval.objects.get(subject_id=str(change.pk))
    architect = with_password(an_actor("architect"))
    changes.approvals.confirm(request.pk, by=architect, reason="Fine.")
    address = page(Change, "schedule", change.pk)
    later = clock.now() + timedelta(hours=2)

    past = send(client, address, at="2020-01-01 00:00", reason="Then.")
    nonsense = send(client, address, at="tonight", reason="Then.")
    done = send(client, address, at=f"{later:%Y-%m-%d %H:%M}", reason="Quiet hours.")

    assert (past.status_code, nonsense.status_code) == (422, 422)
    assert "still to come" in past.content.decode()
    assert "Write a moment as" in nonsense.content.decode()
    assert done.status_code == 302
    body = read(client, change)
    assert f"{later:%H:%M} UTC" in body
    with time_machine.travel(later + timedelta(hours=1), tick=False):
        a_change(value=4)
        changes.apply_scheduled(change.pk, by=actors.system(), reason="due")
    body = read(client, change)
    assert "It was not applied when its time came." in body
    assert "rebase" in buttons(body)


def test_reject_and_take_back_end_a_change(client):
    rejected, withdrawn = a_change(), None
    person = signed_in(client, "engineer", "qa")
    withdrawn = a_change(by=actors.for_person(person))

    send(client, page(Change, "reject", rejected.pk), reason="Too many.")
    send(client, page(Change, "cancel", withdrawn.pk), reason="Thought better.")

    rejected.refresh_from_db()
    withdrawn.refresh_from_db()
    assert (rejected.state, withdrawn.state) == ("rejected", "cancelled")
    assert buttons(read(client, rejected)) == {"comment"}


def test_an_import_is_compared_before_the_last_click(client, rollout):
    signed_in(client, "operator")
    address = page(Change, "import")
    exported = client.get("/api/v1/configuration", {"rollout": KEY}).json()
    exported["flags"][WAVE1_AGENTS]["default"] = 3
    document = json.dumps(exported)
    about = {"rollout": KEY, "reason": "From the other portal."}

    nothing = send(client, address, **about)
    broken = send(client, address, document="{", **about)
    exported["flags"][WAVE1_AGENTS]["default"] = 99
    beyond = send(client, address, document=json.dumps(exported), **about)
    looked = send(client, address, document=document, **about)
    body = looked.content.decode()
    assert "This counts at once." in body
    assert "new: </span>3" in body
    assert not Change.objects.exists()
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]
    done = client.post(
        address, hidden(body) | about | {"document": document, "shown": mark}
    )

    assert [r.status_code for r in (nothing, broken, beyond)] == [422, 422, 422]
    assert "This is not JSON" in broken.content.decode()
    assert (
        f"/flags/{WAVE1_AGENTS}/default it is from 1 to 50" in beyond.content.decode()
    )
    change = Change.objects.get()
    assert done["location"] == page(Change, "change", change.pk)
    assert (change.state, change.origin) == ("applied", "import")
    assert LedgerEntry.objects.filter(verb="rollout.change.applied").count() == 1


def test_a_file_is_imported_by_two_clicks_although_it_is_sent_once(client, rollout):
    signed_in(client, "operator")
    address = page(Change, "import")
    document = configuration.read(rollout)
    document["flags"][WAVE1_AGENTS]["default"] = 3
    about = {"rollout": KEY, "reason": "From a file."}

    looked = send(client, address, file=_file(json.dumps(document).encode()), **about)
    broken = send(client, address, file=_file(b"\xff\xfe"), **about)
    body = looked.content.decode()
    kept = html.unescape(re.search(r'name="document"[^>]*>(.*?)</textarea>', body)[1])
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]
    client.post(address, hidden(body) | about | {"document": kept, "shown": mark})

    assert "This file is not UTF-8 text." in broken.content.decode()
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 3


def _file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("configuration.json", content)


def test_the_list_filters_and_says_what_to_do_when_it_is_empty(client):
    signed_in(client, "operator")
    empty = client.get(page(Change, "changelist")).content.decode()
    a_change()
    a_change(value=3)

    risky = client.get(page(Change, "changelist"), {"risk__exact": "2"})
    none = client.get(page(Change, "changelist"), {"state__exact": "rejected"})

    assert "Propose one on the page of a flag" in empty
    assert f"/api/v1/configuration?rollout={KEY}" in empty
    assert "▲ exposes more" in risky.content.decode()
    assert "▼ safer" not in risky.content.decode().split("result_list")[1]
    assert "No change is like this." in none.content.decode()


def test_the_start_page_says_which_changes_need_me(client):
    engineer = signed_in(client, "engineer")
    change = a_change(by=actors.for_person(engineer))
    link = page(Change, "change", change.pk)
    start = reverse("admin:index")
    assert link not in client.get(start).content.decode().split("What happened")[0]

    signed_in(client, "architect")
    asked = client.get(start).content.decode()
    assert asked.count(f"Approve a change · {change.title}") == 1
    send(client, page(Change, "approve", change.pk), reason="Ok.", password=PASSWORD)
    assert f"Approve a change · {change.title}" not in (
        client.get(start).content.decode()
    )

    client.force_login(engineer, "django.contrib.auth.backends.ModelBackend")
    assert f"Apply your change · {change.title}" in client.get(start).content.decode()


def test_a_change_costs_the_same_however_much_was_said_and_decided(
    client, django_assert_num_queries, django_assert_max_num_queries
):
    a_running_stage()
    service, _ = a_service()
    change = a_change()
    signed_in(client, "architect")
    read(client, change)
    with django_assert_max_num_queries(60) as few:
        read(client, change)

    for number in range(5):
        decide_for(KEY, {"run_id": f"r{number}", **ASKED}, by=service, reason="asks")
        changes.comment(change.pk, by=an_actor("qa"), reason="Why?")

    with django_assert_num_queries(len(few)):
        read(client, change)
