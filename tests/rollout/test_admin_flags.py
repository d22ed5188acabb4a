"""Looking things up: a flag's page, trying a context, comparing snapshots."""

import re
from datetime import timedelta

import pytest
import time_machine

from portal import clock
from rollout.domain.flags import ENABLED, WAVE1_AGENTS
from rollout.models import Flag, Rule, Snapshot, Stage
from rollout.services import changes, flags, proposals, stages, switch
from rollout.services.decisions import decide_for
from tests.builders import an_actor
from tests.rollout.builders import (
    ASKED,
    KEY,
    a_rollout,
    a_running_stage,
    a_service,
    approved_and_applied,
)
from tests.rollout.domain.configurations import a_rule, is_team
from tests.rollout.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

SOME = {"try": "1", "team": "alpha", "mode": "standard", "run_id": "r"}
LET_IN = SOME | {"query_class": "fixture_replay", "sensitivity": "no_web"}


@pytest.fixture(autouse=True)
def rollout(db):
    return a_rollout()


def change_of(path: str, value: object):
    change = changes.propose(
        KEY,
        proposals.patch([{"op": "replace", "path": path, "value": value}]),
        by=an_actor("engineer"),
        reason="To see it.",
    )
    if change.state == "open":
        approved_and_applied(change)
    return change


def with_rules(*rules: dict):
    return change_of(f"/flags/{WAVE1_AGENTS}/rules", list(rules))


def read(client, key: str, **asked: str) -> str:
    address = page(Flag, "change", flags.find(KEY, key).pk)
    response = client.get(address, asked)
    assert response.status_code == 200
    return response.content.decode()


def test_a_flag_says_where_it_is_on_for_whom_now(client):
    signed_in(client, "auditor")
    assert "Nowhere: no stage is open." in read(client, ENABLED)

    stage = a_running_stage()
    body = read(client, ENABLED)
    assert "For whom stage offline-baseline admits: teams alpha, beta" in body
    assert "100 % (the coverage)" in body
    assert "insists: at most 2." in read(client, WAVE1_AGENTS)

    operator = an_actor("operator")
    stages.hold(stage.pk, by=operator, reason="wait", keeps_admitting=False)
    assert "But the stage admits nobody for now." in read(client, ENABLED)
    switch.engage(KEY, by=operator, reason="stop")
    assert "Nowhere: the switch is engaged." in read(client, ENABLED)
    assert "The switch is engaged: no run gets" in read(client, WAVE1_AGENTS)


def test_rules_stand_there_in_words_with_shares_and_variants(client):
    split = [
        {"name": "few", "value": 2, "weight": 40},
        {"name": "some", "value": 4, "weight": 60},
    ]
    with_rules(
        a_rule(3, is_team("alpha"), percentage=33.33, description="Friends"),
        a_rule(variants=split),
    )
    change_of(f"/flags/{WAVE1_AGENTS}/expires_on", "2020-01-31")
    signed_in(client, "auditor")

    body = read(client, WAVE1_AGENTS)
    listed = client.get(page(Rule, "changelist")).content.decode()

    assert "Friends: team equals alpha, 33.33 % of them → 3" in body
    assert "everybody → few = 2 (40 %), some = 4 (60 %)" in body
    assert "it should have been taken out" in body
    assert "few = 2 (40 %), some = 4 (60 %)" in listed


def test_a_flag_shows_its_changes_and_when_it_was_last_given(client):
    a_running_stage()
    service, _ = a_service()
    decide_for(KEY, {"run_id": "newest", **ASKED}, by=service, reason="asks")
    past = change_of(f"/flags/{WAVE1_AGENTS}/default", 3)
    waiting = changes.propose(
        KEY,
        proposals.patch(
            [{"op": "replace", "path": f"/flags/{WAVE1_AGENTS}/default", "value": 9}]
        ),
        by=an_actor("engineer"),
        reason="More.",
    )
    change_of("/flags/PAI_DR_CLI_MAX_SUMMARY_KB/default", 4)
    signed_in(client, "auditor")

    body = read(client, WAVE1_AGENTS)

    now, before = body.split("<h3>Before</h3>")
    assert f"/change/{waiting.pk}/" in now
    assert f"/change/{past.pk}/" in before
    assert "new: </span>9" in now
    assert "SUMMARY_KB" not in body
    assert "newest" in body


def test_a_context_is_tried_with_its_reasons_and_the_decision_beside_it(client):
    a_running_stage()
    with_rules(a_rule(1, is_team("alpha"), description="Friends"))
    signed_in(client, "auditor")

    friend = read(client, WAVE1_AGENTS, **LET_IN)
    other = read(client, WAVE1_AGENTS, **LET_IN | {"team": "gamma"})

    assert '<strong class="big">1</strong>' in friend
    assert "Friends: team equals alpha holds." in friend
    assert '<strong class="big">option_c</strong> (ADMITTED)' in friend
    assert '<strong class="big">2</strong>' in other
    assert "team equals alpha does not hold." in other
    assert "The stage allows 2." in other
    assert '<strong class="big">standard</strong> (NOT_ADMITTED)' in other
    assert "The value counts only for runs that get Option C." in other


def test_a_context_is_tried_as_it_would_have_been_decided_then(client):
    a_running_stage()
    then = clock.now()
    with time_machine.travel(then + timedelta(hours=2)):
        with_rules(a_rule(1, is_team("alpha")))
        signed_in(client, "auditor")

        now = read(client, WAVE1_AGENTS, **LET_IN)
        before = then + timedelta(hours=1)
        past = read(client, WAVE1_AGENTS, **LET_IN, at=f"{before:%Y-%m-%d %H:%M}")
        never = read(client, WAVE1_AGENTS, **LET_IN, at="2020-01-01 00:00")

    assert '<strong class="big">1</strong>' in now
    assert '<strong class="big">2</strong>' in past
    assert "Nothing decided for" in never


