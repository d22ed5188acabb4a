"""The documents as pages, as Markdown, over the API and on the host."""

import json
from hashlib import sha256
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from drills.domain.documents import TITLES, Name
from drills.services import documents, incidents, runbooks
from portal.services import actors
from tests.builders import a_person, an_actor
from tests.drills.builders import an_incident
from tests.drills.telling import everything
from tests.rollout.builders import KEY, a_rollout, a_service
from tests.rollout.test_admin import BACKEND, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]


def as_token(*scopes: str):
    _, token = a_service(*scopes)
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_whoever_may_read_finds_every_document_and_reads_it(client):
    a_rollout()
    signed_in(client, "auditor")

    listed = client.get("/documents").content.decode()
    for name in Name:
        assert f'href="/documents/{name}?rollout={KEY}"' in listed
        shown = client.get(f"/documents/{name}")
        assert shown.status_code == 200, name
        assert f"{TITLES[name]} of {KEY}" in shown.content.decode()


def test_the_page_the_file_and_the_api_have_the_same_digest(client):
    everything()
    signed_in(client, "auditor")

    for name in Name:
        digest = documents.render(name, KEY).digest
        file = client.get(f"/documents/{name}.md")
        text = file.content.decode()
        body = text.split("\n---\n", 1)[1]
        said = client.get(f"/api/v1/documents/{name}?rollout={KEY}").json()

        assert f"sha256:{sha256(body.encode()).hexdigest()}" == digest
        assert file.headers["Document-Digest"] == said["digest"] == digest
        assert file.headers["Content-Type"].startswith("text/markdown")
        assert said["body"] == body
        assert digest in client.get(f"/documents/{name}").content.decode()
        api = client.get(f"/api/v1/documents/{name}.md?rollout={KEY}")
        assert api.content.decode().split("\n---\n", 1)[1] == body


def test_what_is_not_there_is_said_so(client):
    a_rollout()
    signed_in(client, "auditor")

    assert client.get("/documents/no-such").status_code == 404
    assert client.get("/documents/drills-log?rollout=none").status_code == 404
    assert client.get("/documents?rollout=none").status_code == 404
    problem = client.get(f"/api/v1/documents/no-such?rollout={KEY}")
    assert (problem.status_code, problem.json()["code"]) == (404, "NOT_FOUND")
    assert "drills-log" in problem.json()["detail"]
    assert client.get("/api/v1/documents/drills-log").status_code == 422
    assert client.post("/documents").status_code == 405


def test_nobody_reads_without_signing_in_or_without_a_role(client):
    a_rollout()
    for path in ("/documents", "/documents/drills-log", "/documents/drills-log.md"):
        assert client.get(path).headers["Location"].startswith("/admin/login/")
    assert client.get("/api/v1/documents?rollout=" + KEY).status_code == 401

    client.force_login(a_person(), BACKEND)

    assert client.get("/documents").status_code in (302, 403)


def test_a_token_reads_the_documents_of_its_own_rollout(client):
    a_rollout()

    listed = client.get("/api/v1/documents", **as_token("read"))
    other = client.get("/api/v1/documents?rollout=other", **as_token("read"))
    blind = client.get("/api/v1/documents", **as_token("decide"))

    assert [each["name"] for each in listed.json()] == list(Name)
    assert (other.status_code, other.json()["code"]) == (403, "WRONG_ROLLOUT")
    assert blind.status_code == 403


def test_what_people_wrote_stays_text_on_the_page_and_secrets_are_gone(client):
    said = "<script>alert(1)</script> token=abcdef123 | # [x](javascript:y)"
    incidents.note(an_incident().pk, said, by=an_actor("operator"), reason="noted")
    signed_in(client, "auditor")

    shown = client.get("/documents/evidence-transcript").content.decode()
    text = client.get("/documents/evidence-transcript.md").content.decode()

    assert "<script>alert" not in shown
    assert 'href="javascript' not in shown
    assert "&lt;script&gt;" in shown
    assert "abcdef123" not in shown + text


def test_a_document_says_when_it_has_only_the_newest():
    a_rollout()
    for _ in range(3):
        an_incident()

    cut = documents.render(Name.TRANSCRIPT, KEY, most=2).body
    whole = documents.render(Name.TRANSCRIPT, KEY, most=3).body

    assert "The newest 2; there are older ones." in cut
    assert cut.count("\n## Incident ") == 2
    assert "there are older ones" not in whole


def test_writing_asks_no_more_with_more_records(django_assert_max_num_queries):
    everything()
    runbooks.seed(by=actors.host(), reason="test")
    for _ in range(5):
        an_incident()

    for name in Name:
        with django_assert_max_num_queries(45):
            documents.render(name, KEY)


def test_the_host_writes_all_of_them_into_a_directory(tmp_path):
    everything()
    said = StringIO()

    call_command(
        "export_documents", rollout=KEY, output=tmp_path / "out", json=True, stdout=said
    )

    answer = json.loads(said.getvalue())
    assert [each["name"] for each in answer["documents"]] == list(Name)
    for each in answer["documents"]:
        text = (tmp_path / "out" / f"{each['name']}.md").read_text()
        body = text.split("\n---\n", 1)[1]
        assert f"sha256:{sha256(body.encode()).hexdigest()}" == each["digest"]
    assert len(list((tmp_path / "out").iterdir())) == len(Name)


def test_what_cannot_be_written_is_one_line(tmp_path):
    a_rollout()
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_documents", rollout=KEY, output=tmp_path / "file" / "x")
    with pytest.raises(CommandError, match="There is no rollout 'none'"):
        call_command("export_documents", rollout="none", output=tmp_path)
