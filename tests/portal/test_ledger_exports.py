import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from portal.domain.checkpoints import Checkpoint as Head
from portal.domain.checkpoints import PrivateKey, sealed
from portal.domain.ledger import leaf_of, link_of
from portal.domain.merkle import merkle_root
from portal.domain.verbs import Verb
from portal.models import Checkpoint, LedgerEntry
from portal.services import actors, proofs, sealer_keys, sealing
from portal.standalone import verify_ledger
from tests.builders import a_person, the_last_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def exported(sealer, capsys):
    """A directory with all of a ledger: two checkpoints, and a tail of two."""
    a_person("qa", "operator")
    sealing.seal()
    a_person("qa")
    sealing.seal()
    a_person()
    export(sealer / "out")
    capsys.readouterr()
    return sealer / "out"


def export(output: Path, *arguments: str) -> None:
    call_command("export_ledger", "--output", str(output), "--wait", "0", *arguments)


def check(capsys, export: Path, *arguments: str) -> tuple[int, dict]:
    status = verify_ledger.main([str(export), "--json", *arguments])
    return status, json.loads(capsys.readouterr().out)


def own_key() -> str:
    return sealer_keys.own().public.text


def rewrite(export: Path, name: str, change) -> None:
    """Change a file and the digest that the manifest names."""
    file = export / name
    file.write_bytes(change(file.read_bytes()))
    manifest = json.loads((export / "export.json").read_text())
    digest = verify_ledger.sha256(file.read_bytes()).hexdigest()
    manifest["files"][name] = f"sha256:{digest}"
    (export / "export.json").write_text(json.dumps(manifest))


def with_entries(change):
    """A change of the list of entries, for `rewrite`."""

    def changed(data: bytes) -> bytes:
        entries = change([json.loads(line) for line in data.splitlines()])
        return b"".join(json.dumps(each).encode() + b"\n" for each in entries)

    return changed


def rehashed(entries: list[dict]) -> list[dict]:
    prev = bytes(32)
    for entry in entries:
        leaf = leaf_of(entry["body"].encode())
        prev = link_of(prev, entry["seq"], leaf)
        entry |= {"leaf": leaf.hex(), "link": prev.hex()}
    return entries


def edited(entries: list[dict], index: int = 2) -> list[dict]:
    entries[index]["body"] = entries[index]["body"].replace("test", "fine")
    return entries


def test_an_export_is_intact_for_whoever_knows_the_key(exported, capsys):
    for key in (own_key(), sealer_keys.own().public.fingerprint):
        status, said = check(capsys, exported, "--key", key)
        assert (status, said["findings"], said["doubts"]) == (0, [], [])
    assert (said["entries"], said["sealed"], said["checkpoints"]) == (8, 6, 2)


