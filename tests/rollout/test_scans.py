"""Artifacts are scanned, whoever wrote them; what is found is told, and never shown."""

import io
import json
import zipfile
from datetime import timedelta
from io import StringIO
from random import Random

import pytest
import time_machine
from django.core.management import CommandError, call_command

from portal import clock
from portal.errors import NotAllowed, WrongMoment
from portal.models import Authentication, Job, LedgerEntry
from portal.services import actors, approvals
from rollout.domain.scanning import Trouble, Verdict
from rollout.domain.scanning_reading import Limits
from rollout.domain.verbs import Verb
from rollout.models import Allowance, Artifact, Finding, PendingScan, Run, Scan
from rollout.services import allowances, artifacts, exports, runs, scans, vault
from rollout.services.exports import Export
from tests.builders import an_actor, the_last_line
from tests.rollout.builders import KEY, a_service
from tests.rollout.planting import SHAPED, filled
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_changes import buttons
from tests.rollout.test_admin_changes import send as send_form
from tests.rollout.test_api import Caller, code_of

pytestmark = pytest.mark.django_db
SECRET = filled(SHAPED["github-token"], Random(4))[0]
WITH_SECRET = f"one\nexport KEY={SECRET}\n".encode()
FINE = b"nothing to see"


@pytest.fixture
def keep(service):
    """Keeps a file of a run."""

    def keep(content: bytes = WITH_SECRET, path: str = "wave-1/a.md", run="run-1"):
        kept, _ = artifacts.store(
            KEY, run, path, [content], by=service, reason="reported"
        )
        return kept

    return keep


@pytest.fixture
def scanned(keep, carry_out_jobs):
    """A file with a secret, scanned by a worker."""
    kept = keep()
    scans.sweep()
    carry_out_jobs()
    return kept


def scan(digest: str, **more):
    return scans.scan(digest, by=actors.system(), reason="test", **more)


def the_verdict(digest: str) -> Verdict:
    return scans.standings([digest])[digest].verdict


def archived(made: Export) -> dict[str, bytes]:
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(b"".join(made.chunks))) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def an_allowed(finding: Finding, days: int = 30) -> Allowance:
    """A finding that two people have allowed."""
    asked = allowances.request_allowance(
        finding.pk,
        clock.now() + timedelta(days=days),
        by=an_actor("engineer"),
        reason="the sample of the manual",
    )
    qa = an_actor("qa", authenticated_by=Authentication.PASSWORD)
    approvals.confirm(asked.pk, by=qa, reason="it is")
    return Allowance.objects.get(finding=finding)


# When


def test_a_new_artifact_is_scanned_by_a_worker(scanned):
    found = Finding.objects.get()

    assert Scan.objects.get().verdict == Verdict.BLOCKED
    assert (found.family, found.line, found.preview) == (
        "github-token",
        2,
        "ghp_… (40 characters)",
    )
    assert not PendingScan.objects.exists()
    assert LedgerEntry.objects.filter(verb=Verb.SECRET_FOUND).count() == 1


def test_no_row_and_no_line_holds_the_secret(scanned):
    rows = [*Scan.objects.values(), *Finding.objects.values(), *Job.objects.values()]
    rows += LedgerEntry.objects.values("body", "reason", "subject_name")

    assert SECRET not in repr(rows)


def test_what_the_portal_writes_is_scanned_too(service):
    run_artifact, _ = artifacts.store(
        KEY, "run-1", "a", [FINE], by=service, reason="reported"
    )
    stored = vault.put([b"checkpoint"], limit=100)

    artifacts.add_version(
        run_artifact.run, "logs/c.md", stored, origin="portal", by=service
    )

    assert stored.digest in PendingScan.objects.values_list("digest", flat=True)


def test_the_same_content_is_scanned_once_wherever_it_is(keep, carry_out_jobs):
    first = keep(path="a")
    scan(first.digest)

    keep(path="b")
    keep(path="a", run="run-2")
    scans.sweep()

    assert carry_out_jobs() == 0
    assert scan(first.digest)[1] is False
    assert Scan.objects.count() == 1


def test_a_storm_of_artifacts_keeps_only_a_few_jobs_waiting(keep, carry_out_jobs):
    count = scans.MOST_WAITING + 5
    for number in range(count):
        keep(f"file {number}".encode(), path=str(number))

    for _ in range(3):
        scans.sweep()

    assert Job.objects.filter(kind=scans.SCAN_JOB).count() == scans.MOST_WAITING
    carry_out_jobs()
    scans.sweep()
    carry_out_jobs()
    assert Scan.objects.count() == count


