import json
from hashlib import sha256
from itertools import count

import pytest
from django.core.management import call_command
from django.urls import get_resolver
from drf_spectacular.validation import validate_schema
from rest_framework.views import APIView

from portal.api.guide import ApiDocsView
from portal.domain.roles import May
from portal.models import ApiToken, IdempotencyKey, LedgerEntry
from portal.services import actors, people, tokens
from rollout.domain.artifacts import field_from_digest
from rollout.models import Advance, Artifact, Decision, Run
from rollout.services import documents, vault
from tests.builders import an_actor
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates, spent

pytestmark = pytest.mark.django_db
_keys = count(1)


class Caller:
    """A service that speaks HTTP."""

    def __init__(self, client, token: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}"}

    def get(self, path, **headers):
        return self.client.get(f"/api/v1/{path}", headers=self.headers | headers)

    def put(self, path, body: bytes, content_type="application/json", **headers):
        return self.client.put(
            f"/api/v1/{path}",
            body,
            content_type=content_type,
            headers=self.headers | headers,
        )

    def post(self, path, body, *, key: str | None = "", **headers):
        if key is not None:
            headers["idempotency-key"] = key or f"key-{next(_keys)}"
        return self.client.post(
            f"/api/v1/{path}",
            body if isinstance(body, bytes) else raw(body),
            content_type="application/json",
            headers=self.headers | headers,
        )

    def patch(self, path, body, **headers):
        return self.client.patch(
            f"/api/v1/{path}",
            raw(body),
            content_type="application/json",
            headers=self.headers | headers,
        )


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


def code_of(response) -> tuple[int, str]:
    """Status and code of a refusal, which has the one shape."""
    assert response["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert problem["instance"].startswith("/api/")
    return response.status_code, problem["code"]


# The main story


def test_a_run_asks_reports_fails_for_good_and_falls_back(call, carry_out_jobs):
    decided = call.post("decisions", {"run_id": "run-1", **ASKED}).json()
    assert (decided["workflow"], decided["reason"]) == ("standard", "NOT_STARTED")

    for _ in range(2):
        sent = [
            call.put("runs/run-1/manifest", raw(a_manifest(**spent()))),
            call.put("runs/run-1/gates", raw(some_gates(failed="B", notes="two bad"))),
        ]
        carry_out_jobs()

    assert [response.status_code for response in sent] == [200, 200]
    run = call.get("runs/run-1").json()
    assert (run["status"], run["reported_status"]) == ("failed", "running")
    assert run["fallback"]["gate_id"] == "B"
    summary = call.get("runs/run-1/artifacts/logs/fallback-summary.md")
    body = b"".join(summary.streaming_content)
    assert b"- reason: two bad\n" in body
    digest = f"sha256:{sha256(body).hexdigest()}"
    assert summary["content-digest"] == field_from_digest(digest)
    told = [e["verb"] for e in call.get("audit?limit=4").json()["items"]]
    assert told == [
        "rollout.run.fell_back",
        "rollout.run.gates_received",
        "rollout.run.manifest_received",
        "rollout.run.decided",
    ]


def test_an_admitted_run_is_told_its_limits_and_why(client):
    a_running_stage()
    call = Caller(client, a_service()[1])

    decided = call.post("decisions", {"run_id": "r1", **ASKED}).json()

    assert decided["workflow"] == "option_c"
    assert decided["stage"] == "offline-baseline"
    assert decided["constraints"]["no_web"] is True
    why = call.get(f"decisions/{decided['decision_id']}/explain").json()
    assert {step["outcome"] for step in why} == {"go on"}
    again = call.get(f"decisions/{decided['decision_id']}/replay").json()
    assert again == {"is_same": True}
    assert call.get("runs/r1").json()["status"] == "created"


def test_the_switch_over_http(client):
    a_running_stage()
    call = Caller(client, a_service()[1])
    key = "the-same-key"
    first = call.post("decisions", {"run_id": "r1", **ASKED}, key=key).json()
    call.put("runs/r1/manifest", raw(a_manifest("r1")))

    engaged = call.post("switch/engage", {"reason": "stop"})
    repeated = call.post("decisions", {"run_id": "r1", **ASKED}, key=key).json()
    onward = call.post("runs/r1/advance", {"from_stage": "wave1", "to_stage": "pivot"})
    asked = call.post("switch/request-release", {"reason": "go"})

    assert first["workflow"] == "option_c"
    assert engaged.json()["state"] == "engaged"
    assert (repeated["workflow"], repeated["reason"]) == ("standard", "KILL_SWITCH")
    assert code_of(onward) == (409, "DISABLED")
    assert onward.json()["preconditions"][0]["holds"] is False
    assert Advance.objects.get().code == "DISABLED"
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    assert call.get("switch").json()["state"] == "engaged"


# Bad input: each the documented code, nothing half-written


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("manifest", b"{", 400, "MALFORMED"),
        ("manifest", b"[" * 70 + b"]" * 70, 400, "MALFORMED"),
        ("manifest", b'{"a":1,"a":2}', 400, "MALFORMED"),
        ("manifest", b"\xff\xfe", 400, "MALFORMED"),
        ("manifest", b'{"a": "\\u0000"}', 422, "NOT_CANONICAL"),
        ("manifest", b"null", 422, "SCHEMA_VALIDATION_FAILED"),
        ("manifest", raw({}), 422, "SCHEMA_VALIDATION_FAILED"),
        ("manifest", raw(a_manifest("other")), 422, "SCHEMA_VALIDATION_FAILED"),
        (
            "manifest",
            raw(a_manifest(stage={"current": "lunch"})),
            422,
            "SCHEMA_VALIDATION_FAILED",
        ),
        ("gates", raw(some_gates("run-2")), 422, "SCHEMA_VALIDATION_FAILED"),
        (
            "gates",
            raw(some_gates() | {"gates": {"A": {}}}),
            422,
            "SCHEMA_VALIDATION_FAILED",
        ),
    ],
)
def test_a_document_that_cannot_be_taken_leaves_no_trace(
    call, path, body, status, code
):
    before = LedgerEntry.objects.count()

    response = call.put(f"runs/run-1/{path}", body)

    assert code_of(response) == (status, code)
    assert not Run.objects.exists()
    assert LedgerEntry.objects.count() == before


