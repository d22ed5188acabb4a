"""Every route of the pages and of the API, tried by every role: nobody does more than
the table says, and auditors see everything and change nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.admin.acts import Act
from portal.domain.roles import GRANTS, May, Role
from portal.models import Approval, LedgerEntry
from portal.services import actors, approvals, people
from tests.builders import a_person, an_actor

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
UNSAFE = ("post", "put", "patch", "delete")
# Acts that are open to whoever reads: what they do is refused to most by the service.
FOR_READERS = {
    "approval_confirm",
    "approval_reject",
    "approval_withdraw",
    "person_second_factor",
    "releasegate_sign_as_architect",
    "releasegate_sign_as_qa",
    "delegation_end",
}


def api_views() -> Iterator[tuple[str, type]]:
    """Each path of the API, with its parameters filled in, and its view."""

    def walk(patterns: list, before: str) -> Iterator[tuple[str, type]]:
        for each in patterns:
            path = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, path)
            elif isinstance(each, URLPattern) and path.startswith("api/v1/"):
                view = getattr(each.callback, "view_class", None) or each.callback.cls
                yield "/" + filled(path), view

    yield from walk(get_resolver().url_patterns, "")


def filled(path: str) -> str:
    while "<" in path:
        before, rest = path.split("<", 1)
        inside, after = rest.split(">", 1)
        kind = inside.partition(":")[0] if ":" in inside else "str"
        path = before + ("1" if kind == "int" else "x") + after
    return path


def admin_acts() -> list[tuple[str, Act]]:
    """Each act of each admin class, with the address of its page."""
    found = []
    for model, registered in admin.site._registry.items():
        for act in getattr(registered, "acts", ()):
            name = f"{model._meta.app_label}_{model._meta.model_name}_{act.name}"
            args = [] if act.is_on_list else [1]
            found.append((reverse(f"admin:{name}", args=args), act))
    return found


def signed_in(role: str) -> Client:
    person = a_person(role)
    person.must_change_password = False
    person.save_as(actors.host(), reason="test")
    client = Client(raise_request_exception=False)
    client.force_login(person, BACKEND)
    return client


@pytest.mark.parametrize("role", Role)
def test_no_role_gets_past_what_a_route_of_the_api_declares(role):
    client = signed_in(role)
    before = LedgerEntry.objects.count()

    tried = 0
    for path, view in api_views():
        declared = getattr(view, "may", {})
        for method in ("get", *UNSAFE):
            act = declared.get(method.upper())
            if act in GRANTS[role]:
                continue
            answer = call(client, method, path)
            expected = 403 if act else 405  # nobody is offered what is not there
            assert answer.status_code == expected, (role, method, path, act)
            tried += 1

    assert tried > 100
    assert LedgerEntry.objects.count() == before


def call(client: Client, method: str, path: str) -> Any:
    if method == "get":
        return client.get(path)
    return getattr(client, method)(
        path,
        {},
        content_type="application/json",
        headers={"idempotency-key": "0123456789abcdef"},
    )


def test_nobody_gets_in_without_signing_in():
    client = Client()

    for path, _ in api_views():
        for method in ("get", *UNSAFE):
            assert call(client, method, path).status_code == 401, (method, path)
    for page, _ in admin_acts():
        for answer in (client.get(page), client.post(page, {})):
            assert answer.status_code == 302, page
            assert answer["location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("role", Role)
def test_no_role_gets_past_what_an_act_on_the_pages_takes(role):
    client = signed_in(role)
    before = LedgerEntry.objects.count()

    for page, act in admin_acts():
        if act.may in GRANTS[role]:
            continue
        for answer in (client.get(page), client.post(page, {"reason": "mine"})):
            assert answer.status_code == 403, (role, page)

    assert LedgerEntry.objects.count() == before


def test_an_auditor_reads_every_list_and_every_get_of_the_api():
    client = signed_in(Role.AUDITOR)

    for model in admin.site._registry:
        opts = model._meta
        listed = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        assert client.get(listed).status_code == 200, listed
    for path, view in api_views():
        if getattr(view, "may", {}).get("GET") == May.READ:
            assert client.get(path).status_code not in (401, 403, 500), path


def test_what_an_auditor_may_begin_changes_nothing():
    client = signed_in(Role.AUDITOR)
    names = {
        page.strip("/").split("/")[2] + "_" + act.name
        for page, act in admin_acts()
        if act.may == May.READ
    }
    asked = people.request_role(
        a_person().pk, Role.QA, by=an_actor("administrator"), reason="joins"
    )

    assert GRANTS[Role.AUDITOR] == {May.READ}
    assert {n for n in names if n.startswith("approval_")} <= FOR_READERS
    before = LedgerEntry.objects.count()
    for act in ("confirm", "reject", "withdraw"):
        page = reverse(f"admin:portal_approval_{act}", args=[asked.pk])
        said = {"reason": "mine", "password": "correct horse battery staple"}
        assert client.post(page, said).status_code in (403, 422)
    assert Approval.objects.get(pk=asked.pk).state == "pending"
    assert LedgerEntry.objects.count() == before
    assert approvals.APPROVABLES


def test_no_page_adds_edits_or_deletes_by_a_form():
    client = signed_in(Role.ADMINISTRATOR)

    for model in admin.site._registry:
        opts = model._meta
        for name, args in (("add", []), ("change", [1]), ("delete", [1])):
            page = reverse(
                f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args
            )
            status = client.post(page, {"post": "yes"}).status_code
            assert status in (302, 403, 404), (page, status)
            if name == "add":
                assert status == 403, page
