"""A run as one archive."""

import io
import json
import subprocess
import zipfile
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command

from portal.domain.canonical import canonical
from portal.errors import NotAllowed
from portal.models import LedgerEntry
from rollout.domain.artifacts import field_from_digest
from rollout.domain.exports import Contents, Member, NotWhatItWas, archive, manifest_of
from rollout.models import Run
from rollout.services import artifacts, decisions, documents, events, exports, vault
from tests.builders import an_actor, the_last_line
from tests.rollout.builders import ASKED, KEY, a_service
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def a_run(service):
    """A run that asked, reported, sent files twice, and failed a gate."""
    asked = {"run_id": "run-1", **ASKED}
    decisions.decide_for(KEY, asked, by=service, reason="asks")
    act = {"by": service, "reason": "reported"}
    documents.receive_manifest(KEY, "run-1", raw(a_manifest(revision=1)), **act)
    documents.receive_manifest(KEY, "run-1", raw(a_manifest(revision=2)), **act)
    documents.receive_gates(KEY, "run-1", raw(some_gates(failed="B")), **act)
    events.receive(KEY, "run-1", lines(an_event(1), an_event(2)), **act)
    for content in (b"first", b"second"):
        artifacts.store(KEY, "run-1", "wave-1/p1.md", [content], **act)
    artifacts.store(KEY, "run-1", "blob.bin", [b"\0" * 3_000_000], **act)
    return Run.objects.get()


def taken(by, reason="for the postmortem") -> bytes:
    made = exports.export_run(KEY, "run-1", by=by, reason=reason)
    return b"".join(made.chunks)


def test_an_archive_holds_everything_and_says_what_everything_has_to_be(
    a_run, service, tmp_path
):
    (tmp_path / "run.zip").write_bytes(taken(service))

    with zipfile.ZipFile(tmp_path / "run.zip") as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path / "out")
        names = set(zipped.namelist())

    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert canonical(manifest) == (out / "manifest.json").read_bytes()
    assert manifest["is_complete"] is True
    assert set(manifest["members"]) | {"manifest.json", "SHA256SUMS"} == names
    for path, said in manifest["members"].items():
        content = (out / path).read_bytes()
        assert sha256(content).hexdigest() == said["sha256"]
        assert len(content) == said["size"]
    assert (out / "artifacts/v1/wave-1/p1.md").read_bytes() == b"first"
    assert (out / "artifacts/v2/wave-1/p1.md").read_bytes() == b"second"
    documents = sorted(p.read_bytes() for p in (out / "documents").rglob("*.json"))
    sent = [a_manifest(revision=1), a_manifest(revision=2), some_gates(failed="B")]
    assert documents == sorted(map(raw, sent))
    assert len((out / "events.jsonl").read_text().splitlines()) == 2
    assert json.loads((out / "decisions.jsonl").read_text())["run_id"] == "run-1"
    said = [json.loads(x) for x in (out / "ledger.jsonl").read_text().splitlines()]
    assert {json.loads(each["body"])["verb"] for each in said} >= {
        "rollout.run.decided",
        "rollout.run.artifact_stored",
        "rollout.run.gates_received",
    }