def test_a_hard_gate_that_warns_is_against_the_rules(call):
    gates = some_gates()
    gates["gates"]["C"] |= {"status": "warn", "checked_at": "2026-01-01T12:00:00Z"}

    response = call.put("runs/run-1/gates", raw(gates))

    assert code_of(response) == (422, "LIFECYCLE_RULE_VIOLATION")
    assert response.json()["errors"][0]["pointer"] == "/gates/C/status"


def test_revisions_only_go_forward(call):
    call.put("runs/run-1/manifest", raw(a_manifest(revision=2)))

    older = call.put("runs/run-1/manifest", raw(a_manifest(revision=1)))
    other = call.put("runs/run-1/manifest", raw(a_manifest(revision=2, mode="deep")))

    assert code_of(older) == (409, "REVISION_MISMATCH")
    assert code_of(other) == (409, "REVISION_MISMATCH")


def test_a_final_run_is_not_revived(call):
    call.put("runs/run-1/manifest", raw(a_manifest(status="cancelled")))

    response = call.put("runs/run-1/manifest", raw(a_manifest(revision=2)))

    assert code_of(response) == (409, "LIFECYCLE_RULE_VIOLATION")
    assert call.get("runs/run-1").json()["status"] == "cancelled"


def test_what_comes_after_the_portals_verdict_is_accepted_and_kept(
    call, carry_out_jobs
):
    call.put("runs/run-1/manifest", raw(a_manifest(**spent())))
    call.put("runs/run-1/gates", raw(some_gates(failed="B")))
    carry_out_jobs()

    response = call.put("runs/run-1/manifest", raw(a_manifest(revision=2)))

    assert (response.status_code, response.json()["outcome"]) == (202, "kept")


def test_a_document_is_read_back_as_the_bytes_that_came(call):
    sent = json.dumps(a_manifest(), indent=3).encode() + b"\n"
    call.put("runs/run-1/manifest", sent)

    read = call.get("runs/run-1/manifest")
    again = call.get("runs/run-1/manifest", **{"if-none-match": read["etag"]})

    assert read.content == sent
    assert read["content-type"] == "application/json"
    assert (again.status_code, again.content) == (304, b"")