def test_when_the_rules_change_everything_is_read_again(
    keep, carry_out_jobs, settings, monkeypatch
):
    for number in range(5):
        scan(keep(f"file {number}".encode(), path=str(number)).digest)
    scans.sweep()
    monkeypatch.setattr(scans, "MOST_LOOKED_AT", 2)
    settings.TOKEN_KEY = "another key, so other fingerprints"

    for _ in range(4):
        scans.sweep()
        carry_out_jobs()

    assert Scan.objects.filter(rules=scans.rules_version()).count() == 5
    assert Scan.objects.count() == 10


def test_a_sweep_costs_the_same_however_much_lies_behind(
    keep, django_assert_num_queries
):
    for number in range(12):
        scan(keep(f"file {number}".encode(), path=str(number)).digest)
    scans.sweep()

    with django_assert_num_queries(7):  # its state, the beat (4), jobs, what is due
        scans.sweep()


# What cannot be read


def test_bytes_that_are_gone_are_never_clean_and_are_read_when_they_are_back(keep):
    kept = keep(FINE)
    vault.path_of(kept.digest).unlink()

    made, _ = scan(kept.digest)
    again, is_new = scan(kept.digest)
    vault.put([FINE], limit=1000)
    restored, _ = scan(kept.digest)

    assert (made.verdict, made.troubles) == (Verdict.UNSCANNABLE, [Trouble.MISSING])
    assert (again.pk, is_new) == (made.pk, False)
    assert restored.verdict == the_verdict(kept.digest) == Verdict.CLEAN


def test_altered_bytes_are_said_to_be_so(keep):
    kept = keep(FINE)
    place = vault.path_of(kept.digest)
    place.chmod(0o600)
    place.write_bytes(b"tampered")

    made, _ = scan(kept.digest)

    assert (made.verdict, made.troubles) == (Verdict.UNSCANNABLE, [Trouble.ALTERED])


def test_what_is_too_large_for_a_worker_is_read_by_the_command(keep):
    kept = keep(b"x" * 5000)
    made, _ = scan(kept.digest, limits=Limits(read=1000))
    assert (made.verdict, made.is_final) == (Verdict.UNSCANNABLE, False)

    call_command("scan_artifacts", stdout=StringIO())

    assert the_verdict(kept.digest) == Verdict.CLEAN


# The allow list


def test_two_people_allow_a_finding_for_a_while(scanned):
    allowed = an_allowed(Finding.objects.get())

    assert the_verdict(scanned.digest) == Verdict.CLEAN
    assert Scan.objects.get().verdict == Verdict.BLOCKED
    with time_machine.travel(clock.now() + timedelta(days=31)):
        assert the_verdict(scanned.digest) == Verdict.BLOCKED
    allowances.end(allowed.pk, by=an_actor("architect"), reason="it was real")
    assert the_verdict(scanned.digest) == Verdict.BLOCKED


def test_what_is_allowed_counts_nowhere_where_it_stands(scanned, keep):
    an_allowed(Finding.objects.get())

    other = keep(b"other text, same key: " + SECRET.encode(), path="b")
    scan(other.digest)

    assert the_verdict(other.digest) == Verdict.CLEAN


def test_nobody_allows_alone(scanned):
    finding = Finding.objects.get()
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    until = clock.now() + timedelta(days=1)
    asked = allowances.request_allowance(finding.pk, until, by=architect, reason="x")

    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=architect, reason="me again")
    engineer = an_actor("engineer", authenticated_by=Authentication.PASSWORD)
    with pytest.raises(NotAllowed):
        approvals.confirm(asked.pk, by=engineer, reason="not one of them")

    assert the_verdict(scanned.digest) == Verdict.BLOCKED


def test_what_is_allowed_is_not_allowed_twice(scanned):
    finding = Finding.objects.get()
    an_allowed(finding)

    with pytest.raises(WrongMoment) as refusal:
        an_allowed(finding)

    assert refusal.value.code == "ALREADY_ALLOWED"


# Over the API


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service("read", "operate")[1])


def test_artifacts_are_listed_with_their_verdict(
    call, scanned, keep, django_assert_max_num_queries
):
    scan(keep(FINE, path="b").digest)
    keep(b"not yet", path="c")

    with django_assert_max_num_queries(12):
        listed = call.get("runs/run-1/artifacts").json()

    assert {each["path"]: each["verdict"] for each in listed} == {
        "wave-1/a.md": "blocked",
        "b": "clean",
        "c": None,
    }
    assert set(scans.verdicts_of(Run.objects.get())) == set(
        Scan.objects.values_list("digest", flat=True)
    )


