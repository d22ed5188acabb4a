"""Proposing from the pages of flags, stages and snapshots: look first, then do it."""

import re
from typing import Any

import pytest

from portal.services import actors
from rollout.domain.flags import NO_WEB, WAVE1_AGENTS
from rollout.models import Change, Flag, Rollout, Segment, Snapshot, Stage
from rollout.services import changes, configuration, flags, proposals
from tests.builders import an_actor
from tests.rollout.builders import (
    KEY,
    a_rollout,
    a_running_stage,
    approved_and_applied,
)
from tests.rollout.domain.configurations import a_rule, is_team
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_changes import hidden

pytestmark = pytest.mark.django_db

ENDPOINT = "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"
MODE = "PAI_DR_CLI_MODE_DEFAULT"


@pytest.fixture(autouse=True)
def rollout(db):
    return a_rollout()


@pytest.fixture
def engineer(client):
    return signed_in(client, "engineer")


def act(key: str, name: str) -> str:
    return page(Flag, name, flags.find(KEY, key).pk)


def filled(body: str) -> dict[str, Any]:
    """What a browser would send of the form as it stands there."""
    found: dict[str, Any] = hidden(body)
    for tag in re.findall(r"<input[^>]*>", body):
        said = dict(re.findall(r'\b(name|value|type)="([^"]*)"', tag))
        name = said.get("name", "csrf")
        if name.startswith("csrf") or said["type"] == "hidden":
            continue
        if said["type"] != "checkbox":
            found[name] = said.get("value", "")
        elif re.search(r"\schecked(?=[\s>])", tag):
            found[name] = [*found.get(name, []), said.get("value", "on")]
    for name, inside in re.findall(
        r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', body, re.DOTALL
    ):
        chosen = re.search(r'<option value="([^"]*)"[^>]*selected', inside)
        found[name] = chosen[1] if chosen else ""
    for name, text in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', body, re.DOTALL
    ):
        found[name] = text.strip()
    return found


def look(client, address: str, **said):
    """Open a form, change something in it, and ask what would happen."""
    opened = client.get(address)
    assert opened.status_code == 200
    return client.post(address, filled(opened.content.decode()) | said)


def propose(client, address: str, **said):
    """Look, and then propose exactly that."""
    looked = look(client, address, **said)
    body = looked.content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', body)
    assert mark, re.findall(r'(?:alert"|field-error)[^>]*>([^<]+)', body)
    return client.post(address, filled(body) | {"shown": mark[1]})


def applied(path: str, value: object) -> Change:
    change = changes.propose(
        KEY,
        proposals.patch([{"op": "replace", "path": path, "value": value}]),
        by=an_actor("engineer"),
        reason="Somebody else was faster.",
    )
    if change.state == "open":
        approved_and_applied(change)
    return change


def test_a_default_is_chosen_in_a_form_for_its_type(client, engineer):
    number = client.get(act(WAVE1_AGENTS, "change_default")).content.decode()
    choice = client.get(act(NO_WEB, "change_default")).content.decode()
    enum = client.get(act(MODE, "change_default")).content.decode()

    assert "Show what would happen" in number
    assert "Propose this" not in number
    assert 'type="number"' in number
    assert "From 1 to 50." in number
    assert '<option value="true">true</option>' in choice
    assert '<option value="deep">deep</option>' in enum
    too_many = look(
        client, act(WAVE1_AGENTS, "change_default"), default="51", reason="x"
    )
    assert too_many.status_code == 422


def test_what_would_happen_is_shown_before_it_does(client, engineer):
    address = act(WAVE1_AGENTS, "change_default")

    less = look(client, address, default="3", reason="Quota.").content.decode()
    more = look(client, address, default="9", reason="Room.").content.decode()
    same = look(client, address, default="6", reason="Hm.")

    assert "This counts at once." in less
    assert "Nothing changes yet." in more
    assert "architect or QA, not you" in more
    assert same.status_code == 422
    assert "would change nothing" in same.content.decode()
    assert not Change.objects.exists()
    done = propose(client, address, default="3", reason="Quota.")
    change = Change.objects.get()
    assert done["location"] == page(Change, "change", change.pk)
    assert (change.state, change.reason) == ("applied", "Quota.")
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 3