def put_artifact(call, path, content=b"x", **headers):
    digest = f"sha256:{sha256(content).hexdigest()}"
    headers.setdefault("content-digest", field_from_digest(digest))
    return call.put(
        f"runs/run-1/artifacts/{path}", content, "application/octet-stream", **headers
    )


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("a//b", {}, 422, "UNSAFE_PATH"),
        ("..%2F..%2Fetc/passwd", {}, 422, "UNSAFE_PATH"),
        ("a/%2E%2E/b", {}, 422, "UNSAFE_PATH"),
        ("a%00b", {}, 422, "UNSAFE_PATH"),
        ("a%5Cb", {}, 422, "UNSAFE_PATH"),
        ("a", {"content-digest": ""}, 400, "DIGEST_REQUIRED"),
        ("a", {"content-digest": "sha-256=:AA:"}, 400, "DIGEST_MALFORMED"),
        (
            "a",
            {"content-digest": field_from_digest(f"sha256:{'0' * 64}")},
            409,
            "DIGEST_MISMATCH",
        ),
    ],
)
def test_an_artifact_that_cannot_be_taken_is_refused(call, path, headers, status, code):
    assert code_of(put_artifact(call, path, **headers)) == (status, code)
    assert not Run.objects.exists()


def test_artifacts_are_versioned_and_write_once(call):
    statuses = [
        put_artifact(call, "a/b.md", content).status_code
        for content in (b"one", b"one", b"two")
    ]

    assert statuses == [201, 200, 201]
    listed = call.get("runs/run-1/artifacts").json()
    assert [(a["path"], a["version"]) for a in listed] == [("a/b.md", 2), ("a/b.md", 1)]
    old = call.get("runs/run-1/artifacts/a/b.md?version=1")
    assert b"".join(old.streaming_content) == b"one"
    assert code_of(call.get("runs/run-1/artifacts/a/b.md?version=x"))[0] == 422
    assert code_of(call.get("runs/run-1/artifacts/nothing")) == (404, "NOT_FOUND")


def test_what_is_asked_about_an_artifact_is_answered_without_reading_it(call, client):
    put_artifact(call, "a.md", b"one")
    artifact = Artifact.objects.get()
    vault.path_of(artifact.digest).unlink()

    answer = client.head("/api/v1/runs/run-1/artifacts/a.md", headers=call.headers)

    assert answer.status_code == 200
    assert answer["content-length"] == "3"
    assert answer["content-digest"] == field_from_digest(artifact.digest)
    gone = call.get("runs/run-1/artifacts/a.md")
    assert code_of(gone) == (404, "ARTIFACT_MISSING")


def test_an_upload_beyond_the_quota_says_how_much_is_used(call, settings):
    settings.ARTIFACTS_QUOTA_BYTES = 5
    put_artifact(call, "a", b"four")

    refused = put_artifact(call, "b", b"more")

    assert code_of(refused) == (507, "QUOTA_EXCEEDED")
    assert refused.json()["used"] == 4


def test_a_body_that_is_cut_off_is_not_what_was_announced(call):
    whole = f"sha256:{sha256(b'whole').hexdigest()}"

    cut = put_artifact(
        call, "a", b"who", **{"content-digest": field_from_digest(whole)}
    )

    assert code_of(cut) == (409, "DIGEST_MISMATCH")
    assert not Artifact.objects.exists()


def test_bodies_have_limits(call, settings):
    settings.MAX_DOCUMENT_BYTES = settings.MAX_EVENTS_BYTES = 100
    settings.MAX_ARTIFACT_BYTES = 3
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    answers = [
        call.put("runs/run-1/manifest", raw(a_manifest())),
        call.post("runs/run-1/events", lines(an_event(1)), key=None),
        put_artifact(call, "a", b"four"),
        call.post("decisions", {"run_id": "r", "note": "x" * 200}),
    ]

    assert {code_of(response) for response in answers} == {(413, "TOO_LARGE")}


@pytest.mark.parametrize(
    "path",
    [
        "decisions",
        "runs/run-1/advance",
        "runs/run-1/fallback-offer",
        "switch/engage",
        "switch/request-release",
        "stages/offline-baseline/request-start",
        "stages/offline-baseline/hold",
    ],
)
def test_every_act_needs_an_idempotency_key(call, path):
    response = call.post(path, {"reason": "x"}, key=None)

    assert code_of(response) == (400, "IDEMPOTENCY_KEY_REQUIRED")