def test_the_verifier_runs_alone(exported):
    command = [sys.executable, "-I", exported / "verify_ledger.py", exported]
    done = subprocess.run(
        [*command, "--key", own_key()],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("intact: 8 entries, 2 checkpoints")
    assert "unsealed tail: entries 7 to 8" in done.stdout
    source = (exported / "verify_ledger.py").read_text()
    assert "portal." not in source.replace("portal.sealer.key_announced", "")


def test_without_a_key_it_cannot_tell(exported, capsys):
    assert check(capsys, exported)[0] == 2


def test_another_portals_key_vouches_for_nothing(exported, capsys):
    other = PrivateKey("test.example/ledger", bytes(32)).public.text

    assert check(capsys, exported, "--key", other)[0] == 2


def test_an_export_is_one_file_if_that_is_wanted(exported, capsys, sealer):
    export(sealer / "all.zip")
    capsys.readouterr()

    assert check(capsys, sealer / "all.zip", "--key", own_key())[0] == 0
    assert "export.json" in zipfile.ZipFile(sealer / "all.zip").namelist()


@pytest.mark.parametrize(
    "name",
    [
        "entries.jsonl",
        "checkpoints.jsonl",
        "keys.jsonl",
        "nodes.jsonl",
        "README.md",
        "verify_ledger.py",
    ],
)
def test_a_file_in_which_anything_was_changed_is_named(exported, capsys, name):
    file = exported / name
    data = bytearray(file.read_bytes() or b"\n")
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    status, said = check(capsys, exported, "--key", own_key())

    assert status == 1
    assert name in said["findings"][0]["detail"]


@pytest.mark.parametrize(
    ("change", "seq", "kind"),
    [
        (lambda entries: edited(entries), 3, "altered"),
        (lambda entries: rehashed(edited(entries)), 1, "rewritten"),
        (lambda entries: rehashed(edited(entries, 5)), 5, "rewritten"),
        (lambda entries: entries[:2] + entries[3:], 3, "gap"),
        (lambda entries: entries[:5], 6, "truncated"),
        (lambda entries: [entries[1], entries[0], *entries[2:]], 1, "gap"),
    ],
    ids=["edited", "re-hashed", "later", "deleted", "cut off", "swapped"],
)
def test_tampering_that_mends_digests_is_found(exported, capsys, change, seq, kind):
    rewrite(exported, "entries.jsonl", with_entries(change))

    status, said = check(capsys, exported, "--key", own_key())

    assert status == 1
    assert (said["findings"][0]["seq"], said["findings"][0]["kind"]) == (seq, kind)


def test_whoever_seals_it_anew_with_a_key_of_his_own_convinces_nobody(exported, capsys):
    forger = PrivateKey("test.example/ledger", bytes(32))
    rewrite(exported, "entries.jsonl", with_entries(lambda e: rehashed(edited(e))))
    leaves = [
        bytes.fromhex(json.loads(line)["leaf"])
        for line in (exported / "entries.jsonl").read_text().splitlines()
    ]
    note = sealed(Head("test.example/ledger", 8, merkle_root(leaves)), forger)
    line = json.dumps({"note": note}).encode() + b"\n"
    rewrite(exported, "checkpoints.jsonl", lambda _: line)

    assert check(capsys, exported, "--key", own_key())[0] == 1


def test_an_export_that_ends_before_a_checkpoint_that_somebody_kept_is_short(
    exported, capsys, sealer
):
    a_person()
    sealing.seal()
    kept = sealer / "kept"
    kept.write_text(Checkpoint.objects.first().note)

    status, said = check(
        capsys, exported, "--key", own_key(), "--checkpoint", str(kept)
    )

    assert (status, said["findings"][0]["kind"]) == (1, "truncated")


def test_an_extract_proves_each_entry_by_itself(exported, capsys, sealer):
    export(sealer / "some", "--from", "3", "--to", "5")
    capsys.readouterr()
    assert check(capsys, sealer / "some", "--key", own_key())[0] == 0

    rewrite(sealer / "some", "entries.jsonl", with_entries(lambda e: edited(e, 1)))

    status, said = check(capsys, sealer / "some", "--key", own_key())
    assert (status, said["findings"][0]["seq"]) == (1, 4)


def test_an_entry_at_another_place_is_not_proven(exported, capsys, sealer):
    export(sealer / "some", "--from", "3", "--to", "5")
    capsys.readouterr()

    def moved(entries: list[dict]) -> list[dict]:
        entries[0]["seq"], entries[1]["seq"] = 4, 3
        return entries

    rewrite(sealer / "some", "entries.jsonl", with_entries(moved))

    assert check(capsys, sealer / "some", "--key", own_key())[0] == 1


@pytest.mark.parametrize("which", ["old", "new"])
def test_both_keys_of_a_rotation_find_it_intact(sealer, capsys, which):
    a_person("qa")
    sealing.seal()
    keys = {"old": own_key()}
    sealer_keys.rotate(by=actors.host(), reason="a year is over")
    sealing.seal()
    keys["new"] = own_key()
    a_person("qa")
    sealing.seal()
    export(sealer / "out")
    export(sealer / "some", "--from", "6", "--to", "6")
    capsys.readouterr()

    for name in ("out", "some"):
        status, said = check(capsys, sealer / name, "--key", keys[which])
        assert (status, said["findings"], said["doubts"]) == (0, [], [])


def test_taking_the_ledger_out_is_a_line_in_it(exported):
    assert the_last_line() == ("system", Verb.LEDGER_EXPORTED, "exported on the host")
    last = (exported / "entries.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["seq"] == LedgerEntry.objects.first().seq


@pytest.mark.parametrize(
    "arguments",
    [["--from", "0"], ["--from", "4", "--to", "3"], ["--to", "99"], ["--from", "7"]],
)
def test_a_range_that_is_not_sealed_is_refused(exported, arguments, sealer):
    with pytest.raises(CommandError) as refusal:
        export(sealer / "other", *arguments)

    assert refusal.value.returncode == 2
    assert not (sealer / "other").exists()


def test_nothing_is_written_over(exported):
    with pytest.raises(CommandError, match="there already"):
        export(exported)


def test_before_anything_is_sealed_there_is_nothing_to_export(sealer):
    with pytest.raises(CommandError, match="no key yet"):
        export(sealer / "out")


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: (out / "export.json").write_text("{}"),
        lambda out: (out / "export.json").write_text("[]"),
        lambda out: (out / "export.json").unlink(),
        lambda out: (out / "entries.jsonl").unlink(),
    ],
)
def test_what_is_no_export_is_said_without_a_traceback(exported, capsys, damage):
    damage(exported)

    assert check(capsys, exported, "--key", own_key())[0] == 1
    assert verify_ledger.main([str(exported / "nothing")]) == 2


def test_the_standalone_verifier_and_the_portal_compute_the_same(sealer):
    a_person("qa", "operator", "engineer")
    checkpoint = sealing.seal()

    for entry in proofs.extract(range(1, 6), size=checkpoint.size):
        leaf = verify_ledger.leaf_of(entry["body"])
        proof = [bytes.fromhex(each) for each in entry["proof"]]
        assert leaf.hex() == entry["leaf"]
        root = verify_ledger.root_by_proof(leaf, entry["seq"], checkpoint.size, proof)
        assert root == bytes(checkpoint.root)
