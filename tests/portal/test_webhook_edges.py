"""Endpoints and deliveries over the API, on pages, and in figures."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal import clock
from portal.domain.notifications import EndpointKind
from portal.domain.verbs import Verb
from portal.models import Delivery, Endpoint, IdempotencyKey, LedgerEntry, Notification
from portal.services import actors, endpoints, metrics, tokens
from tests.builders import a_person, the_last_line
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_changes import send
from tests.rollout.test_api import Caller, code_of

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/secret-path"
NEW = {"name": "pager", "target": URL, "events": ["approval.*"], "reason": "because"}


class SignedIn(Caller):
    """A person who speaks to the API out of a session."""

    def __init__(self, client, *roles: str) -> None:
        self.person = signed_in(client, *roles)
        super().__init__(client, "")
        self.headers = {}


@pytest.fixture
def call(client) -> SignedIn:
    return SignedIn(client, "architect")


def a_delivery(**wanted) -> Delivery:
    admin = actors.for_person(a_person("administrator"))
    made = endpoints.create(
        wanted.pop("name", "told"),
        EndpointKind.WEBHOOK,
        target=URL,
        by=admin,
        reason="test",
        **wanted,
    )
    endpoints.test(made.endpoint.pk, by=admin, reason="test")
    return Delivery.objects.get(endpoint=made.endpoint)


# The API


def test_a_secret_is_shown_once_and_is_nowhere_to_be_read(call):
    made = call.post("webhooks", NEW, key="once")
    secret = made.json()["secret"]
    again = call.post("webhooks", NEW, key="once")

    assert (made.status_code, again.status_code) == (201, 201)
    assert secret.startswith("whsec_")
    assert again.json() == made.json() | {"secret": None}
    row = Endpoint.objects.get()
    kept = [row.address, row.secret, bytes(IdempotencyKey.objects.get().body).decode()]
    kept += list(LedgerEntry.objects.values_list("body", flat=True))
    read = call.get(f"webhooks/{row.pk}").content.decode()
    for text in [*kept, read, call.get("webhooks").content.decode()]:
        assert secret not in text
        assert "secret-path" not in text
    assert made.json()["shown"] == "https://hooks.example.com/…"
    assert the_last_line()[1:] == (Verb.ENDPOINT_CREATED, "because")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"target": "https://127.0.0.1/"}, (403, "ADDRESS_FORBIDDEN")),
        ({"target": "http://hooks.example.com/"}, (403, "ADDRESS_FORBIDDEN")),
        ({"target": "nonsense"}, (422, "TARGET_INVALID")),
        ({"target": ""}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"events": []}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"events": ["switch.explode"]}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"events": ["*.*"]}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"events": "*"}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"at_least": "loud"}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"kind": "pigeon"}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"kind": "email", "target": "a@b.org"}, (409, "MAIL_NOT_CONFIGURED")),
        ({"rollout": "no key"}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"reason": ""}, (422, "SCHEMA_VALIDATION_FAILED")),
        ({"name": "\0"}, (422, "NOT_CANONICAL")),
    ],
    ids=str,
)
def test_a_wrong_endpoint_is_refused(call, said, answer):
    assert code_of(call.post("webhooks", NEW | said)) == answer
    assert not Endpoint.objects.exists()


def test_a_wrong_address_of_e_mail_is_refused(call, settings):
    settings.EMAIL_IS_CONFIGURED = True
    for kind, target in (("email", "nobody"), ("approvers", "a@example.org")):
        refused = call.post("webhooks", NEW | {"kind": kind, "target": target})
        assert code_of(refused) == (422, "SCHEMA_VALIDATION_FAILED")


def test_a_name_is_taken_once(call):
    call.post("webhooks", NEW)

    assert code_of(call.post("webhooks", NEW)) == (409, "CONFLICT")


def test_an_edit_names_the_version_that_it_edits(call):
    pk = call.post("webhooks", NEW).json()["id"]
    seen = call.get(f"webhooks/{pk}")["ETag"]
    edit = {"events": ["*"], "reason": "All of it."}

    assert code_of(call.patch(f"webhooks/{pk}", edit))[0] == 428
    done = call.patch(f"webhooks/{pk}", edit, **{"if-match": seen})
    assert (done.status_code, done.json()["events"]) == (200, ["*"])
    assert code_of(call.patch(f"webhooks/{pk}", edit, **{"if-match": seen}))[0] == 412
    assert done["ETag"] == call.get(f"webhooks/{pk}")["ETag"]
    assert the_last_line()[1:] == (Verb.ENDPOINT_EDITED, "All of it.")


def test_the_life_of_an_endpoint(call):
    pk = call.post("webhooks", NEW).json()["id"]
    because = {"reason": "because"}

    sent = call.post(f"webhooks/{pk}/test", because)
    (delivery,) = call.get(f"webhooks/{pk}/deliveries").json()["items"]
    assert delivery["webhook_id"] == sent.json()["webhook_id"]
    assert (delivery["event"], delivery["state"]) == ("endpoint.tested", "waiting")
    rotated = call.post(f"webhooks/{pk}/rotate-secret", because).json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["old_secret_until"]
    assert call.post(f"webhooks/{pk}/disable", because).json()["state"] == "disabled"
    again = f"webhooks/{pk}/deliveries/{delivery['id']}/redeliver"
    assert code_of(call.post(again, because)) == (409, "ENDPOINT_DISABLED")
    assert call.post(f"webhooks/{pk}/enable", because).json()["state"] == "active"
    assert call.post(again, because).json()["state"] == "waiting"
    assert code_of(call.post(f"webhooks/{pk}/enable", because))[0] == 409
    assert code_of(call.get(f"webhooks/{pk}/deliveries?state=lost"))[0] == 422
    for path in ("webhooks/99", "webhooks/99/deliveries"):
        assert code_of(call.get(path))[0] == 404
    assert code_of(call.post("webhooks/99/test", because))[0] == 404


def test_only_architects_and_administrators_direct_what_goes_out(client):
    delivery = a_delivery()
    for role, manages, redelivers in (
        ("auditor", 403, 403),
        ("qa", 403, 403),
        ("operator", 403, 409),
        ("architect", 201, 409),
        ("administrator", 201, 409),
    ):
        person = SignedIn(client, role)
        made = person.post("webhooks", NEW | {"name": role})
        assert made.status_code == manages, role
        path = f"webhooks/{delivery.endpoint_id}/deliveries/{delivery.pk}/redeliver"
        # 409: it waits already, so whoever may gets as far as that.
        assert person.post(path, {"reason": "t"}).status_code == redelivers, role


def test_no_token_directs_what_goes_out(client):
    made = tokens.create(
        "service",
        owner=a_person("administrator"),
        scopes=["read", "operate"],
        by=actors.host(),
        reason="test",
    )

    refused = Caller(client, made.text).post("webhooks", NEW)

    assert code_of(refused) == (403, "NOT_ALLOWED")


def test_a_list_costs_the_same_however_long_it_is(call):
    first = a_delivery()

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert call.get(path).status_code == 200
        return len(asked)

    path = f"webhooks/{first.endpoint_id}/deliveries"
    cost("webhooks")  # whoever comes first has more to look up
    before = cost("webhooks"), cost(path)
    admin = actors.for_person(a_person("administrator"))
    for number in range(5):
        a_delivery(name=f"told-{number}")
        endpoints.test(first.endpoint_id, by=admin, reason="test")
    assert (cost("webhooks"), cost(path)) == before


# Pages


def test_an_endpoint_is_made_tested_and_disabled_from_pages(client):
    signed_in(client, "administrator")
    said = {
        "name": "pager",
        "kind": "webhook",
        "target": URL,
        "events": "switch.*, stage.*",
        "rollout": "",
        "at_least": "warning",
        "reason": "Somebody has to wake up.",
    }

    done = client.post(page(Endpoint, "create"), said, follow=True)

    made = Endpoint.objects.get()
    assert made.events == ["stage.*", "switch.*"]
    assert "whsec_" in done.content.decode()
    body = client.get(page(Endpoint, "change", made.pk)).content.decode()
    assert "hooks.example.com/…" in body
    assert "secret-path" not in body
    assert made.secret not in body
    send(client, page(Endpoint, "test", made.pk), reason="Does it ring?")
    assert Notification.objects.get().event == "endpoint.tested"
    send(client, page(Endpoint, "rotate_secret", made.pk), reason="It leaked.")
    history = client.get(page(Endpoint, "history", made.pk)).content.decode()
    assert "It leaked." in history
    assert made.secret not in history
    send(client, page(Endpoint, "disable", made.pk), reason="Quiet.")
    made.refresh_from_db()
    assert (made.state, made.because) == ("disabled", "Quiet.")


def test_a_form_says_beside_the_field_what_is_wrong(client):
    signed_in(client, "administrator")
    said = {
        "name": "pager",
        "kind": "webhook",
        "target": "https://localhost/",
        "events": "*",
        "at_least": "info",
        "reason": "because",
    }

    refused = client.post(page(Endpoint, "create"), said)

    assert refused.status_code == 422
    assert "no name of the public network" in refused.content.decode()
    assert not Endpoint.objects.exists()


def test_a_delivery_can_be_read_and_sent_again_from_its_page(client):
    delivery = a_delivery()
    admin = actors.for_person(a_person("administrator"))
    endpoints.disable(delivery.endpoint_id, by=admin, reason="t")
    endpoints.enable(delivery.endpoint_id, by=admin, reason="t")
    signed_in(client, "operator")

    body = client.get(page(Delivery, "change", delivery.pk)).content.decode()
    assert "endpoint.tested" in body
    send(client, page(Delivery, "redeliver", delivery.pk), reason="It is back.")

    delivery.refresh_from_db()
    assert delivery.state == "waiting"


def test_the_start_page_raises_the_alarm(client):
    signed_in(client, "auditor")
    start = reverse("admin:index")
    assert "Nobody is told of anything" in client.get(start).content.decode()

    delivery = a_delivery()
    assert "✓ Yes: 1 endpoint" in client.get(start).content.decode()

    delivery.created_at = clock.now() - timedelta(minutes=6)
    delivery.save()
    assert "waited for more than five minutes" in client.get(start).content.decode()
    endpoint = delivery.endpoint
    endpoint.state, endpoint.because = "failed", "It says that it is gone (410)."
    endpoint.save_as(actors.system(), reason="test")
    assert "is told nothing any more" in client.get(start).content.decode()


def test_the_figures_say_how_late_it_is():
    a_delivery()

    said = metrics.exposition().decode()

    assert 'portal_endpoints{state="active"} 1.0' in said
    assert "portal_deliveries_waiting 1.0" in said
    assert "portal_delivery_lag_seconds 0." in said


def test_what_is_sent_is_small_and_has_three_members():
    delivery = a_delivery()

    body = delivery.notification.body

    assert json.loads(body).keys() == {"type", "timestamp", "data"}
    assert len(body) < 1000