def test_whoever_wants_to_waits_although_nobody_else_is_needed(client, engineer):
    address = act(WAVE1_AGENTS, "change_default")

    propose(client, address, default="3", waits="on", reason="Tonight.")

    assert Change.objects.get().state == "open"
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 6


def test_only_what_was_shown_is_done(client, engineer):
    address = act(WAVE1_AGENTS, "change_default")
    body = look(client, address, default="3", reason="Quota.").content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]

    other = client.post(address, filled(body) | {"default": "50", "shown": mark})

    waiting = client.post(address, filled(body) | {"waits": "on", "shown": mark})

    assert "Look again." in waiting.content.decode()
    assert "Look again." in other.content.decode()
    assert "new: </span>50" in other.content.decode()
    assert not Change.objects.exists()


def test_a_stale_form_is_refused_with_the_difference_and_keeps_what_was_typed(
    client, engineer
):
    address = act(WAVE1_AGENTS, "change_default")
    opened = filled(client.get(address).content.decode())
    other = applied(f"/flags/{WAVE1_AGENTS}/maximum", 40)

    refused = client.post(address, opened | {"default": "5", "reason": "My typing."})

    body = refused.content.decode()
    assert refused.status_code == 422
    assert "has changed since you opened it" in body
    assert page(Change, "change", other.pk) in body
    assert "Somebody else was faster." in body
    assert "gone: </span>50" in body
    assert "My typing." in body
    assert filled(body)["default"] == "5"
    looked = client.post(address, filled(body))
    assert "new: </span>5" in looked.content.decode()


def test_a_change_elsewhere_does_not_spoil_a_form(client, engineer):
    address = act(WAVE1_AGENTS, "change_default")
    opened = filled(client.get(address).content.decode())
    applied("/flags/PAI_DR_CLI_MAX_SUMMARY_KB/default", 4)

    looked = client.post(address, opened | {"default": "5", "reason": "Fewer."})

    assert looked.status_code == 200


def test_a_proposal_that_is_sent_twice_is_made_once(client, engineer):
    address = act(WAVE1_AGENTS, "change_default")
    body = look(client, address, default="9", reason="Room.").content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]

    for _ in range(2):
        assert client.post(address, filled(body) | {"shown": mark}).status_code == 302

    assert Change.objects.count() == 1


def test_an_address_keeps_its_credentials_although_the_form_hides_them(
    client, engineer
):
    secret = "https://me:hunter2@apify.example/x"
    applied(f"/flags/{ENDPOINT}/default", secret)
    address = act(ENDPOINT, "change_default")
    body = client.get(address).content.decode()

    unchanged = client.post(address, filled(body) | {"reason": "The same."})
    propose(client, address, default="null", reason="None.")

    assert "hunter2" not in body
    assert "would change nothing" in unchanged.content.decode()
    assert Change.objects.first().edits[0]["before"] == secret


