"""The plan of a stage, edited with what it would take beside it."""

import re

import pytest

from rollout.models import Stage
from tests.rollout.builders import a_rollout
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import words
from tests.rollout.test_admin_proposing import filled, look

pytestmark = pytest.mark.django_db


def test_a_plan_is_shown_with_what_it_would_take(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")
    address = page(Stage, "edit_plan", stage.pk)

    now = words(client.get(address).content.decode())
    then = words(
        look(
            client, address, promote_bar="0.9", true_rate="0.99", reason="Surer."
        ).content.decode()
    )

    assert "What the plan takes now" in now
    assert "85 %, all together" in now
    assert "24 runs, all passing" in now
    assert "75 %, each class" in now
    assert "14 runs, all passing" in now
    assert "What this plan would take" in then
    assert "36 runs, all passing" in then
    assert "Promoted, if 99 % truly pass" in then


def test_a_plan_that_cannot_reach_its_bar_is_refused_with_the_arithmetic(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")

    refused = look(
        client,
        page(Stage, "edit_plan", stage.pk),
        max_runs="60",
        reason="Quicker.",
    )

    body = refused.content.decode()
    assert refused.status_code == 422
    field = re.search(r'<label for="id_max_runs">.*?</div>\s*<div', body, re.DOTALL)[0]
    assert "75 % at 5 % error takes 14 passes in 14 runs" in field
    assert "max_runs has to be at least 84" in field


@pytest.mark.parametrize(
    ("said", "words_of_it"),
    [
        ({"looks": "twenty"}, "id_looks"),
        ({"looks": "50, 20"}, "id_looks"),
        ({"true_rate": "2"}, "id_true_rate"),
        ({"latency_budget_s": "0"}, "id_latency_budget_s"),
        ({"max_unknown": ""}, "id_max_unknown"),
    ],
)
def test_what_a_plan_must_not_say_is_said_at_its_field(client, said, words_of_it):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")

    refused = look(client, page(Stage, "edit_plan", stage.pk), reason="x", **said)

    assert refused.status_code == 422
    body = refused.content.decode()
    field = re.search(
        rf'<label for="{words_of_it}">.*?(?=<div class="field">|</fieldset>)',
        body,
        re.DOTALL,
    )[0]
    assert "field-error" in field


def test_the_new_fields_of_a_plan_are_proposed(client):
    a_rollout()
    stage = Stage.objects.get(position=1)
    signed_in(client, "engineer")
    address = page(Stage, "edit_plan", stage.pk)
    looked = look(
        client,
        address,
        restarts="spend",
        rollback_to="off",
        max_unknown="0.1",
        latency_budget_s="900",
        looks="25, 50, 100",
        is_optional="on",
        reason="All of them.",
    ).content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', looked)[1]

    client.post(address, filled(looked) | {"shown": mark})

    (change,) = stage.rollout.changes.all()
    assert {e["path"].rpartition("/")[2]: e["after"] for e in change.edits} == {
        "restarts": "spend",
        "rollback_to": "off",
        "max_unknown": 0.1,
        "latency_budget_s": 900,
        "looks": [25, 50, 100],
        "is_optional": True,
    }