def test_a_program_gets_nothing_that_is_blocked(call, scanned, keep):
    keep(FINE, path="b")
    lines = LedgerEntry.objects.count()

    refused = call.get("runs/run-1/artifacts/wave-1/a.md")
    insisted = call.get("runs/run-1/artifacts/wave-1/a.md?even_blocked=true")

    assert code_of(refused) == (403, "ARTIFACT_BLOCKED")
    assert refused.json()["scan"] == f"/api/v1/scans/{scanned.digest}"
    assert code_of(insisted) == (403, "NOT_ALLOWED")
    assert LedgerEntry.objects.count() == lines
    assert call.get("runs/run-1/artifacts/b").getvalue() == FINE
    assert call.get("runs/run-1/artifacts/b?even_blocked=yes").status_code == 422


def test_what_the_portal_wrote_for_a_run_reaches_its_installation(
    client, call, service
):
    run = runs.locked_or_new(KEY, "run-1", kind="live", by=service, reason="test")
    stored = vault.put([WITH_SECRET], limit=1000)
    artifacts.add_version(
        run, "logs/fallback-summary.md", stored, origin="portal", by=service
    )
    scan(stored.digest)
    installation = Caller(client, a_service("report-runs", "read")[1])
    path = "runs/run-1/artifacts/logs/fallback-summary.md"

    assert installation.get(path).getvalue() == WITH_SECRET
    assert code_of(call.get(path)) == (403, "ARTIFACT_BLOCKED")


def test_a_person_who_insists_gets_what_is_blocked_and_it_is_written_down(
    client, scanned
):
    signed_in(client, "engineer")
    address = f"/api/v1/runs/run-1/artifacts/wave-1/a.md?rollout={KEY}"

    refused = client.get(address)
    given = client.get(f"{address}&even_blocked=true&reason=whose%20key%20is%20it")

    assert code_of(refused) == (403, "ARTIFACT_BLOCKED")
    assert given.getvalue() == WITH_SECRET
    assert the_last_line()[1:] == (Verb.BLOCKED_TAKEN, "whose key is it")


def test_what_is_allowed_is_held_back_no_more(call, scanned):
    an_allowed(Finding.objects.get())

    assert call.get("runs/run-1/artifacts/wave-1/a.md").getvalue() == WITH_SECRET


def test_an_archive_names_what_is_blocked_and_leaves_it_out(scanned, keep):
    keep(FINE, path="b")
    act = {"by": an_actor("operator"), "reason": "test"}

    without = archived(exports.export_run(KEY, "run-1", **act))
    whole = archived(exports.export_run(KEY, "run-1", even_blocked=True, **act))

    left_out = json.loads(without["manifest.json"])["left_out"]
    assert left_out["artifacts/v1/wave-1/a.md"]["trouble"] == "blocked"
    assert "artifacts/v1/wave-1/a.md" not in without
    assert without["artifacts/v1/b"] == FINE
    assert whole["artifacts/v1/wave-1/a.md"] == WITH_SECRET
    auditor = an_actor("auditor")
    with pytest.raises(NotAllowed):
        exports.export_run(KEY, "run-1", even_blocked=True, by=auditor, reason="x")


def test_the_page_of_an_artifact_gives_what_is_blocked_only_with_a_reason(
    client, scanned
):
    signed_in(client, "operator")
    body = client.get(page(Artifact, "change", scanned.pk)).content.decode()
    address = page(Artifact, "take", scanned.pk)

    refused = client.post(address, {})
    given = client.post(address, {"reason": "whose key is it"})

    assert "Held back: the safety scan found a secret in it." in body
    assert (refused.status_code, given.getvalue()) == (422, WITH_SECRET)
    assert the_last_line()[1:] == (Verb.BLOCKED_TAKEN, "whose key is it")
    signed_in(client, "auditor")
    assert client.post(address, {"reason": "x"}).status_code == 403
    assert (
        address not in client.get(page(Artifact, "change", scanned.pk)).content.decode()
    )


def test_a_finding_is_read_and_allowed_over_the_api(call, scanned):
    listed = call.get("scans?verdict=blocked").json()["items"]
    whole = call.get(f"scans/{scanned.digest}").json()
    (finding,) = whole["findings"]
    path = f"scans/{scanned.digest}/findings/{finding['id']}/request-allowance"
    until = (clock.now() + timedelta(days=9)).isoformat()

    asked = call.post(path, {"expires_at": until, "reason": "a sample"})

    assert [each["digest"] for each in listed] == [scanned.digest]
    assert [each["run_id"] for each in whole["artifacts"]] == ["run-1"]
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    qa = an_actor("qa", authenticated_by=Authentication.PASSWORD)
    approvals.confirm(asked.json()["id"], by=qa, reason="it is")
    assert call.get(f"scans/{scanned.digest}").json()["verdict"] == "clean"
    assert call.get("allowances").json()["items"][0]["confirmed_by"] == qa.name


