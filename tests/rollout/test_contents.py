"""The vault looks at what it holds, again and again, and says what it found."""

from datetime import timedelta

import pytest
import time_machine

from portal import clock
from portal.errors import Conflict, NoRoom
from portal.models import Job, LedgerEntry
from portal.services import actors, health
from rollout.models import Artifact, Content, VaultUse
from rollout.services import artifacts, contents, vault
from tests.builders import the_last_line
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db


def keep(service, path="a.md", content=b"text", **more):
    return artifacts.store(
        KEY, "run-1", path, [content], by=service, reason="reported", **more
    )[0]


def damage(artifact):
    place = vault.path_of(artifact.digest)
    place.chmod(0o600)
    place.write_bytes(b"tampered")
    return place


def in_days(days: float):
    return time_machine.travel(clock.now() + timedelta(days=days), tick=False)


def test_what_was_just_stored_is_not_read_again(service):
    keep(service)

    contents.sweep()

    assert not Job.objects.filter(kind=contents.CHECK_JOB).exists()


def test_every_content_is_read_again_in_slices_round_after_round(
    service, settings, monkeypatch, carry_out_jobs
):
    monkeypatch.setattr(contents, "SLICE_CONTENTS", 2)
    for number in range(5):
        keep(service, path=f"{number}.md", content=b"%d" % number)

    with in_days(settings.ARTIFACTS_CHECKED_EVERY_DAYS + 0.5):
        read = []
        while contents.due().exists():
            before = contents.due().count()
            contents.sweep()
            carry_out_jobs()
            read.append(before - contents.due().count())

    assert read == [2, 2, 1]


def test_a_tick_costs_the_same_however_much_is_in_the_vault(
    service, django_assert_num_queries, django_assert_max_num_queries
):
    keep(service)
    contents.sweep()
    with django_assert_max_num_queries(8) as few:
        contents.sweep()
    for number in range(20):
        keep(service, path=f"{number}.md", content=b"%d" % number)

    with django_assert_num_queries(len(few)):
        contents.sweep()


def test_damage_is_in_the_ledger_once_and_sounds_the_alarm_until_it_is_mended(
    service, client, settings, carry_out_jobs
):
    artifact = keep(service)
    place = damage(artifact)

    for days in (31, 62):
        with in_days(days):
            contents.sweep()
            carry_out_jobs()
            finding = health.findings()["artifacts"]
            figures = client.get("/metrics").content.decode()

    assert not finding.is_well
    assert not finding.is_vital
    assert "portal_artifacts_damaged 1.0" in figures
    lines = LedgerEntry.objects.filter(verb="rollout.vault.damage_found")
    assert lines.count() == 1
    assert str(artifact) in lines[0].body
    place.write_bytes(b"text")
    list(artifacts.verify(by=actors.host(), reason="restored from the backup"))
    assert health.findings()["artifacts"].is_well
    assert the_last_line()[1] == "rollout.vault.damage_mended"


def test_a_vault_that_nobody_looked_at_for_too_long_says_so(service, settings):
    keep(service)

    with in_days(settings.ARTIFACTS_CHECKED_EVERY_DAYS + 2):
        assert not health.findings()["artifacts"].is_well


def test_a_damaged_vault_turns_nobody_away(service, client):
    list(artifacts.verify(by=actors.host(), reason="test"))
    damage(keep(service))
    list(artifacts.verify(by=actors.host(), reason="test"))

    checks = client.get("/readyz").json()["checks"]

    assert checks["artifacts"]["is_well"] is False
    assert health.findings()["artifacts"].is_vital is False


def test_the_same_bytes_are_not_taken_for_kept_while_those_that_are_there_are_damaged(
    service,
):
    damage(keep(service))

    with pytest.raises(Conflict) as refusal:
        keep(service, path="again.md")

    assert refusal.value.code == "ARTIFACT_DAMAGED"
    assert Artifact.objects.count() == 1


def test_a_nearly_full_disk_says_so(settings):
    settings.ARTIFACTS_LEAST_FREE_BYTES = 2**62

    assert not health.findings()["disk"].is_well


def test_a_quota_refuses_what_is_new_and_keeps_nothing_of_it(service, settings):
    settings.ARTIFACTS_QUOTA_BYTES = 10
    keep(service, content=b"eight888")

    with pytest.raises(NoRoom) as refusal:
        keep(service, path="b.md", content=b"four")

    assert refusal.value.code == "QUOTA_EXCEEDED"
    assert Content.objects.count() == 1
    kept = [p for p in settings.ARTIFACTS_DIR.rglob("*") if p.is_file()]
    assert len(kept) == 1


def test_what_is_known_already_needs_no_quota(service, settings):
    keep(service, content=b"eight888")
    settings.ARTIFACTS_QUOTA_BYTES = 1

    keep(service, content=b"eight888")

    assert VaultUse.objects.get().bytes == 8
