import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from portal.models import LedgerEntry
from portal.services import sealing
from rollout.models import Artifact, DocumentKind, FallbackOffer, Run, RunEvent
from rollout.services import runs, vault
from rollout.services.decisions import decide_for
from tests.builders import a_person
from tests.rollout.builders import ASKED, KEY, a_rollout
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates

pytestmark = pytest.mark.django_db


def answer(capsys, *arguments: str) -> dict:
    call_command(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def status_of(*arguments: str) -> int:
    with pytest.raises(CommandError) as refusal:
        call_command(*arguments)
    assert "\n" not in str(refusal.value)
    return refusal.value.returncode


def a_run_root(tmp_path: Path) -> Path:
    root = tmp_path / "run-1"
    (root / "logs").mkdir(parents=True)
    (root / "wave-1").mkdir()
    (root / "manifest.json").write_bytes(raw(a_manifest(revision=4)))
    (root / "gates.json").write_bytes(raw(some_gates(revision=2, failed="B")))
    (root / "logs" / "telemetry.jsonl").write_bytes(lines(an_event(1), an_event(2)))
    (root / "wave-1" / "p1.md").write_text("found")
    return root


def test_a_token_is_made_and_shown_once(capsys):
    a_rollout()
    a_person("administrator")

    made = answer(
        capsys, "create_token", "ci", "--rollout", KEY, "--scopes", "decide,read"
    )

    assert made["token"].startswith("rgp_")
    assert made["token"] not in "".join(
        LedgerEntry.objects.values_list("body", flat=True)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["create_token", "x", "--rollout", KEY, "--scopes", "rule-the-world"],
        ["create_token", "x", "--rollout", "nothing", "--scopes", "read"],
        ["create_token", "x", "--rollout", KEY, "--scopes", "read", "--owner", "who"],
        ["create_token", "x", "--rollout", KEY, "--scopes", "read", "--days", "999"],
        ["engage_switch", "nothing", "--reason", "stop"],
        ["explain", "--run", "nothing"],
        ["explain", "--context", "{"],
        ["explain", "--context", "[]"],
        ["ingest_run", "/nowhere", "--rollout", KEY],
        ["create_person", "somebody", "--role", "king"],
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_with_status_two(arguments):
    a_rollout()
    a_person("administrator")

    assert status_of(*arguments) == 2


def test_nobody_owns_a_token_on_a_portal_without_people():
    a_rollout()

    assert status_of("create_token", "x", "--rollout", KEY, "--scopes", "read") == 2


def test_the_ledger_is_verified_and_an_edit_behind_the_portals_back_is_named(
    capsys, sealer
):
    a_rollout()
    sealing.seal()
    assert answer(capsys, "verify_ledger")["intact"] is True
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE portal_ledgerentry SET reason = 'fine' WHERE seq = 5")
        cursor.execute("RESET session_replication_role")

    status = status_of("verify_ledger")

    assert status == 1
    assert "entry 5" in capsys.readouterr().out


def test_a_context_is_explained_step_by_step(capsys):
    a_rollout()

    said = answer(capsys, "explain", "--context", '{"team": "alpha"}')

    assert said["reason"] == "NOT_STARTED"
    assert said["steps"][-1]["outcome"] == "stop"


def test_a_runs_decision_is_explained_and_replayed(capsys, service):
    decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")

    assert answer(capsys, "explain", "--run", "r1")["workflow"] == "standard"
    assert answer(capsys, "replay_decisions")["differences"] == 0


def test_a_decision_that_comes_out_differently_is_found(capsys, service):
    decide_for(KEY, {"run_id": "r1", **ASKED}, by=service, reason="asks")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE rollout_decision SET workflow = 'option_c'")
        cursor.execute("RESET session_replication_role")

    assert status_of("replay_decisions") == 1


def test_importing_a_run_root_twice_changes_nothing_the_second_time(
    capsys, service, tmp_path
):
    root = a_run_root(tmp_path)
    (root / "link").symlink_to("/etc/passwd")
    (root / "gates.json.tmp.12").write_text("{")

    first = answer(capsys, "ingest_run", str(root), "--rollout", KEY)
    before = LedgerEntry.objects.count()
    second = answer(capsys, "ingest_run", str(root), "--rollout", KEY)

    assert (first["changed"], second["changed"]) == (True, False)
    assert set(first["left_out"]) == {"link", "gates.json.tmp.12"}
    assert LedgerEntry.objects.count() == before
    run = Run.objects.get()
    assert (run.kind, run.reported_status) == ("imported", "running")
    assert RunEvent.objects.count() == 2
    assert not FallbackOffer.objects.exists()


def test_damaged_artifacts_are_found(capsys, service, tmp_path):
    answer(capsys, "ingest_run", str(a_run_root(tmp_path)), "--rollout", KEY)
    assert answer(capsys, "verify_artifacts")["intact"] is True
    vault.path_of(Artifact.objects.first().digest).unlink()

    assert status_of("verify_artifacts") == 1


def test_every_run_that_the_research_system_wrote_can_be_imported(
    capsys, service, shared
):
    roots = sorted((shared / "real_runs").iterdir())

    for root in roots:
        answer(capsys, "ingest_run", str(root), "--rollout", KEY)
    before = LedgerEntry.objects.count()
    again = [answer(capsys, "ingest_run", str(r), "--rollout", KEY) for r in roots]

    assert not any(each["changed"] for each in again)
    assert LedgerEntry.objects.count() == before
    for root in roots:
        manifest = json.loads((root / "manifest.json").read_text())
        run = Run.objects.get(run_id=manifest["run_id"])
        assert run.reported_status == run.status == manifest["status"]
        assert (
            run.gates_revision
            == json.loads((root / "gates.json").read_text())["revision"]
        )
        for kind in DocumentKind:
            stored = bytes(runs.document_of(run, kind).raw)
            assert stored == (root / f"{kind}.json").read_bytes()
        files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
        kept = {artifact.path: artifact for artifact in run.artifacts.all()}
        assert set(kept) == files
        for path, artifact in kept.items():
            stored = b"".join(vault.read(artifact.digest))
            assert stored == (root / path).read_bytes()
        fell_back = any(
            failure["kind"] == "hard_gate_fallback_offer"
            for failure in manifest["failures"]
        )
        assert FallbackOffer.objects.filter(run=run).exists() == fell_back
