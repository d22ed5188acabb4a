"""Events are published with their act, delivered afterwards, and not lost."""

import json
from base64 import b64decode
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portal import clock
from portal.domain import webhooks
from portal.domain.jobs import JobState
from portal.domain.notifications import DeliveryState, EndpointKind, EndpointState
from portal.domain.redaction import MASK
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, WrongMoment
from portal.models import (
    Approval,
    Delivery,
    DeliveryAttempt,
    Endpoint,
    Job,
    LedgerEntry,
    Notification,
    SilentChange,
)
from portal.services import endpoints, jobs, notifications, outbound, people
from tests.builders import a_person, an_actor, the_last_line
from tests.receiver import (
    a_receiver,
    answers,
    eventually,
    floods,
    says_nothing,
    trickles_body,
    trickles_headers,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return an_actor("administrator")


@pytest.fixture
def allows(settings):
    """Let the portal speak to a receiver on this machine."""

    def allow(receiver) -> None:
        settings.WEBHOOK_ALLOWED_HOSTS = {f"127.0.0.1:{receiver.port}"}

    return allow


@pytest.fixture
def by_mail(settings):
    settings.EMAIL_IS_CONFIGURED = True


def an_endpoint(admin, url="https://hooks.example.com/x", **wanted) -> Endpoint:
    made = endpoints.create(
        wanted.pop("name", "pager"),
        wanted.pop("kind", EndpointKind.WEBHOOK),
        target=url,
        by=admin,
        reason="test",
        **wanted,
    )
    return made.endpoint


def ask_for_a_role(admin, reason="We need them.") -> Approval:
    """An act that somebody may want to be told of."""
    someone = a_person()
    return people.request_role(someone.pk, "operator", by=admin, reason=reason)


def deliver(endpoint) -> Delivery:
    done = notifications.deliver_next(endpoint.pk)
    if done is not None:
        done.refresh_from_db()
    endpoint.refresh_from_db()
    return done


# Publishing


def test_an_event_is_written_down_with_its_act(admin):
    endpoint = an_endpoint(admin, events=["approval.*"])

    asked = ask_for_a_role(admin)

    told = Notification.objects.get()
    line = LedgerEntry.objects.get(verb=Verb.APPROVAL_REQUESTED)
    assert (told.uuid, told.entry) == (line.uuid, line)
    body = json.loads(told.body)
    assert body["type"] == "approval.requested"
    assert body["data"]["subject"] == {"type": "portal.approval", "id": str(asked.pk)}
    assert body["data"]["reason"] == "We need them."
    assert body["data"]["facts"]["waits_for"] == ["architect", "administrator"]
    assert told.deliveries.get().endpoint == endpoint
    assert Job.objects.get(kind=notifications.DELIVER_JOB).queue == "delivery"


def test_an_act_that_is_undone_tells_nobody(admin):
    an_endpoint(admin)

    with transaction.atomic():
        ask_for_a_role(admin)
        transaction.set_rollback(True)

    assert not Notification.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "wanted",
    [
        {"events": ["job.*"]},
        {"at_least": "warning"},
        {"rollout": "another"},
    ],
    ids=str,
)
def test_whoever_does_not_want_an_event_is_not_told(admin, wanted):
    an_endpoint(admin, **wanted)

    ask_for_a_role(admin)

    assert not Notification.objects.exists()


def test_what_is_no_event_costs_no_query_and_what_nobody_wants_costs_one(admin):
    line = LedgerEntry.objects.order_by("-seq").first()
    with CaptureQueriesContext(connection) as asked:
        notifications.publish(line, line, {})
    assert len(asked) == 0

    line.verb = Verb.JOB_DIED
    with CaptureQueriesContext(connection) as asked:
        notifications.publish(line, line, {})
    assert len(asked) == 1


def test_no_secret_gets_into_a_message(admin):
    an_endpoint(admin)

    ask_for_a_role(admin, reason="Because token=abcdef0123456789abcdef says so.")

    body = Notification.objects.get().body
    assert "abcdef0123456789" not in body
    assert MASK in body


def test_a_notification_is_written_once(admin):
    an_endpoint(admin)
    ask_for_a_role(admin)

    with pytest.raises(SilentChange):
        Notification.objects.update(event="other")


# Delivering