def test_the_same_key_and_body_have_one_effect_and_one_answer(client):
    a_running_stage()
    call = Caller(client, a_service()[1])
    path, body = "stages/offline-baseline/hold", {"reason": "looking"}

    first = call.post(path, body, key="k1")
    before = LedgerEntry.objects.count()
    again = call.post(path, body, key="k1")
    other = call.post(path, {"reason": "something else"}, key="k1")

    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert LedgerEntry.objects.count() == before
    assert code_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_refusal_uses_no_key_up(call):
    refused = call.post("runs/run-1/fallback-offer", {}, key="k1")
    assert code_of(refused) == (404, "NOT_FOUND")
    call.put("runs/run-1/manifest", raw(a_manifest()))
    call.put("runs/run-1/gates", raw(some_gates(failed="B")))

    done = call.post("runs/run-1/fallback-offer", {}, key="k1")

    assert done.status_code == 200
    assert IdempotencyKey.objects.filter(key="k1").count() == 1


def test_nothing_to_fall_back_from(call):
    call.put("runs/run-1/manifest", raw(a_manifest()))

    response = call.post("runs/run-1/fallback-offer", {"reason": "why not"})

    assert code_of(response) == (409, "NO_HARD_GATE_FAIL")


def test_an_edit_says_which_version_it_edits(call):
    path = "flags/PAI_DR_CLI_MAX_WAVE1_AGENTS"
    body = {"default": 3, "reason": "quota"}
    tag = call.get(path)["etag"]

    blind = call.patch(path, body)
    done = call.patch(path, body, **{"if-match": tag})
    stale = call.patch(path, body, **{"if-match": tag})
    wider = call.patch(path, body | {"default": 9}, **{"if-match": done["etag"]})

    assert code_of(blind) == (428, "PRECONDITION_REQUIRED")
    assert (done.status_code, done.json()["default"]) == (200, 3)
    assert code_of(stale) == (412, "PRECONDITION_FAILED")
    assert (wider.status_code, wider.json()["default"]) == (202, 3)
    change = call.get(wider["location"].removeprefix("/api/v1/")).json()
    assert (change["state"], change["risk"]) == ("open", "high")
    assert call.get(path, **{"if-none-match": done["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"run_id": 7}', b'{"run_id": ""}', b'{"run_id":"\\ud800"}'],
)
def test_a_question_that_cannot_be_read_is_refused(call, body):
    status, _ = code_of(call.post("decisions", body))

    assert status in (400, 422)
    assert not Decision.objects.exists()


def test_events_are_counted_and_their_gaps_told(call):
    answer = call.post(
        "runs/run-1/events", lines(an_event(1), an_event(3)), key=None
    ).json()

    assert answer == {"received": 2, "new": 2, "last_seq": 3, "gaps": [[2, 2]]}
    bad = call.post("runs/run-1/events", b'{"seq": 1}\n', key=None)
    assert code_of(bad) == (422, "SCHEMA_VALIDATION_FAILED")
    assert bad.json()["line"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "runs/%00",
        "runs/a%ff",
        "decisions/%00",
        "runs?status=%00",
        "flags/%00",
        "nothing",
        "runs?cursor=%00%ff",
        "audit?verb=%00",
        "runs/x/../y",
    ],
)
def test_odd_addresses_are_answered_calmly(call, path):
    response = call.get(path)

    assert response.status_code < 500
    if response.status_code >= 400:
        code_of(response)


# Who is let in


def test_without_a_token_there_is_nothing(client, service):
    response = client.get("/api/v1/runs")

    assert code_of(response) == (401, "NOT_AUTHENTICATED")
    assert response["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda token, row: "rgp_nonsense", "TOKEN_MALFORMED"),
        (lambda token, row: token[:-1] + "!", "TOKEN_MALFORMED"),
        (lambda token, row: revoked(token, row), "TOKEN_REVOKED"),
        (lambda token, row: expired(token, row), "TOKEN_EXPIRED"),
        (lambda token, row: ownerless(token, row), "TOKEN_OWNERLESS"),
        (lambda token, row: unknown(token, row), "TOKEN_INVALID"),
    ],
)
def test_a_bad_token_is_told_what_is_wrong(client, service, spoil, code):
    made = a_service()
    token = spoil(made[1], made[0].token)

    response = Caller(client, token).get("runs")

    assert code_of(response) == (401, code)


def revoked(token: str, row: ApiToken) -> str:
    tokens.revoke(row.pk, by=actors.host(), reason="leaked")
    return token


def expired(token: str, row: ApiToken) -> str:
    row.expires_at = row.created_at
    row.save_as(actors.host(), reason="test")
    return token


def ownerless(token: str, row: ApiToken) -> str:
    people.deactivate(row.owner_id, by=actors.host(), reason="left")
    return token


