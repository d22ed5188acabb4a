import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import IntegrityError, connection, transaction

from portal.errors import (
    Conflict,
    Invalid,
    NoRoom,
    NotFound,
    TooLarge,
    Unavailable,
)
from portal.services import actors
from rollout.models import Artifact, Run
from rollout.services import artifacts, vault
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db
VAULT_MODULES = [
    *("vault", "directory", "bucket", "contents", "artifacts", "exports", "held_back")
]
LAYERS = ["models", "api", "admin"]


def keep(service, path="a/b.md", content=b"text", **more):
    return artifacts.store(
        KEY, "run-1", path, [content], by=service, reason="reported", **more
    )


def verified():
    return artifacts.verify(by=actors.host(), reason="test")


def test_what_is_stored_is_found_by_its_digest(service):
    artifact, is_new = keep(service)

    assert is_new
    assert b"".join(vault.read(artifact.digest)) == b"text"


def test_the_same_bytes_again_are_the_same_version(service):
    first, _ = keep(service)

    again, is_new = keep(service)

    assert (again.pk, is_new) == (first.pk, False)


def test_other_bytes_under_the_same_path_are_a_new_version(service):
    keep(service)

    second, _ = keep(service, content=b"other")

    assert second.version == 2
    assert artifacts.find(Run.objects.get(), "a/b.md").digest == second.digest
    old = artifacts.find(Run.objects.get(), "a/b.md", version=1)
    assert b"".join(vault.read(old.digest)) == b"text"


def test_a_file_that_goes_back_to_what_it_was_is_a_version_more(service):
    first, _ = keep(service)
    keep(service, content=b"other")

    third, is_new = keep(service)
    again, is_newer = keep(service)

    assert (third.version, third.digest, is_new) == (3, first.digest, True)
    assert (again.pk, is_newer) == (third.pk, False)
    assert artifacts.find(Run.objects.get(), "a/b.md") == third


def test_bytes_that_are_not_what_was_announced_leave_nothing_behind(service):
    with pytest.raises(Conflict) as refusal:
        keep(service, expected=f"sha256:{'0' * 64}")

    assert refusal.value.code == "DIGEST_MISMATCH"
    assert not Artifact.objects.exists()
    assert [path for path in settings.ARTIFACTS_DIR.rglob("*") if path.is_file()] == []


def test_too_much_leaves_nothing_behind(service, settings):
    settings.MAX_ARTIFACT_BYTES = 3

    with pytest.raises(TooLarge):
        keep(service)

    assert [path for path in settings.ARTIFACTS_DIR.rglob("*") if path.is_file()] == []


def test_a_disk_that_takes_nothing_is_said_so(service, settings, tmp_path):
    (tmp_path / "occupied").write_text("a file")
    settings.ARTIFACTS_DIR = tmp_path / "occupied"

    with pytest.raises(Unavailable) as refusal:
        keep(service)

    assert refusal.value.code == "STORAGE_UNAVAILABLE"


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a//b", "a\\b", "caf\ufffd.md", "a\0b"]
)
def test_a_path_that_leads_outside_is_refused(service, path):
    with pytest.raises(Invalid):
        keep(service, path=path)


def test_damage_is_found_and_never_given_out(service):
    artifact, _ = keep(service)
    intact, _ = keep(service, path="fine", content=b"fine")
    place = vault.path_of(artifact.digest)
    place.chmod(0o600)
    place.write_bytes(b"tampered")

    found = {digest: affected for digest, affected in verified() if affected}

    assert list(found) == [artifact.digest]
    assert found[artifact.digest][0].trouble == "damaged"
    assert vault.check(intact.digest) is None
    with pytest.raises(Conflict):
        vault.read(artifact.digest)


def test_what_is_missing_is_found(service):
    artifact, _ = keep(service)
    vault.path_of(artifact.digest).unlink()

    affected = [each for _, each in verified() if each]

    assert affected[0][0].trouble == "missing"
    with pytest.raises(NotFound):
        vault.read(artifact.digest)


LIMITED = "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
TAKEN = '[b"x" * 1_000_000] * 5'
KILLED = """
def chunks():
    yield b"x" * 1_000_000
    os.kill(os.getpid(), 9)
"""
FILL = f"""
import os, resource, sys
import django
django.setup()
from portal.errors import NoRoom
from rollout.services import vault
{LIMITED}
try:
    vault.put({TAKEN}, limit=10**9)
except NoRoom as refusal:
    print(refusal.code)
"""


def test_a_disk_that_is_full_in_the_middle_keeps_nothing_and_says_so(tmp_path):
    """A real process, which the kernel lets write no more than 2 MB to a file."""
    done = subprocess.run(
        [sys.executable, "-c", FILL],
        env=os.environ
        | {
            "ARTIFACTS_DIR": str(tmp_path / "vault"),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.strip() == "STORAGE_FULL", done.stderr
    assert list((tmp_path / "vault").rglob("*")) == []


def test_a_full_file_system_refuses_the_upload_and_takes_the_next_small_one(
    service, settings, tmp_path
):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    settings.ARTIFACTS_DIR = place / "vault"
    try:
        with pytest.raises(NoRoom) as refusal:
            artifacts.store(
                KEY,
                "run-1",
                "big.bin",
                [b"x" * 1_000_000] * 5,
                by=service,
                reason="reported",
            )
        keep(service, path="small.md")
    finally:
        subprocess.run(["umount", str(place)], check=True)

    assert refusal.value.code == "STORAGE_FULL"
    assert list(Artifact.objects.values_list("path", flat=True)) == ["small.md"]


def test_a_killed_upload_leaves_nothing(tmp_path):
    script = FILL.replace(LIMITED, KILLED).replace(TAKEN, "chunks()")

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ
        | {
            "ARTIFACTS_DIR": str(tmp_path / "vault"),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        },
        capture_output=True,
        check=False,
    )

    assert done.returncode == -9
    assert list((tmp_path / "vault").rglob("*")) == []


def test_nothing_in_the_portal_deletes_an_artifact():
    """Neither the code nor the database has a way to."""
    root = Path(__file__).resolve().parents[2]
    vault_code = [
        *(root / "rollout" / "services" / f"{name}.py" for name in VAULT_MODULES),
        *(root / "rollout" / layer / "artifacts.py" for layer in LAYERS),
    ]
    deleting = {"unlink", "remove", "rmtree", "rmdir", "delete", "delete_object"}
    for path in vault_code:
        called = {
            node.func.attr if isinstance(node.func, ast.Attribute) else ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        }
        assert not called & (deleting | {"delete_objects", "truncate"}), path
    with pytest.raises(TypeError):
        storages["artifacts"].delete("sha256/aa/bb/aabb")


def test_the_database_keeps_every_artifact(service):
    artifact, _ = keep(service)

    for sql in ("DELETE FROM rollout_artifact", "UPDATE rollout_artifact SET size = 0"):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)

    assert Artifact.objects.get() == artifact