def test_rules_are_edited_row_by_row(client, engineer, rollout):
    address = act(WAVE1_AGENTS, "edit_rules")
    first = {
        "rule-0-description": "Friends",
        "rule-0-percentage": "25",
        "rule-0-value": "4",
        "rule-0-condition-0-attribute": "team",
        "rule-0-condition-0-operator": "in",
        "rule-0-condition-0-operand": "alpha, beta",
        "reason": "Try four.",
    }

    propose(client, address, **first)
    alpha = {"attribute": "team", "operator": "in", "value": ["alpha", "beta"]}
    rule = a_rule(4, alpha, percentage=25, description="Friends")
    assert _rules(rollout) == [rule]

    split = {
        "rule-1-order": "1",
        "rule-1-condition-0-attribute": "level",
        "rule-1-condition-0-operator": "at_least",
        "rule-1-condition-0-operand": "3",
        "rule-1-variant-0-name": "few",
        "rule-1-variant-0-value": "2",
        "rule-1-variant-0-weight": "40",
        "rule-1-variant-1-name": "some",
        "rule-1-variant-1-value": "5",
        "rule-1-variant-1-weight": "60",
        "rule-0-order": "2",
        "reason": "And by level.",
    }
    propose(client, address, **split)
    approved_and_applied(Change.objects.first())
    level = {"attribute": "level", "operator": "at_least", "value": 3}
    few = {"name": "few", "value": 2, "weight": 40}
    some = {"name": "some", "value": 5, "weight": 60}
    assert _rules(rollout) == [a_rule(None, level, variants=[few, some]), rule]

    unchanged = look(client, address, reason="Nothing.")
    assert "would change nothing" in unchanged.content.decode()
    propose(client, address, **{"rule-0-removed": "on", "reason": "Enough."})
    approved_and_applied(Change.objects.first())
    assert _rules(rollout) == [rule]


def _rules(rollout: Rollout) -> list:
    return configuration.read(rollout)["flags"][WAVE1_AGENTS]["rules"]