def unknown(token: str, row: ApiToken) -> str:
    row.keyed_hash = "another"
    row.save_as(actors.host(), reason="test")
    return token


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "post", "decisions"),
        ("decide", "get", "runs"),
        ("decide", "post", "switch/engage"),
        ("operate", "post", "switch/engage"),
        ("kill", "post", "stages/offline-baseline/hold"),
        ("read", "put", "runs/run-1/manifest"),
    ],
)
def test_a_token_does_only_what_its_scopes_say(client, service, scope, method, path):
    call = Caller(client, a_service(scope)[1])

    response = getattr(call, method)(path, *([b"{}"] if method != "get" else []))

    assert code_of(response) == (403, "NOT_ALLOWED")


def test_a_token_is_good_for_its_own_rollout_only(client, service):
    call = Caller(client, a_service(rollout="another")[1])

    assert code_of(call.get("runs?rollout=" + KEY)) == (403, "WRONG_ROLLOUT")
    assert code_of(call.get("flags"))[0] == 404


def test_a_person_names_the_rollout(client, service):
    client.force_login(
        an_actor("auditor").person, "django.contrib.auth.backends.ModelBackend"
    )

    assert code_of(client.get("/api/v1/runs")) == (422, "ROLLOUT_REQUIRED")
    assert client.get(f"/api/v1/runs?rollout={KEY}").status_code == 200
    posted = client.post(
        f"/api/v1/switch/engage?rollout={KEY}",
        {"reason": "curious"},
        content_type="application/json",
        headers={"idempotency-key": "k"},
    )
    assert code_of(posted) == (403, "NOT_ALLOWED")


def test_every_answer_has_its_request_id_and_the_ledger_has_it_too(call):
    response = call.put(
        "runs/run-1/manifest", raw(a_manifest()), **{"x-request-id": "req-12345678"}
    )

    assert response["x-request-id"] == "req-12345678"
    assert LedgerEntry.objects.order_by("-seq")[0].request_id == "req-12345678"
    assert call.get("me", **{"x-request-id": "no\tgood"})["x-request-id"] != "no\tgood"


# Costs that do not grow


@pytest.fixture
def busy(service):
    """A portal with some history."""
    caller = a_service()[0]
    for number in range(12):
        run_id = f"old-{number}"
        documents.receive_manifest(
            KEY, run_id, raw(a_manifest(run_id)), by=caller, reason="reported"
        )


@pytest.mark.parametrize("history", [None, "busy"])
def test_the_number_of_queries_does_not_depend_on_history(
    request, call, history, django_assert_num_queries
):
    if history:
        request.getfixturevalue(history)
    call.get("me")
    call.put("runs/run-1/manifest", raw(a_manifest()))

    with django_assert_num_queries(12):
        call.put("runs/run-1/manifest", raw(a_manifest(revision=2)))
    with django_assert_num_queries(10):
        call.put("runs/run-1/gates", raw(some_gates(passed="A")))
    with django_assert_num_queries(16):
        call.post("decisions", {"run_id": "new", **ASKED})
    with django_assert_num_queries(2):
        call.get("runs")
    with django_assert_num_queries(3):
        call.get("runs/run-1")


# The description of all this


def test_every_route_and_method_declares_what_it_needs():
    found = 0
    for view in _views(get_resolver().url_patterns):
        declared = getattr(view, "may", {})
        offered = {
            method.upper()
            for method in ("get", "post", "put", "patch", "delete")
            if hasattr(view, method)
        }
        assert offered == set(declared), view.__name__
        assert all(isinstance(act, May) for act in declared.values())
        found += 1
    assert found >= 25


def _views(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern.url_patterns)
        else:
            view = getattr(pattern.callback, "cls", None)
            own = view and view.__module__.startswith(("portal.", "rollout."))
            # The guide is for everybody.
            if own and issubclass(view, APIView) and view is not ApiDocsView:
                yield view


def test_the_openapi_document_is_valid_and_complete(capsys, tmp_path):
    path = tmp_path / "schema.json"
    call_command(
        "spectacular", "--format", "openapi-json", "--file", str(path), "--fail-on-warn"
    )

    schema = json.loads(path.read_text())
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")
    for path_item in schema["paths"].values():
        for operation in path_item.values():
            assert operation["summary"]
            assert operation["responses"]["default"]["content"]


def test_the_documentation_comes_from_here_alone(client, db):
    page = client.get("/api/docs")

    assert page.status_code == 200
    body = page.content.decode()
    assert "//" not in body.replace("://", "").split("<body>")[0]
    assert "unsafe" not in page["content-security-policy"]
