"""Acts on different runs wait for each other at the ledger only."""

import threading

import pytest
from django.db import connections, transaction

from portal.models import Job
from portal.services import actors, jobs
from rollout.models import Attempt, Rollback, Rollout, Run, TriggerFiring
from rollout.services import decisions, documents, evaluations, triggers
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest, raw

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(*works) -> list[BaseException]:
    """Does all of this at once; what went wrong."""
    troubles: list[BaseException] = []

    def do(work) -> None:
        try:
            work()
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return troubles


def test_many_runs_decide_and_report_at_once():
    """Locks of keys made decisions wait for commits that waited for them."""
    a_running_stage()
    service, _ = a_service()

    def life(number: int):
        def live() -> None:
            name = f"run-{number}"
            decisions.decide_for(KEY, {"run_id": name} | ASKED, by=service, reason="t")
            for revision in (1, 2, 3):
                document = raw(a_manifest(name, revision=revision))
                documents.receive_manifest(KEY, name, document, by=service, reason="t")

        return live

    assert in_threads(*(life(number) for number in range(12))) == []

    orders = Run.objects.order_by("start_order").values_list("start_order", flat=True)
    assert list(orders) == list(range(1, 13))


def test_taking_in_a_document_locks_its_own_run_only():
    a_running_stage()
    service, _ = a_service()
    for name in ("a", "b"):
        documents.receive_manifest(
            KEY, name, raw(a_manifest(name)), by=service, reason="t"
        )

    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(run_id="a")
        Rollout.objects.select_for_update(no_key=True).get()
        Attempt.objects.select_for_update(no_key=True).get()
        troubles = in_threads(
            lambda: documents.receive_manifest(
                KEY, "b", raw(a_manifest("b", revision=2)), by=service, reason="t"
            )
        )

    assert troubles == []
    assert Run.objects.get(run_id="b").manifest_revision == 2


def test_whatever_goes_wrong_at_once_rolls_back_once():
    stage = a_running_stage()
    service, _ = a_service()
    names = [f"run-{number}" for number in range(4)]
    query = {"text": "?", "sensitivity": "normal"}  # more of the web than was given
    for name in names:
        decisions.decide_for(KEY, {"run_id": name} | ASKED, by=service, reason="t")
        document = raw(a_manifest(name, query=query))
        documents.receive_manifest(KEY, name, document, by=service, reason="t")
    known = list(Run.objects.values_list("pk", flat=True))

    def considered(pk: int):
        act = {"by": actors.system(), "reason": "t"}
        return lambda: triggers.consider_run(pk, **act)

    def evaluated():
        evaluations.evaluate(stage.pk, by=actors.system(), reason="t")

    troubles = in_threads(*map(considered, known * 3), *[evaluated] * 3)

    assert troubles == []
    assert Rollback.objects.count() == 1
    done = TriggerFiring.objects.values_list("action", "outcome")
    assert list(done) == [("roll_back", "done")]  # the others found no open stage


def test_runs_report_while_triggers_act():
    """Ingest locks the run, a rollback the rollout: neither waits in a ring."""
    a_running_stage()
    service, _ = a_service()
    names = [f"run-{number}" for number in range(6)]
    for name in names:
        decisions.decide_for(KEY, {"run_id": name} | ASKED, by=service, reason="t")
    known = dict(Run.objects.values_list("run_id", "pk"))

    def life(name: str):
        def live() -> None:
            for revision in (1, 2, 3):
                query = {"text": "?", "sensitivity": "normal"}
                document = raw(a_manifest(name, revision=revision, query=query))
                documents.receive_manifest(KEY, name, document, by=service, reason="t")
                act = {"by": actors.system(), "reason": "t"}
                triggers.consider_run(known[name], **act)

        return live

    assert in_threads(*map(life, names)) == []
    assert Rollback.objects.count() == 1
    assert set(Run.objects.values_list("manifest_revision", flat=True)) == {3}


def test_two_workers_never_claim_one_job():
    a_running_stage()
    job = Job.objects.create(
        kind="rollout.jobs.fall_back", queue="safety", run_after="2020-01-01T00:00Z"
    )
    claims: list = []
    works = [lambda: claims.append(jobs.claim(job.pk, worker="w"))] * 8
    assert in_threads(*works) == []
    assert sum(claim is not None for claim in claims) == 1
