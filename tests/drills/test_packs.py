"""Evidence packs: what is in them, what they lack, and that they prove themselves."""

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
import time_machine

from drills.domain.drills import Outcome
from drills.domain.scenarios import Scenario
from drills.models import EvidencePack, Waiver
from drills.services import (
    drills,
    pack_exports,
    packs,
    release_gates,
    signatures,
    waivers,
)
from portal import clock
from portal.domain.canonical import digest
from portal.errors import NotAllowed, Unavailable, WrongMoment
from portal.models import LedgerEntry
from portal.services import actors, proofs, sealing
from rollout.services import vault
from tests.builders import an_actor
from tests.drills.drilling import CONTENT, a_conducted_drill
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    a_signed_gate,
    a_verification,
    passed,
    sent_back,
    sign,
    the_gate,
)
from tests.rollout.builders import KEY, a_running_stage, confirmed

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


def test_a_pack_names_every_file_with_its_digest_under_one_hash():
    pack = a_pack(a_ready_gate())

    said = packs.said_in(pack)

    assert pack.is_complete, pack.troubles
    assert pack.pack_hash == digest(pack.manifest.encode())
    assert {each["state"] for each in said["evidence"]} == {"met"}
    assert len(said["evidence"]) == 15
    for each in packs.files_of(pack):
        assert digest(b"".join(vault.read(each.digest))) == each.digest
    names = set(said["files"])
    assert {"gate.json", "configuration/triggers.json", "incidents.json"} <= names
    assert sum(name.startswith("drills/") for name in names) == 4
    assert sum(name.startswith("verification/transcripts/") for name in names) == 4


def test_it_names_everybody_who_had_a_part_and_nobody_who_only_looked():
    conductor, submitter = an_actor("operator"), an_actor("engineer")
    gate = a_ready_gate()
    drill = a_conducted_drill(Scenario.PAUSE_RESUME, by=conductor)
    observer = an_actor("qa")
    drills.observe(drill.pk, "", by=observer, reason="I saw it.")

    pack = a_pack(gate, by=submitter)

    involved = {each.person: each.parts for each in pack.participants.all()}
    assert involved[submitter.person] == ["submitter of pack 1"]
    assert involved[conductor.person] == [
        f"conductor of drill {drill.pk} (pause_resume)"
    ]
    assert observer.person not in involved


def test_the_same_evidence_again_is_another_pack_with_the_same_evidence_digest():
    gate = a_ready_gate()

    one, two = a_pack(gate), a_pack(gate)

    assert one.evidence_digest == two.evidence_digest
    assert one.pack_hash != two.pack_hash
    assert (one.number, two.number) == (1, 2)


def test_there_is_one_pack_at_a_time_and_a_job_makes_it_once():
    gate = a_ready_gate()
    asked = packs.order(KEY, "F", by=an_actor("engineer"), reason="Please.")

    with pytest.raises(WrongMoment) as caught:
        packs.order(KEY, "F", by=an_actor("engineer"), reason="Please.")
    once = packs.assemble(asked.pk, by=actors.system(), reason="t")
    twice = packs.assemble(asked.pk, by=actors.system(), reason="t")

    assert caught.value.code == "PACK_UNDER_WAY"
    assert once == twice
    assert packs.newest(gate) == once


@pytest.mark.parametrize("role", ["architect", "qa", "auditor", "administrator"])
def test_who_signs_or_only_reads_assembles_nothing(role):
    the_gate_is_there = a_running_stage() and the_gate()
    assert the_gate_is_there

    with pytest.raises(NotAllowed):
        packs.order(KEY, "F", by=an_actor(role), reason="t")


def test_what_is_missing_is_named_and_makes_the_pack_incomplete():
    a_running_stage()
    gate = the_gate()

    pack = a_pack(gate)

    assert not pack.is_complete
    missing = {e["key"] for e in packs.said_in(pack)["evidence"] if e["state"] != "met"}
    assert missing == {
        *("drill-pause-resume", "drill-emergency-disable"),
        *("drill-hard-gate-fallback", "drill-forced-timeout", "fallback-proof"),
        *("check-feature-flags", "check-fallback-path"),
        *("check-watchdog-timeout", "check-fallback-offer"),
    }


def test_a_drill_that_is_flagged_or_failed_since_does_not_meet_its_requirement():
    gate = a_ready_gate()
    a_conducted_drill(Scenario.FORCED_TIMEOUT, outcome=Outcome.OTHERWISE)

    pack = a_pack(gate)

    (trouble,) = pack.troubles
    assert "has failed since" in trouble


def test_a_waiver_by_two_people_settles_a_requirement_until_it_ends():
    with time_machine.travel(clock.now(), tick=False) as now:
        gate = a_ready_gate()
        a_verification(failed="watchdog-timeout")
        asker = an_actor("engineer", "architect")
        asked = waivers.request_waiver(
            KEY,
            "F",
            "check-watchdog-timeout",
            clock.now() + timedelta(days=3),
            by=asker,
            reason="The host is too slow for it.",
        )
        confirmed(asked)
        pack = a_pack(gate)
        with pytest.raises(NotAllowed) as caught:
            sign(pack, "architect", by=asker)
        sign(pack, "architect")
        sign(pack, "qa")
        during = signatures.of_gate(gate).is_signed

        now.shift(timedelta(days=3, seconds=1))

        assert pack.is_complete
        assert caught.value.code == "INVOLVED"
        assert "The host is too slow for it." in pack.manifest
        assert during
        assert not signatures.of_gate(gate).is_signed


def test_an_open_serious_incident_cannot_be_waived():
    a_ready_gate()

    with pytest.raises(NotAllowed) as caught:
        waivers.request_waiver(
            KEY,
            "F",
            "no-serious-incident",
            clock.now() + timedelta(days=1),
            by=an_actor("engineer"),
            reason="t",
        )

    assert caught.value.code == "NOT_WAIVABLE"
    assert not Waiver.objects.exists()


# Proof


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
