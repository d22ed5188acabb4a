"""Evidence packs prove themselves to a stranger, and tell who signed what."""

import json
import subprocess
import sys
import venv
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import cryptography
import pytest
from django.core.management import call_command

from drills.domain.signoffs import SigningRole
from drills.models import EvidencePack
from drills.services import (
    delegations,
    pack_exports,
    release_gates,
)
from portal import clock
from portal.domain.canonical import digest
from portal.errors import Unavailable
from portal.models import LedgerEntry
from portal.services import actors, people, proofs, sealing
from portal.standalone import verify_ledger
from tests.builders import an_actor, with_password
from tests.drills.drilling import CONTENT
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    a_signed_gate,
    a_verification,
    passed,
    sent_back,
    sign,
)
from tests.portal.tampering import tamper
from tests.rollout.builders import KEY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sealer")]


def archive_of(pack: EvidencePack) -> bytes:
    """The archive, sealed."""
    prepared = pack_exports.prepare(
        pack.pack_hash, by=actors.host(), reason="For a stranger."
    )
    sealing.seal()
    pack_exports.wait_for_seal(prepared, patience_s=0)
    return b"".join(pack_exports.archive(prepared))


def check(archive: bytes, place: Path, *keys: str) -> subprocess.CompletedProcess:
    """Run the script that is in the pack, as a stranger does, without the portal."""
    file = place / "pack.zip"
    file.write_bytes(archive)
    script = place / "verify_pack.py"
    if not script.exists():
        script.write_bytes(zipfile.ZipFile(file).read("verify_pack.py"))
    asked = [part for key in keys for part in ("--key", key)]
    return subprocess.run(
        [sys.executable, "-I", str(script), str(file), *asked, "--json"],
        cwd=place,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def changed(archive: bytes, name: str, content: bytes) -> bytes:
    """The same archive with another content of one file."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for each in old.namelist():
            new.writestr(each, content if each == name else old.read(each))
    return made.getvalue()


def test_a_stranger_with_the_key_learns_who_signed_what(tmp_path):
    _, pack = a_signed_gate()

    archive = archive_of(pack)

    key = proofs.public_key()
    for given in (key.fingerprint, key.text):
        answer = check(archive, tmp_path, given)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads(answer.stdout)
    assert found["status"] == "intact"
    assert found["pack_hash"] == pack.pack_hash
    assert [each["role"] for each in found["signatures"]] == ["architect", "qa"]
    assert {each["standing"] for each in found["signatures"]} == {"it counts"}
    names = zipfile.ZipFile(BytesIO(archive)).namelist()
    assert {"report.html", "report.pdf", "verify_pack.py", "ledger.json"} <= set(names)


def test_without_a_key_or_with_another_one_nothing_is_proven(tmp_path):
    archive = archive_of(a_pack(a_ready_gate()))

    nobody = check(archive, tmp_path)
    another = check(
        archive,
        tmp_path,
        "portal.example/x+dd59a2bf+AQhtqV4zV4uAWxyVcKJ8wBG2R4kb6cRJMPm4wYTa4tGx",
    )

    assert (nobody.returncode, another.returncode) == (2, 2)


def test_any_change_of_any_file_is_named(tmp_path):
    _, pack = a_signed_gate()
    archive = archive_of(pack)
    key = proofs.public_key().text
    old = zipfile.ZipFile(BytesIO(archive))
    script = the_script_in(old)
    file = tmp_path / "pack.zip"

    for name in old.namelist():
        content = old.read(name)
        step = max(1, len(content) // (150 if name == "ledger.json" else 12))
        for place in {*range(0, len(content), step), max(0, len(content) - 1)}:
            other = bytes([content[place] ^ 1]) if content else b"x"
            altered = content[:place] + other + content[place + 1 :]
            file.write_bytes(changed(archive, name, altered))
            found = script["check_pack"](file, [key])
            assert list(found.altered) == [name], (name, place, found)
            assert found.status == 1


def the_script_in(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The functions of the script that is in a pack."""
    module = ModuleType("verify_pack")
    sys.modules["verify_pack"] = module  # dataclasses look for it
    exec(archive.read("verify_pack.py").decode(), module.__dict__)
    return module.__dict__


def test_whoever_is_called_otherwise_by_now_has_signed_as_they_were_called(tmp_path):
    gate = a_ready_gate()
    giver = with_password(an_actor("architect", name="Ada Example"))
    helper = an_actor("operator", name="Bo Deputy")
    given = delegations.give(
        SigningRole.ARCHITECT,
        helper.person.pk,
        clock.now() + timedelta(days=3),
        by=giver,
        reason="I am away.",
    )
    pack = a_pack(gate)
    sign(pack, "architect", by=helper, delegation_id=given.pk)
    for actor in (giver, helper):
        people.correct(
            actor.person.pk,
            full_name="Another Name",
            email="",
            by=an_actor("administrator"),
            reason="Married.",
        )

    answer = check(archive_of(pack), tmp_path, proofs.public_key().text)

    assert answer.returncode == 0, answer.stdout
    (signed,) = json.loads(answer.stdout)["signatures"]
    assert (signed["name"], signed["on_behalf_of"]) == ("Bo Deputy", "Ada Example")


def test_it_tells_in_words_who_signed_what_when_and_on_which_evidence(tmp_path, capsys):
    gate = a_ready_gate()
    conductor = an_actor("operator", name="Cy Conductor")
    a_verification(by=conductor)
    pack = a_pack(gate, by=an_actor("engineer", name="Ed Engineer"))
    note = passed(note="Fine.\r\x1b[2J")
    signed = sign(pack, "qa", by=an_actor("qa", name="Quin Example"), said=note)
    archive = archive_of(pack)
    file = tmp_path / "pack.zip"
    file.write_bytes(archive)
    script = the_script_in(zipfile.ZipFile(file))

    status = script["main"]([str(file), "--key", proofs.public_key().text])

    said = capsys.readouterr().out
    line = LedgerEntry.objects.get(verb="drills.release_gate.signed")
    root = proofs.latest_checkpoint().note.splitlines()[2]
    assert status == 0
    for words in (
        f"pack 1 of gate F ({gate.title}, version 1) of {KEY}",
        pack.pack_hash,
        f"checkpoint of test.example/ledger, root {root}",
        "Verification: Fallback path: met",
        "Cy Conductor: conductor of verification",
        "Ed Engineer: submitter of pack 1",
        f"PASS by Quin Example as qa, {line.at.isoformat()}",
        f"entry {line.seq}, identity by password",
        f"statement {signed.statement_digest}",
        "| I, Quin Example, sign as qa of release gate F",
    ):
        assert words in said, words
    assert "\x1b" not in said


def test_a_stranger_holds_pack_and_ledger_together_by_the_checkpoint(tmp_path, capsys):
    an_actor("qa")
    backup = sealing.seal().size
    _, pack = a_signed_gate()
    archive = zipfile.ZipFile(BytesIO(archive_of(pack)))
    kept = tmp_path / "pack.checkpoint"
    kept.write_text(json.loads(archive.read("ledger.json"))["checkpoint"])
    an_actor("qa")
    sealing.seal()
    whole, shorter = tmp_path / "whole", tmp_path / "shorter"
    call_command("export_ledger", "--output", str(whole), "--wait", "0")
    tamper("DELETE FROM portal_ledgerentry WHERE seq > %s", backup)
    tamper("DELETE FROM portal_checkpoint WHERE size > %s", backup)
    call_command("export_ledger", "--output", str(shorter), "--wait", "0")
    capsys.readouterr()
    asked = ["--key", proofs.public_key().text, "--checkpoint", str(kept)]

    found = [verify_ledger.main([str(each), *asked]) for each in (whole, shorter)]

    lines = [
        json.loads(each) for each in (whole / "entries.jsonl").read_text().splitlines()
    ]
    signings = [e for e in lines if '"drills.release_gate.signed"' in e["body"]]
    assert found == [0, 1]
    assert len(signings) == 2
    assert all(pack.pack_hash in each["body"] for each in signings)


def test_it_runs_in_an_empty_environment_with_cryptography_alone(tmp_path):
    archive = archive_of(a_pack(a_ready_gate()))
    place = tmp_path / "check"
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages")
    ours = Path(cryptography.__file__).parents[1]
    for each in ("cryptography", "cffi", "pycparser", *ours.glob("_cffi_backend*")):
        if (source := ours / each).exists():
            (site / source.name).symlink_to(source)
    file = tmp_path / "pack.zip"
    file.write_bytes(archive)
    (tmp_path / "verify_pack.py").write_bytes(
        zipfile.ZipFile(file).read("verify_pack.py")
    )

    answer = subprocess.run(
        [
            *(place / "bin" / "python", "-I", tmp_path / "verify_pack.py", file),
            *("--key", proofs.public_key().fingerprint),
        ],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.startswith("intact")
    assert "nobody has signed it" in answer.stdout


def test_files_that_are_added_or_left_out_are_named(tmp_path):
    archive = archive_of(a_pack(a_ready_gate()))
    key = proofs.public_key().text
    made = BytesIO(archive)
    with zipfile.ZipFile(made, "a") as more:
        more.writestr("drills/drill-999.json", "{}")
    less = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as old, zipfile.ZipFile(less, "w") as new:
        for each in old.namelist():
            if each != "incidents.json":
                new.writestr(each, old.read(each))

    added = check(made.getvalue(), tmp_path, key)
    gone = check(less.getvalue(), tmp_path, key)

    assert list(json.loads(added.stdout)["altered"]) == ["drills/drill-999.json"]
    assert json.loads(gone.stdout)["altered"] == {"incidents.json": "is missing"}


def test_an_incomplete_and_a_rejected_pack_say_so_in_the_archive(tmp_path):
    gate = a_ready_gate()
    pack = a_pack(gate)
    sign(pack, "qa", said=sent_back())
    rejected = archive_of(pack)
    a_verification(failed="fallback-path")
    incomplete = archive_of(a_pack(gate))
    key = proofs.public_key().text

    sent = json.loads(check(rejected, tmp_path, key).stdout)
    lacking = json.loads(check(incomplete, tmp_path, key).stdout)

    assert [each["verdict"] for each in sent["signatures"]] == ["changes_required"]
    assert (lacking["status"], lacking["is_complete"]) == ("intact", False)


def test_an_export_waits_for_the_sealer_and_says_when_it_is_not_there():
    pack = a_pack(a_ready_gate())
    prepared = pack_exports.prepare(pack.pack_hash, by=actors.host(), reason="t")

    with pytest.raises(Unavailable) as caught:
        pack_exports.wait_for_seal(prepared, patience_s=0)

    assert caught.value.code == "NOT_SEALED"
    line = LedgerEntry.objects.get(verb="drills.pack.exported")
    assert digest(prepared.index) in line.body


def test_a_name_that_no_font_knows_is_spelled_in_the_pdf_and_whole_in_the_html():
    gate = a_ready_gate()
    pack = a_pack(gate)
    sign(
        pack,
        "architect",
        by=an_actor("architect", name="Åsa Ψ"),
        said=passed(note="Fine ✓"),
    )

    archive = zipfile.ZipFile(BytesIO(archive_of(pack)))

    assert "Åsa Ψ" in archive.read("report.html").decode()
    assert archive.read("report.pdf").startswith(b"%PDF-")
    assert json.loads(archive.read("signoffs.json"))[0]["name"] == "Åsa Ψ"
    assert CONTENT not in archive.read("manifest.json")
    assert release_gates.find(KEY, "F").version == 1
