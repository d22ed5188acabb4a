import pytest
from django.conf import settings

from portal.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from rollout.models import Artifact, Run
from rollout.services import artifacts, vault
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db


def keep(service, path="a/b.md", content=b"text", **more):
    return artifacts.store(
        KEY, "run-1", path, [content], by=service, reason="reported", **more
    )


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


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a\\b"])
def test_a_path_that_leads_outside_is_refused(service, path):
    with pytest.raises(Invalid):
        keep(service, path=path)


def test_damage_is_found_and_never_given_out(service):
    artifact, _ = keep(service)
    intact, _ = keep(service, path="fine", content=b"fine")
    place = vault.path_of(artifact.digest)
    place.chmod(0o600)
    place.write_bytes(b"tampered")

    found = {digest: affected for digest, affected in artifacts.verify() if affected}

    assert list(found) == [artifact.digest]
    assert found[artifact.digest][0].trouble == "damaged"
    assert vault.check(intact.digest) is None
    with pytest.raises(Conflict):
        vault.read(artifact.digest)


def test_what_is_missing_is_found(service):
    artifact, _ = keep(service)
    vault.path_of(artifact.digest).unlink()

    affected = [each for _, each in artifacts.verify() if each]

    assert affected[0][0].trouble == "missing"
    with pytest.raises(NotFound):
        vault.read(artifact.digest)
