"""Who waits for the disk: everybody who was told, and nobody who holds the ledger."""

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from portal.domain.notifications import EndpointKind
from portal.models import Delivery, LedgerEntry, Person
from portal.services import (
    durability,
    endpoints,
    jobs,
    notifications,
    outbound,
    people,
    sealing,
)
from portal.services.sinks import AppendOnlyFile
from tests.builders import a_person, an_actor
from tests.disk import is_on_disk, log_end, lost_after_the_commit, not_waited_for

pytestmark = pytest.mark.django_db(transaction=True)


def waits_at_commit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


def test_an_act_is_on_the_disk_when_it_is_done():
    with transaction.atomic():
        a_person()
        written = log_end()  # afterwards others may have written to the same log

    assert is_on_disk(written)


def test_a_transaction_of_many_lines_waits_once_and_after_its_commit():
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        a_person("qa", "operator")

    waits = [q["sql"] for q in queries if "pg_logical_emit_message" in q["sql"]]
    assert len(waits) == 1
    assert queries.captured_queries[-1]["sql"] == waits[0]


def test_whoever_holds_the_ledger_commits_without_the_disk():
    with transaction.atomic():
        assert waits_at_commit() == "on"
        a_person()

        assert waits_at_commit() == "off"

    assert waits_at_commit() == "on"


def test_a_line_that_a_savepoint_takes_back_leaves_the_commit_as_it_was():
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        with transaction.atomic():
            a_person()
            transaction.set_rollback(True)

        assert waits_at_commit() == "on"

    assert not any("pg_logical_emit_message" in q["sql"] for q in queries)


def test_a_line_after_one_that_was_taken_back_is_waited_for():
    with transaction.atomic():
        with transaction.atomic():
            a_person()
            transaction.set_rollback(True)
        a_person()
        written = log_end()

    assert is_on_disk(written)


def test_within_a_transaction_what_others_have_written_can_be_waited_for():
    with not_waited_for():
        a_person()
    end = log_end()

    with transaction.atomic():
        durability.flush()

        assert is_on_disk(end)


def test_whoever_locks_what_is_not_on_the_disk_waits_for_it():
    with not_waited_for():
        person = a_person()
    end = log_end()

    with transaction.atomic():
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)

    assert is_on_disk(end)


def test_a_job_is_begun_when_what_it_rests_on_is_on_the_disk():
    with not_waited_for():
        a_person()
        job = jobs.enqueue(notifications.DELIVER_JOB, endpoint_id=1)
    end = log_end()

    jobs.claim(job.pk, worker="here")

    assert is_on_disk(end)


def test_nobody_is_sent_what_is_not_on_the_disk():
    admin = an_actor("administrator")
    made = endpoints.create(
        *("pager", EndpointKind.WEBHOOK),
        target="https://hooks.example.com/x",
        by=admin,
        reason="test",
    ).endpoint
    with not_waited_for():
        endpoints.test(made.pk, by=admin, reason="test")
    end = log_end()
    seen = []

    def resolve(host: str, port: int) -> list[str]:
        seen.append(is_on_disk(end))
        raise outbound.Unreached("nobody is there")

    notifications.deliver_next(made.pk, resolve=resolve)

    assert seen == [True]
    assert Delivery.objects.get().attempts == 1


class Watched(AppendOnlyFile):
    """A sink that looks whether what it is given to keep can still get lost."""

    end = 0
    seen: list[bool] = []

    def publish(self, note: str) -> None:
        self.seen.append(is_on_disk(self.end))
        super().publish(note)


def test_what_is_sealed_is_on_the_disk_before_a_sink_hears_of_it(sealer, settings):
    settings.CHECKPOINT_SINKS[0]["BACKEND"] = f"{__name__}.{Watched.__name__}"
    sealing.seal()
    with not_waited_for():
        a_person()
    Watched.end = log_end()
    Watched.seen.clear()

    sealing.seal()

    assert Watched.seen == [True]


def test_an_answer_that_got_lost_on_the_way_to_the_disk_is_no_refusal():
    admin = an_actor("administrator")

    with lost_after_the_commit(), pytest.raises(OperationalError):
        people.invite("somebody", by=admin, reason="test")

    assert Person.objects.filter(username="somebody").exists()
    assert LedgerEntry.objects.order_by("-seq")[0].subject_name == "somebody"
