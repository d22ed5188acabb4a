"""The pages of judgements."""

import pytest
from django.db import connection

from rollout.models import Evaluation, Run
from tests.rollout.builders import an_open_stage, finished_runs
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import read, words
from tests.rollout.test_canary_stages import a_proven_stage, judge

pytestmark = pytest.mark.django_db


def test_a_judgement_shows_everything_and_is_computed_again(client):
    stage = a_proven_stage()
    evaluation = judge(stage)
    signed_in(client, "auditor")
    address = page(Evaluation, "change", evaluation.pk)

    body = read(client, evaluation)
    again = words(client.get(f"{address}?recompute=1").content.decode())

    run = Run.objects.get(run_id="run-3")
    assert f'<a href="{page(Run, "change", run.pk)}">run-3</a>' in body
    assert evaluation.digest in body
    said = words(body)
    assert "✓ by run 11" in said
    assert "What speaks against it" in said
    assert "the same Judged again now" not in said
    assert "✓ the same Judged again now" in again


def test_a_judgement_that_was_tampered_with_is_told(client):
    evaluation = judge(a_proven_stage())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE rollout_evaluation SET verdict = 'hold'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    signed_in(client, "auditor")

    address = page(Evaluation, "change", evaluation.pk)
    again = words(client.get(f"{address}?recompute=1").content.decode())

    assert "✗ It comes out differently today. Different: /verdict" in again


def test_judgements_are_listed_and_filtered(client):
    stage = an_open_stage()
    for said in ("P", "PP"):
        finished_runs(f"run{said}", said)
        judge(stage)
    signed_in(client, "auditor")
    listed = page(Evaluation, "changelist")

    everything = client.get(listed).content.decode()
    none = client.get(f"{listed}?verdict__exact=promote").content.decode()

    assert everything.count("▶ go on collecting") == 2
    assert "▶ go on collecting" not in none
    assert "Nothing is like this." in none