def test_a_webhook_arrives_signed_and_byte_for_byte(admin, allows):
    with a_receiver(answers(204, body=b"")) as receiver:
        allows(receiver)
        made = endpoints.create(
            "pager", EndpointKind.WEBHOOK, target=receiver.url, by=admin, reason="t"
        )
        ask_for_a_role(admin)

        done = deliver(made.endpoint)

    (request,) = receiver.requests
    told = done.notification
    assert (done.state, done.status, done.attempts) == ("delivered", 204, 1)
    assert request.line == "POST /hook HTTP/1.1"
    assert request.body.decode() == told.body
    assert request.headers["webhook-id"] == str(told.uuid)
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    webhooks.verify(made.secret, request.headers, request.body, now=clock.now())
    assert receiver.connections == 1


def test_while_a_secret_is_rotated_both_sign_and_then_only_the_new_one(admin, allows):
    with a_receiver(answers(200)) as receiver:
        allows(receiver)
        old = endpoints.create(
            "pager", EndpointKind.WEBHOOK, target=receiver.url, by=admin, reason="t"
        )
        new = endpoints.rotate_secret(old.endpoint.pk, by=admin, reason="It leaked.")
        endpoints.test(old.endpoint.pk, by=admin, reason="t")
        deliver(old.endpoint)
        with time_machine.travel(clock.now() + webhooks.OVERLAP, tick=False):
            endpoints.test(old.endpoint.pk, by=admin, reason="t")
            deliver(old.endpoint)

    during, after = receiver.requests
    for secret in (old.secret, new.secret):
        webhooks.verify(secret, during.headers, during.body, now=clock.now())
    assert len(during.headers["webhook-signature"].split()) == 2
    assert len(after.headers["webhook-signature"].split()) == 1