def test_attributes_of_ones_own_are_tried_too(client):
    by_level = {"attribute": "level", "operator": "at_least", "value": 3}
    with_rules(a_rule(1, by_level))
    signed_in(client, "auditor")

    assert '<strong class="big">1</strong>' in read(
        client, WAVE1_AGENTS, **SOME, more='{"level": 3}'
    )
    assert '<strong class="big">6</strong>' in read(
        client, WAVE1_AGENTS, **SOME, more='{"level": 2}'
    )


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"more": "nope"}, "This is not JSON"),
        ({"more": "[1]"}, "Write an object"),
        ({"more": '{"team": 7}'}, "is a text"),
        ({"at": "tomorrow"}, "Write a moment as"),
        ({"at": "2999-01-01 00:00"}, "Nobody knows yet"),
        ({"run_id": "r" * 201}, "is at most 200 long"),
        ({"mode": "sideways"}, "Select a valid choice"),
    ],
)
def test_a_context_that_cannot_be_tried_says_why(client, said, error):
    signed_in(client, "auditor")

    body = read(client, WAVE1_AGENTS, **{"try": "1"} | said)

    assert error in body
    assert "Nothing is recorded by trying." not in body


def test_a_snapshot_is_compared_with_the_one_before_and_with_any_other(client):
    a_running_stage()
    change = change_of(f"/flags/{WAVE1_AGENTS}/default", 9)
    signed_in(client, "auditor")
    newest, started, first = Snapshot.objects.all()

    body = client.get(page(Snapshot, "change", newest.pk)).content.decode()
    other = client.get(
        page(Snapshot, "change", newest.pk), {"old": "1", "new": "2"}
    ).content.decode()
    wrong = client.get(
        page(Snapshot, "change", newest.pk), {"old": "1", "new": "77"}
    ).content.decode()
    beginning = client.get(page(Snapshot, "change", first.pk)).content.decode()
    by_stage = client.get(page(Snapshot, "change", started.pk)).content.decode()

    assert "From revision 2 to revision 3" in body
    assert "new: </span>9" in body
    assert f"/change/{change.pk}/" in body
    assert "✓ decides now" in body
    assert "new: </span>state: running" in other
    assert "There is no revision 77" in wrong
    assert "This is the first revision." in beginning
    assert "none: an act on a stage or the switch" in by_stage


def test_no_page_shows_the_credentials_in_an_address(client):
    secret = "https://me:hunter2@apify.example/x"
    endpoint = "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"
    a_running_stage()
    change_of(f"/flags/{endpoint}/default", secret)
    change_of(f"/flags/{endpoint}/rules", [a_rule(secret, is_team("alpha"))])
    service, _ = a_service()
    decision = decide_for(KEY, {"run_id": "r", **ASKED}, by=service, reason="asks")
    signed_in(client, "engineer")
    flag, snapshot = flags.find(KEY, endpoint), Snapshot.objects.first()

    pages = [
        page(Flag, "change", flag.pk) + "?try=1&team=alpha",
        page(Flag, "history", flag.pk),
        page(Flag, "edit_rules", flag.pk),
        page(Flag, "changelist"),
        page(Snapshot, "change", snapshot.pk) + "?old=1&new=3",
        page(Rule, "change", flag.rules.get().pk),
        page(Rule, "history", flag.rules.get().pk),
        page(Rule, "changelist"),
        page(type(decision), "change", decision.pk),
    ]

    for address in pages:
        body = client.get(address).content.decode()
        assert "apify.example/x" in body or "history" in address, address
        assert "hunter2" not in body, address


@pytest.mark.parametrize("model", [Flag, Snapshot, Stage])
def test_a_page_costs_the_same_however_much_there_is(
    client, model, django_assert_num_queries, django_assert_max_num_queries
):
    a_running_stage()
    change_of(f"/flags/{WAVE1_AGENTS}/default", 4)
    signed_in(client, "auditor")
    asked = "?try=1&team=alpha&old=1&new=2"
    row = Flag.objects.get(key=WAVE1_AGENTS) if model is Flag else model.objects.first()
    address = page(model, "change", row.pk) + asked
    client.get(address)
    with django_assert_max_num_queries(50) as few:
        client.get(address)

    for value in (5, 3, 6, 2):
        change_of(f"/flags/{WAVE1_AGENTS}/default", value)
    with_rules(*(a_rule(value, is_team(f"t{value}")) for value in range(1, 9)))

    with django_assert_num_queries(len(few)):
        client.get(address)


def test_the_decision_flag_says_that_the_open_stage_decides(client):
    a_running_stage()
    signed_in(client, "auditor")

    decision, other = read(client, ENABLED), read(client, WAVE1_AGENTS)

    assert "the stage that is open decides, and whoever it does not admit" in decision
    assert "everybody gets the default" not in decision
    assert "could go, because" not in decision
    assert "None: everybody gets the default." in other


def test_whoever_tries_a_context_is_offered_known_words_and_told_what_was_not_said(
    client,
):
    a_running_stage()
    signed_in(client, "auditor")

    body = read(client, ENABLED, **{"try": "1", "mode": "standard", "team": "alpha"})
    whole = read(client, ENABLED, **LET_IN)

    known = re.search(r'<datalist id="named-team">(.*?)</datalist>', body)[1]
    assert re.findall(r'value="(\w+)"', known)[:2] == ["alpha", "beta"]
    assert 'list="named-team"' in body
    assert "Not said: query class." in body
    assert "Not said" not in whole