def test_what_cannot_be_asked_is_refused_with_a_reason(call, scanned):
    finding = Finding.objects.get().pk
    path = f"scans/{scanned.digest}/findings"
    late = {"expires_at": "2999-01-01T00:00:00Z", "reason": "for ever"}

    assert code_of(call.get("scans/sha256:none")) == (404, "NOT_FOUND")
    assert code_of(call.get("scans?verdict=fine"))[0] == 422
    assert code_of(call.post(f"{path}/0/request-allowance", late))[0] == 404
    assert code_of(call.post(f"{path}/{finding}/request-allowance", late))[0] == 422
    assert code_of(call.post(f"{path}/{finding}/request-allowance", {}))[0] == 422


def test_a_token_of_another_rollout_sees_nothing_of_it(client, scanned):
    other = Caller(client, a_service("read", rollout="elsewhere")[1])

    assert other.get(f"scans/{scanned.digest}").status_code == 404
    assert other.get("scans").json()["items"] == []


# Commands


def test_scan_artifacts_says_what_is_not_clean(keep):
    kept = keep()
    out = StringIO()

    with pytest.raises(CommandError) as refusal:
        call_command("scan_artifacts", "--json", "--rescan", stdout=out)

    said = json.loads(out.getvalue())
    assert refusal.value.returncode == 1
    assert (said["scanned"], said["verdicts"]["blocked"]) == (1, 1)
    assert said["not_clean"] == [{"digest": kept.digest, "verdict": "blocked"}]


def test_scan_file_stores_nothing_and_tells_the_verdict(tmp_path, db):
    (tmp_path / "bad.txt").write_bytes(WITH_SECRET)
    (tmp_path / "fine.txt").write_bytes(FINE)
    out = StringIO()

    with pytest.raises(CommandError) as refusal:
        call_command("scan_file", str(tmp_path), "--json", stdout=out)
    call_command("scan_file", str(tmp_path / "fine.txt"), stdout=StringIO())
    with pytest.raises(CommandError) as missing:
        call_command("scan_file", str(tmp_path / "none"), stdout=StringIO())

    verdicts = [each["verdict"] for each in json.loads(out.getvalue())["files"]]
    assert verdicts == ["blocked", "clean"]
    assert SECRET not in out.getvalue()
    assert (refusal.value.returncode, missing.value.returncode) == (1, 2)
    assert not Scan.objects.exists()


# Pages


def test_the_pages_show_the_finding_and_never_the_secret(client, scanned):
    signed_in(client, "engineer")
    finding, made = Finding.objects.get(), Scan.objects.get()
    pages = [
        page(Scan, "changelist"),
        page(Scan, "change", made.pk),
        page(Finding, "changelist"),
        page(Finding, "change", finding.pk),
        page(Allowance, "changelist"),
        page(Artifact, "change", scanned.pk),
    ]

    shown = [client.get(address).content.decode() for address in pages]

    assert all(SECRET not in each for each in shown)
    assert "✗ blocked" in shown[0]
    assert "line 2, byte" in shown[1]
    assert "✗ blocked" in shown[5]
    assert "Not shown: the safety scan found something" in shown[5]


def test_the_list_of_scans_costs_the_same_for_many(
    client, keep, django_assert_max_num_queries
):
    for number in range(8):
        scan(keep(WITH_SECRET + str(number).encode(), path=str(number)).digest)
    signed_in(client, "auditor")
    client.get(page(Scan, "changelist"))

    with django_assert_max_num_queries(12):
        client.get(page(Scan, "changelist"))


def test_an_allowance_is_asked_for_and_ended_on_pages(client, scanned):
    finding = Finding.objects.get()
    signed_in(client, "engineer")
    until = (clock.now() + timedelta(days=5)).strftime("%Y-%m-%d %H:%M")
    address = page(Finding, "allow", finding.pk)
    assert send_form(client, address, until="soon", reason="x").status_code == 422
    send_form(client, address, until=until, reason="a sample")
    allowed = an_allowed(finding)

    signed_in(client, "qa")
    ending = page(Allowance, "end", allowed.pk)
    address = page(Allowance, "change", allowed.pk)
    assert "end" in buttons(client.get(address).content.decode())
    send_form(client, ending, reason="it was real")

    allowed.refresh_from_db()
    assert allowed.ended_at is not None
    assert "end" not in buttons(client.get(address).content.decode())