def test_a_failure_is_tried_again_with_the_same_id_and_body(admin, allows):
    with a_receiver(answers(500, body=b"not today"), answers(200)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")

        first = deliver(endpoint)
        assert (first.state, first.status, first.says) == ("waiting", 500, "not today")
        assert clock.now() < first.next_at <= clock.now() + timedelta(seconds=10)
        assert deliver(endpoint) is None  # not before its time

        with time_machine.travel(clock.now() + timedelta(minutes=1), tick=False):
            second = deliver(endpoint)

    assert (second.pk, second.state, second.attempts) == (first.pk, "delivered", 2)
    once, again = receiver.requests
    assert once.headers["webhook-id"] == again.headers["webhook-id"]
    assert once.body == again.body
    assert once.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    assert [a.status for a in second.log.all()] == [200, 500]
    assert endpoint.failing_since is None


def test_a_receiver_says_when_to_come_again(admin, allows):
    with a_receiver(answers(503, "Retry-After: 3600")) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")

        done = deliver(endpoint)

    hour = timedelta(minutes=59), timedelta(minutes=61)
    assert hour[0] < done.next_at - clock.now() < hour[1]
    assert hour[0] < endpoint.rests_until - clock.now() < hour[1]


def test_it_is_given_up_after_the_last_try_and_can_be_sent_again_by_hand(admin, allows):
    with a_receiver(*[answers(500)] * webhooks.MAX_TRIES, answers(200)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")
        start = clock.now()
        for hours in range(webhooks.MAX_TRIES):
            # The schedule would take days; that is too long without being disabled.
            Endpoint.objects.get(pk=endpoint.pk)
            with time_machine.travel(start + timedelta(hours=hours), tick=False):
                Delivery.objects.update(next_at=clock.now())
                done = deliver(endpoint)
        assert (done.state, done.tries) == ("given_up", webhooks.MAX_TRIES)

        with time_machine.travel(start + timedelta(hours=99), tick=False):
            operator = an_actor("operator")
            notifications.redeliver(done.pk, by=operator, reason="It is back.")
            assert the_last_line()[1:] == (Verb.DELIVERY_REPEATED, "It is back.")
            again = deliver(endpoint)

    assert (again.state, again.tries) == ("delivered", 1)
    assert again.attempts == webhooks.MAX_TRIES + 1
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 1


def test_a_receiver_that_is_gone_is_told_nothing_more(admin, allows):
    with a_receiver(answers(410)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        for _ in range(2):
            endpoints.test(endpoint.pk, by=admin, reason="t")

        deliver(endpoint)

    assert endpoint.state == EndpointState.FAILED
    assert "410" in endpoint.because
    states = Delivery.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["given_up", "dropped"]
    assert the_last_line()[1] == Verb.ENDPOINT_FAILED


def test_one_that_fails_for_days_is_disabled_and_the_others_are_told(admin, allows):
    with a_receiver(answers(500)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        other = an_endpoint(admin, name="other", events=["endpoint.failed"])
        endpoints.test(endpoint.pk, by=admin, reason="t")
        deliver(endpoint)
        assert endpoint.state == EndpointState.ACTIVE

        later = clock.now() + webhooks.DISABLE_AFTER
        with time_machine.travel(later, tick=False):
            deliver(endpoint)

    assert endpoint.state == EndpointState.FAILED
    told = Notification.objects.order_by("-pk").first()
    assert (told.event, told.severity) == ("endpoint.failed", "critical")
    assert told.deliveries.get().endpoint == other
    with pytest.raises(WrongMoment):
        endpoints.test(endpoint.pk, by=admin, reason="t")
    assert endpoints.enable(endpoint.pk, by=admin, reason="t").state == "active"


@pytest.mark.parametrize("behaves", [trickles_headers, says_nothing])
def test_nobody_holds_up_the_worker(admin, allows, behaves, settings):
    settings.WEBHOOK_TIMEOUT_SECONDS = 2
    with a_receiver(behaves) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")

        done = deliver(endpoint)

    assert (done.state, done.status) == ("waiting", None)
    assert "2 s" in done.says
    assert 1900 < done.log.get().took_ms < 10_000


@pytest.mark.parametrize(
    ("behaves", "state", "status"),
    [
        (trickles_body(200), "delivered", 200),
        (trickles_body(500), "waiting", 500),
        (floods, "waiting", 500),
    ],
)
def test_a_status_counts_however_the_body_goes_on(
    admin, allows, behaves, state, status, settings
):
    settings.WEBHOOK_TIMEOUT_SECONDS = 2
    with a_receiver(behaves) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")

        done = deliver(endpoint)
        assert behaves is not floods or eventually(lambda: receiver.broken_off)

    assert (done.state, done.status) == (state, status)
    assert len(done.says) <= outbound.EXCERPT_BYTES


def test_redirects_are_not_followed(admin, allows):
    with a_receiver(answers(200)) as elsewhere:
        where = f"Location: {elsewhere.url}"
        with a_receiver(answers(307, where)) as receiver:
            allows(receiver)
            endpoint = an_endpoint(admin, receiver.url)
            endpoints.test(endpoint.pk, by=admin, reason="t")

            done = deliver(endpoint)

        assert (done.state, done.status) == ("waiting", 307)
        assert elsewhere.connections == 0


def test_an_endpoint_that_fails_rests_so_that_it_holds_up_nobody(admin, allows):
    with a_receiver(answers(500)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        for _ in range(20):
            endpoints.test(endpoint.pk, by=admin, reason="t")

        deliver(endpoint)
        for _ in range(20):
            assert deliver(endpoint) is None

    assert receiver.connections == 1
    before = Job.objects.count()
    notifications.sweep()
    assert Job.objects.count() == before


def test_what_is_due_is_wanted_again_by_the_sweep(admin):
    endpoint = an_endpoint(admin)
    endpoints.test(endpoint.pk, by=admin, reason="t")
    Job.objects.update(state=JobState.DONE)

    notifications.sweep()
    notifications.sweep()

    wanted = Job.objects.filter(state=JobState.WAITING)
    assert wanted.get().payload == {"endpoint_id": endpoint.pk}


def test_a_job_that_is_run_twice_delivers_once(admin, allows):
    with a_receiver(answers(200)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")
        job = Job.objects.get()

        assert jobs.carry_out(job.pk, worker="a")
        assert not jobs.carry_out(job.pk, worker="b")
        deliver(endpoint)

    assert receiver.connections == 1
    assert DeliveryAttempt.objects.count() == 1


def test_what_a_worker_died_of_is_sent_again_with_the_same_id(admin, allows):
    with a_receiver(answers(200)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url)
        endpoints.test(endpoint.pk, by=admin, reason="t")
        with transaction.atomic():  # killed after the answer, before the commit
            notifications.deliver_next(endpoint.pk)
            transaction.set_rollback(True)

        done = deliver(endpoint)

    assert (done.state, done.attempts) == ("delivered", 1)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


# Chat and e-mail


def test_chat_gets_text_in_which_nothing_is_a_mention(admin, allows):
    with a_receiver(answers(200)) as receiver:
        allows(receiver)
        endpoint = an_endpoint(admin, receiver.url, kind=EndpointKind.SLACK)
        ask_for_a_role(admin, reason="<!channel> & all")

        deliver(endpoint)

    (request,) = receiver.requests
    said = json.loads(request.body)
    assert said.keys() == {"text"}
    assert "&lt;!channel&gt; &amp; all" in said["text"]
    assert "approval.requested" in said["text"]
    assert "webhook-signature" not in request.headers


def test_an_address_gets_e_mail(admin, by_mail):
    endpoint = an_endpoint(admin, "duty@example.org", kind=EndpointKind.EMAIL)
    ask_for_a_role(admin, reason="first\nsecond")

    done = deliver(endpoint)

    assert done.state == DeliveryState.DELIVERED
    (message,) = mail.outbox
    assert message.recipients() == ["duty@example.org"]
    assert "approval.requested" in message.subject
    assert "second" in message.body


def test_those_who_can_confirm_get_e_mail_and_who_asked_does_not(admin, by_mail):
    endpoint = an_endpoint(admin, "", kind=EndpointKind.APPROVERS)
    for role in ("architect", "operator", "administrator"):
        person = a_person(role)
        person.email = f"{role}@example.org"
        person.save_as(admin, reason="test")
    admin.person.email = "asker@example.org"
    admin.person.save_as(admin, reason="test")
    ask_for_a_role(admin)

    deliver(endpoint)

    (message,) = mail.outbox
    assert message.recipients() == [
        "administrator@example.org",
        "architect@example.org",
    ]
    assert message.to == []


def test_that_nobody_can_be_written_to_is_no_failure_of_the_endpoint(admin, by_mail):
    endpoint = an_endpoint(admin, "", kind=EndpointKind.APPROVERS)
    ask_for_a_role(admin)

    done = deliver(endpoint)

    assert (done.state, endpoint.failures) == ("given_up", 0)
    assert mail.outbox == []


def test_a_mail_server_that_is_away_is_tried_again(admin, by_mail, settings):
    endpoint = an_endpoint(admin, "duty@example.org", kind=EndpointKind.EMAIL)
    endpoints.test(endpoint.pk, by=admin, reason="t")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    done = deliver(endpoint)

    assert done.state == DeliveryState.WAITING
    assert "refused" in done.says


def test_whoever_can_confirm_is_told_of_nothing_else(admin, by_mail):
    an_endpoint(admin, "", kind=EndpointKind.APPROVERS)
    an_endpoint(admin, name="other")
    job = jobs.enqueue(notifications.DELIVER_JOB, endpoint_id=0)
    job.kind = "nobody.knows"
    job.save()

    jobs.carry_out(job.pk, worker="w")

    told = Notification.objects.get(event="job.died")
    assert told.deliveries.get().endpoint.name == "other"


def test_redelivering_takes_somebody_who_may(admin):
    endpoint = an_endpoint(admin)
    endpoints.test(endpoint.pk, by=admin, reason="t")
    endpoints.disable(endpoint.pk, by=admin, reason="t")
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.DROPPED

    with pytest.raises(NotAllowed):
        notifications.redeliver(delivery.pk, by=an_actor("auditor"), reason="t")
    with pytest.raises(WrongMoment):
        notifications.redeliver(delivery.pk, by=admin, reason="t")
    endpoints.enable(endpoint.pk, by=admin, reason="t")
    assert notifications.redeliver(delivery.pk, by=admin, reason="t").state == "waiting"
    with pytest.raises(WrongMoment):
        notifications.redeliver(delivery.pk, by=admin, reason="t")


def test_the_secret_in_a_signature_is_as_long_as_it_says(admin):
    made = endpoints.create(
        *("pager", EndpointKind.WEBHOOK),
        target="https://hooks.example.com/",
        by=admin,
        reason="t",
    )

    assert len(b64decode(made.secret.removeprefix("whsec_"))) == webhooks.SECRET_BYTES