@pytest.mark.parametrize(
    ("said", "field", "error"),
    [
        ({"rule-0-value": "51"}, "rule-0-value", "less than or equal to 50"),
        ({"rule-0-description": "x"}, "rule-0-value", "Say what they get"),
        (
            {
                "rule-0-value": "4",
                "rule-0-condition-1-attribute": "team",
                "rule-0-condition-1-operator": "matches",
                "rule-0-condition-1-operand": "(",
            },
            "rule-0-condition-1-operand",
            "RE2 cannot take this",
        ),
        (
            {
                "rule-0-value": "4",
                "rule-0-condition-0-operator": "segment",
                "rule-0-condition-0-operand": "nobody",
            },
            "rule-0-condition-0-operand",
            "there is no segment &#x27;nobody&#x27;",
        ),
        (
            {
                "rule-0-variant-0-name": "few",
                "rule-0-variant-0-value": "2",
                "rule-0-variant-0-weight": "40",
            },
            "rule-0-variant-0-weight",
            "100 % together, not 40 %",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_marked_where_it_is_wrong(
    client, engineer, said, field, error
):
    refused = look(client, act(WAVE1_AGENTS, "edit_rules"), reason="Try.", **said)

    assert refused.status_code == 422
    beside = refused.content.decode().split(f'id="id_{field}"')[1][:2000]
    assert error in beside.split('class="field"')[0]


def test_prerequisites_owner_and_expiry_are_proposed(client, engineer):
    propose(
        client,
        act(WAVE1_AGENTS, "edit_about"),
        owner="team alpha",
        expires_on="2030-01-31",
        reason="Somebody answers.",
    )
    flag = Flag.objects.get(key=WAVE1_AGENTS)
    assert (flag.owner, str(flag.expires_on)) == ("team alpha", "2030-01-31")

    needs = {"flag-0": NO_WEB, "values-0": "true", "reason": "Offline only."}
    propose(client, act(WAVE1_AGENTS, "edit_prerequisites"), **needs)
    wrong = look(
        client,
        act(WAVE1_AGENTS, "edit_prerequisites"),
        **needs | {"values-0": "perhaps"},
    )

    change = Change.objects.first()
    assert change.edits[-1]["after"] == [{"flag": NO_WEB, "values": [True]}]
    assert "it is true or false" in wrong.content.decode()


def test_the_decision_itself_is_not_edited(client, engineer):
    body = client.get(page(Flag, "change", flags.find(KEY, "PAI_DR_CLI_ENABLED").pk))

    assert "/act/change_default/" not in body.content.decode()
    refused = look(
        client, act("PAI_DR_CLI_ENABLED", "change_default"), default="true", reason="x"
    )
    assert refused.status_code == 422


def test_a_plan_is_edited_field_by_field(client, engineer):
    stage = Stage.objects.get(position=0)
    address = page(Stage, "edit_plan", stage.pk)

    unchanged = look(client, address, reason="Nothing.")
    wrong = look(client, address, sensitivity="normal", reason="More.")
    propose(client, address, teams="alpha", caps=f"{WAVE1_AGENTS} 1", reason="Small.")

    assert "would change nothing" in unchanged.content.decode()
    assert wrong.status_code == 422
    assert "goes with the sensitivity no_web" in wrong.content.decode().lower()
    change = Change.objects.get()
    assert {e["path"].rpartition("/")[2]: e["after"] for e in change.edits} == {
        "caps": {WAVE1_AGENTS: 1},
        "teams": ["alpha"],
    }


def test_coverage_is_narrowed_at_once_even_by_qa_and_widened_by_two(client):
    stage = a_running_stage()
    signed_in(client, "qa")
    address = page(Stage, "coverage", stage.pk)

    propose(client, address, coverage="40", reason="Careful.")
    stage.refresh_from_db()
    assert stage.coverage == 40

    wider = client.post(
        address,
        filled(look(client, address, coverage="50", reason="Go.").content.decode()),
    )
    body = wider.content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', body)[1]
    refused = client.post(address, filled(body) | {"shown": mark})
    assert refused.status_code == 422
    assert "may not do this" in refused.content.decode()


def test_an_earlier_revision_is_restored_by_proposal(client, engineer):
    first = Snapshot.objects.get()
    applied(f"/flags/{WAVE1_AGENTS}/default", 9)

    same = look(
        client, page(Snapshot, "restore", Snapshot.objects.first().pk), reason="?"
    )
    done = propose(
        client, page(Snapshot, "restore", first.pk), reason="Nine was wrong."
    )

    assert "would change nothing" in same.content.decode()
    change = Change.objects.first()
    assert done["location"] == page(Change, "change", change.pk)
    assert (change.origin, change.state) == ("restore", "applied")
    assert Flag.objects.get(key=WAVE1_AGENTS).default == 6


def test_auditors_are_offered_no_proposal(client):
    signed_in(client, "auditor")
    flag, stage = Flag.objects.get(key=WAVE1_AGENTS), Stage.objects.first()
    snapshot = Snapshot.objects.get()

    for row in (flag, stage, snapshot):
        body = client.get(page(type(row), "change", row.pk)).content.decode()
        assert "/act/" not in body
    for address in (
        page(Flag, "edit_rules", flag.pk),
        page(Stage, "edit_plan", stage.pk),
        page(Stage, "coverage", stage.pk),
        page(Snapshot, "restore", snapshot.pk),
    ):
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "x"}).status_code == 403


def test_a_removed_flag_and_a_segment_say_what_they_are(client, engineer):
    segment = {"description": "Who tries first", "conditions": [is_team("alpha")]}
    operations = [
        {"op": "add", "path": "/segments/friends", "value": segment},
        {"op": "remove", "path": "/flags/PAI_DR_CLI_RUNS_ROOT"},
        {
            "op": "replace",
            "path": f"/flags/{WAVE1_AGENTS}/rules",
            "value": [a_rule(3, {"segment": "friends"})],
        },
    ]
    change = changes.propose(
        KEY,
        proposals.patch(operations),
        by=actors.for_person(engineer),
        reason="Tidy up.",
    )
    approved_and_applied(change)
    removed = Flag.objects.get(key="PAI_DR_CLI_RUNS_ROOT")

    flag_body = client.get(page(Flag, "change", removed.pk)).content.decode()
    row = Segment.objects.get()
    segment_body = client.get(page(Segment, "change", row.pk)).content.decode()
    listed = client.get(page(Flag, "changelist")).content.decode()

    assert "this flag has been removed" in flag_body
    assert "/act/" not in flag_body
    assert "✗ removed" in listed
    assert "team equals alpha" in segment_body
    assert WAVE1_AGENTS in segment_body
