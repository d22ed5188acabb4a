"""Importing run roots that are not as they should be: a clear outcome each."""

import os
import socket

import pytest

from portal.errors import Malformed, NotFound
from portal.services import actors
from rollout.models import Artifact, Run, RunDocument
from rollout.services import artifacts, ingest, runs
from tests.rollout.builders import KEY
from tests.rollout.documents import a_manifest, raw, some_gates
from tests.rollout.test_commands import a_run_root

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(service, tmp_path):
    return a_run_root(tmp_path)


def imported(root):
    return ingest.ingest_root(root, rollout_key=KEY, by=actors.host(), reason="test")


def kept() -> set[str]:
    return set(Artifact.objects.values_list("path", flat=True))


def test_pipes_sockets_and_links_are_left_out_and_everything_else_is_taken(
    root, tmp_path, monkeypatch
):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (root / "linked").symlink_to(tmp_path / "secret")
    (root / "link.md").symlink_to(tmp_path / "secret" / "key")
    os.mkfifo(root / "pipe.md")
    monkeypatch.chdir(root)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.md")
        done = imported(root)

    assert set(done.left_out) == {"linked", "link.md", "pipe.md", "socket.md"}
    assert set(done.left_out.values()) == {"not a regular file"}
    assert "wave-1/p1.md" in kept()


@pytest.mark.parametrize("name", ["gates.json", "logs/telemetry.jsonl"])
def test_a_pipe_in_the_place_of_a_document_keeps_nobody_waiting(root, name):
    (root / name).unlink()
    os.mkfifo(root / name)

    done = imported(root)

    assert "not a regular file" in done.left_out[name]
    assert done.manifest == "accepted"


def test_a_manifest_that_is_a_link_is_not_followed(root, tmp_path):
    (root / "manifest.json").rename(tmp_path / "elsewhere.json")
    (root / "manifest.json").symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(Exception, match="not a regular file"):
        imported(root)

    assert not Run.objects.exists()


def test_without_a_manifest_nothing_is_imported(root):
    (root / "manifest.json").unlink()

    with pytest.raises(NotFound):
        imported(root)


@pytest.mark.parametrize(
    "content", [b"[" * 10_000 + b"]" * 10_000, b'{"half": ', b"\xff\xfe", b""]
)
def test_gates_that_cannot_be_read_are_left_out_and_kept_as_a_file(root, content):
    (root / "gates.json").write_bytes(content)

    done = imported(root)

    assert "gates.json" in done.left_out
    assert done.manifest == "accepted"
    assert {"gates.json", "wave-1/p1.md"} <= kept()


def test_a_manifest_of_ten_thousand_levels_is_refused(root):
    (root / "manifest.json").write_bytes(b"[" * 10_000 + b"]" * 10_000)

    with pytest.raises(Malformed):
        imported(root)


def test_a_name_that_is_no_utf8_is_left_out_and_can_be_shown(root):
    (root / os.fsdecode(b"caf\xe9.md")).write_text("x")

    done = imported(root)

    assert "caf\\xe9.md" in done.left_out
    assert "wave-1/p1.md" in kept()


def test_a_file_that_changes_while_it_is_read_is_left_out_whole(root):
    path = root / "wave-1" / "p1.md"
    path.write_bytes(b"x" * 3 * ingest.CHUNK)
    with ingest._opened(path) as file:
        chunks = ingest._unchanging(file)
        taken = [next(chunks)]
        path.write_bytes(b"y" * 3 * ingest.CHUNK)
        with pytest.raises(Exception, match="changed while it was read"):
            artifacts.store(
                KEY, "run-1", "p1.md", chunks, by=actors.host(), reason="test"
            )

    assert taken
    assert not Artifact.objects.exists()


def test_half_written_files_are_left_out(root):
    (root / "wave-1" / "p2.md.tmp.31").write_text("half")

    assert imported(root).left_out == {"wave-1/p2.md.tmp.31": "half-written"}


def test_a_revision_that_contradicts_what_is_known_is_kept_and_refused(root):
    imported(root)
    (root / "manifest.json").write_bytes(raw(a_manifest(revision=4, mode="quick")))

    done = imported(root)

    assert done.manifest == "refused"
    assert "manifest.json" in done.left_out
    assert RunDocument.objects.filter(kind="manifest", standing="kept").count() == 1
    assert runs.find(KEY, "run-1").manifest_revision == 4


def test_older_gates_change_nothing(root):
    imported(root)
    (root / "gates.json").write_bytes(raw(some_gates(revision=1, passed="AB")))

    done = imported(root)

    assert done.gates == "refused"
    assert runs.find(KEY, "run-1").gates_revision == 2
