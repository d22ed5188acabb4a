"""Triggers and firings can be read: over the API, and on pages."""

import pytest
from django.urls import reverse

from portal.services import actors
from rollout.domain.baseline import TRIGGERS
from rollout.models import Symptom, Trigger, TriggerFiring
from rollout.services import triggers
from tests.rollout.builders import KEY, an_open_stage
from tests.rollout.test_admin import signed_in
from tests.rollout.test_triggers import admitted, blocked

pytestmark = pytest.mark.django_db


@pytest.fixture
def firings():
    """Two firings about verifications, one about a run."""
    an_open_stage()
    act = {"by": actors.system(), "reason": "test"}
    for name in ("16", "17"):
        triggers.consider_verification(KEY, name, f"Check {name} failed.", **act)
    admitted("run-1")
    blocked("run-1")
    symptom = Symptom.objects.get()
    triggers.consider_run(symptom.run_id, **act)


@pytest.fixture
def ask(client, firings, a_token):
    def get(path: str):
        answer = client.get(path, headers={"Authorization": f"Bearer {a_token}"})
        assert answer.status_code == 200, answer.content
        return answer.json()

    return get


def test_the_triggers_are_read(ask):
    found = ask("/api/v1/triggers")

    assert [each["key"] for each in found] == sorted(each.key for each in TRIGGERS)
    hang = next(each for each in found if each["key"] == "silent-hang")
    assert (hang["action"], hang["is_dry_run"]) == ("roll_back", False)


def test_firings_are_read_page_by_page_and_filtered(ask):
    page = ask("/api/v1/trigger-firings?limit=2")

    assert [each["trigger"] for each in page["items"]] == [
        "sources-blocked",
        "verification-failed",
    ]
    newest = page["items"][0]
    assert (newest["run_id"], newest["outcome"]) == ("run-1", "already")
    assert newest["facts"]["blocked_sources"] == 3
    (last,) = ask(page["next"])["items"]
    assert (last["subject"], last["outcome"]) == ("verification 16", "done")
    assert len(ask("/api/v1/trigger-firings?run_id=run-1")["items"]) == 1
    assert ask("/api/v1/trigger-firings?outcome=dry_run")["items"] == []


def test_a_token_reads_the_firings_of_its_own_rollout_only(client, firings, a_token):
    answer = client.get(
        "/api/v1/trigger-firings?rollout=another",
        headers={"Authorization": f"Bearer {a_token}"},
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("model", [Trigger, TriggerFiring, Symptom])
def test_the_pages_show_all_of_it_and_change_nothing(client, firings, model):
    signed_in(client, "operator")
    name = f"admin:rollout_{model._meta.model_name}"
    subject = model.objects.order_by("-pk")[0]

    listed = client.get(reverse(f"{name}_changelist"))
    page = reverse(f"{name}_change", args=[subject.pk])
    shown = client.get(page)

    assert listed.status_code == shown.status_code == 200
    assert client.post(page, {}).status_code == 403