def test_an_archive_is_checked_with_sha256sum(a_run, service, tmp_path):
    with zipfile.ZipFile(io.BytesIO(taken(service))) as zipped:
        zipped.extractall(tmp_path)

    def check() -> int:
        asked = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
        return subprocess.run(
            asked, cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert check() == 0
    (tmp_path / "gates.json").write_text("{}")
    assert check() == 1


def test_the_same_run_gives_the_same_bytes_however_often_it_was_exported(
    a_run, service
):
    assert taken(service) == taken(service, reason="again")


def test_who_took_a_run_and_what_is_in_the_ledger(a_run):
    auditor = an_actor("auditor", name="Ada")

    made = exports.export_run(KEY, "run-1", by=auditor, reason="the yearly audit")

    assert the_last_line() == ("Ada", "rollout.run.exported", "the yearly audit")
    body = LedgerEntry.objects.order_by("-seq")[0].body
    assert made.manifest_digest in body
    made.chunks.close()


def test_damaged_bytes_are_named_and_left_out(a_run, service):
    found = artifacts.find(a_run, "blob.bin")
    place = vault.path_of(found.digest)
    place.chmod(0o600)
    place.write_bytes(b"tampered")

    with zipfile.ZipFile(io.BytesIO(taken(service))) as zipped:
        manifest = json.loads(zipped.read("manifest.json"))
        names = zipped.namelist()

    assert manifest["is_complete"] is False
    assert manifest["left_out"]["artifacts/v1/blob.bin"]["trouble"] == "damaged"
    assert "artifacts/v1/blob.bin" not in names


def test_bytes_that_change_while_they_are_sent_end_the_archive_short():
    member = Member.of("a", b"text")
    changed = Member(member.path, member.size, member.digest, lambda: [b"other"])
    contents = Contents([changed])

    with pytest.raises(NotWhatItWas):
        list(archive(contents, manifest_of(contents)))


def test_an_archive_is_made_piece_by_piece():
    chunk = b"x" * 1_000_000
    digest = f"sha256:{sha256(chunk * 50).hexdigest()}"
    member = Member("big", 50_000_000, digest, lambda: (chunk for _ in range(50)))
    contents = Contents([member])

    pieces = list(map(len, archive(contents, manifest_of(contents))))

    assert max(pieces) < 1_100_000
    assert sum(pieces) > 50_000_000


def test_a_run_is_exported_over_the_api(a_run, client):
    call = Caller(client, a_service("read")[1])

    answer = call.get("runs/run-1/export?reason=audit")
    content = answer.getvalue()

    assert answer.status_code == 200
    assert answer["content-disposition"] == 'attachment; filename="run-run-1.zip"'
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        digest = f"sha256:{sha256(zipped.read('manifest.json')).hexdigest()}"
    assert answer["manifest-digest"] == field_from_digest(digest)
    assert the_last_line()[1:] == ("rollout.run.exported", "audit")
    assert call.get("runs/nothing/export").status_code == 404
    assert call.get(f"runs/run-1/export?reason={'x' * 2001}").status_code == 422


def test_looking_without_taking_leaves_no_line(a_run, client):
    headers = {"authorization": f"Bearer {a_service('read')[1]}"}
    before = LedgerEntry.objects.count()

    answer = client.head("/api/v1/runs/run-1/export", headers=headers)

    assert answer.status_code == 405
    assert LedgerEntry.objects.count() == before


def test_who_may_not_read_may_not_export(a_run):
    with pytest.raises(NotAllowed):
        exports.export_run(KEY, "run-1", by=a_service("decide")[0], reason="x")


def test_a_run_is_exported_from_its_page_with_a_reason(a_run, client):
    signed_in(client, "auditor")
    url = page(Run, "export", a_run.pk)
    assert url in client.get(page(Run, "change", a_run.pk)).content.decode()

    refused = client.post(url, {})
    answer = client.post(url, {"reason": "the yearly audit"})

    assert refused.status_code == 422
    assert answer["content-type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(answer.getvalue())).testzip() is None
    assert the_last_line()[2] == "the yearly audit"


def test_a_run_is_exported_on_the_host_whole_or_not_at_all(a_run, tmp_path, capsys):
    output = tmp_path / "run.zip"

    call_command(
        "export_run", "run-1", "--rollout", KEY, "--output", str(output), "--json"
    )

    said = json.loads(capsys.readouterr().out)
    assert said["size"] == output.stat().st_size
    assert zipfile.ZipFile(output).testzip() is None
    nowhere = str(tmp_path / "nowhere" / "run.zip")
    with pytest.raises(CommandError) as refusal:
        call_command("export_run", "run-1", "--rollout", KEY, "--output", nowhere)
    assert refusal.value.returncode == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["run.zip"]
