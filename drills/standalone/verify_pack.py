"""Check an evidence pack without trusting whoever exported it.

    python verify_pack.py PACK.zip --key KEY [--json]

KEY is the public key of the portal's sealer, got from somewhere else than the pack: a
file, the key itself (`name+id+base64`), or its fingerprint (`SHA256:...`).

Exit status 0: intact; it says who signed what, on which evidence. 1: tampered with; the
files that are not what they were are named. 2: cannot tell, and why.

This file needs Python 3.11 and the package `cryptography`, and nothing else. What it
rests on, from the outside to the inside:

    KEY signs the checkpoint in ledger.json, and that the Merkle root over the ledger;
    each entry in ledger.json leads to that root by its proof (RFC 6962);
    the entry of the export names the SHA-256 of index.json, and that one of every file;
    the SHA-256 of manifest.json is the pack's hash, which the entries of the signatures
    name, with the SHA-256 of the statement that was signed.
"""

import argparse
import json
import sys
import zipfile
import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from portal.standalone.verify_ledger import (
    ANNOUNCED,
    CANNOT_TELL,
    INTACT,
    TAMPERED,
    CannotTell,
    Key,
    Note,
    Trust,
    known_keys,
    leaf_of,
    read_key,
    read_note,
    root_by_proof,
)

LEDGER, INDEX, PACK_MANIFEST = "ledger.json", "index.json", "manifest.json"
SIGNOFFS = "signoffs.json"
ASSEMBLED, EXPORTED = "drills.pack.assembled", "drills.pack.exported"
SIGNED, REJECTED = "drills.release_gate.signed", "drills.release_gate.rejected"
LONGEST_ACT = timedelta(minutes=1)  # between a signature and its line in the ledger
SIGNINGS = {"pass": SIGNED, "changes_required": REJECTED}


class Altered(Exception):
    """A file is not what was exported; everything that rests on it is open."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(f"{name}: {says}")
        self.name, self.says = name, says


@dataclass
class Outcome:
    """What was found out about a pack."""

    pack_hash: str = ""
    is_complete: bool = False
    about: str = ""
    key: str = ""
    sealed: int = 0
    checkpoint: dict[str, Any] = field(default_factory=dict)
    files: int = 0
    evidence: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    signatures: list[dict[str, Any]] = field(default_factory=list)
    altered: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        if self.altered:
            return TAMPERED
        return CANNOT_TELL if self.doubts else INTACT


def digest_of_bytes(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def strict(name: str, content: bytes) -> Any:
    """JSON that is spelled in the one way in which it was written."""
    try:
        found = json.loads(content.decode("utf-8"))
        spelled = json.dumps(
            found, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode("utf-8")
    except (ValueError, RecursionError):
        raise Altered(name, "is no JSON") from None
    if spelled != content:
        raise Altered(name, "is not spelled as it was written")
    return found


class Pack:
    """The files of a pack."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise CannotTell(f"{path} cannot be read: {error}") from None
        names = self.zip.namelist()
        self.names = set(names)
        self.twice = {name for name in names if names.count(name) > 1}

    def read(self, name: str) -> bytes:
        """A file's bytes; what cannot be unpacked was altered."""
        try:
            return self.zip.read(name)
        except KeyError:
            raise Altered(name, "is missing") from None
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise Altered(name, f"cannot be unpacked: {error}") from None
        except NotImplementedError:
            raise Altered(name, "is packed in a way that was not used") from None


def check_pack(path: Path, given: list[str]) -> Outcome:
    """Check everything, from the key inwards."""
    found, pack = Outcome(), Pack(path)
    for name in pack.twice:
        found.altered[name] = "is there twice"
    try:
        entries = check_ledger(pack.read(LEDGER), given, found)
        index = check_index(pack.read(INDEX), entries)
    except Altered as altered:
        found.altered[altered.name] = altered.says
        return found
    check_files(pack, index, found)
    if not found.altered:
        check_contents(pack, index, entries, found)
    return found


def check_ledger(
    content: bytes, given: list[str], found: Outcome
) -> list[dict[str, Any]]:
    """The entries of the ledger that the pack brings, each proven; what they say."""
    said = strict(LEDGER, content)
    try:
        if set(said) != {"checkpoint", "entries", "introductions"}:
            raise ValueError
        note = exact_note(said["checkpoint"])
        introduced = [check_introduction(each) for each in said["introductions"]]
        bodies = [check_entry(each, note) for each in said["entries"]]
    except (KeyError, TypeError, ValueError, AttributeError, CannotTell):
        raise Altered(LEDGER, "has not the form that was written") from None
    keys = known_keys(given, said["introductions"])
    if not keys:
        found.doubts.append("without --key nobody is known who vouches for it")
        return bodies
    try:
        trust = Trust(keys, said["introductions"])
    except (KeyError, TypeError, ValueError, CannotTell):
        raise Altered(
            LEDGER, "introduces a key in a way that was not written"
        ) from None
    known = {key.text for key in introduced}
    is_ours = bool(known & {key.text for key in keys})
    earlier = [exact_note(each["note"]) for each in said["introductions"]]
    is_good = all(trust.knows(each) for each in earlier) and trust.vouches(note)
    if not is_good or not all(is_signed_by_all(e, trust) for e in (note, *earlier)):
        if is_ours or any(claims(note, key) for key in trust.keys.values()):
            raise Altered(LEDGER, "the signature of a checkpoint is not good")
        raise CannotTell(f"{LEDGER}: nobody whom --key names has signed it")
    found.sealed = note.size
    found.key = keys[0].fingerprint
    root = b64encode(note.root).decode()
    found.checkpoint = {"origin": note.origin, "size": note.size, "root": root}
    return bodies


def exact_note(text: str) -> Note:
    """A checkpoint that is spelled in the one way."""
    note = read_note(text)
    root = b64encode(note.root).decode()
    lines = [
        f"\N{EM DASH} {name} {b64encode(key_id + raw).decode()}\n"
        for name, key_id, raw in note.signatures
    ]
    if f"{note.origin}\n{note.size}\n{root}\n\n{''.join(lines)}" != text:
        raise ValueError("not spelled as it was signed")
    return note


def claims(note: Note, key: Key) -> bool:
    """Whether a checkpoint says that this key has signed it."""
    return any((name, i) == (key.name, key.id) for name, i, _ in note.signatures)


def is_signed_by_all(note: Note, trust: Trust) -> bool:
    """Whether every signature under it is one of a known key, and good."""
    known = {(k.name, k.id) for k in trust.known.values() if note.is_signed_by(k)}
    signed = [(name, key_id) for name, key_id, _ in note.signatures]
    return len(set(signed)) == len(signed) and set(signed) <= known


def check_introduction(said: dict[str, Any]) -> Key:
    """The key that an entry introduces; the entry has to be under its checkpoint."""
    if set(said) != {"seq", "body", "note", "proof"}:
        raise ValueError
    body = check_entry(
        {name: said[name] for name in ("seq", "body", "proof")},
        exact_note(said["note"]),
    )
    if body["verb"] != ANNOUNCED:
        raise ValueError
    return read_key(body["details"]["key"])


def check_entry(said: dict[str, Any], note: Note) -> dict[str, Any]:
    """What an entry says, once its proof leads to the root of the checkpoint."""
    if set(said) != {"seq", "body", "proof"}:
        raise ValueError
    seq, body = said["seq"], said["body"]
    proof = [bytes.fromhex(each) for each in said["proof"]]
    if [each.hex() for each in proof] != said["proof"]:
        raise ValueError
    if root_by_proof(leaf_of(body), seq, note.size, proof) != note.root:
        raise ValueError
    read = json.loads(body)
    if read["seq"] != seq:
        raise ValueError
    return dict(read)


def check_index(content: bytes, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The list of files, if an entry of the ledger names it."""
    named = {
        each["details"].get("index") for each in entries if each["verb"] == EXPORTED
    }
    if digest_of_bytes(content) not in named:
        raise Altered(INDEX, "no entry of the ledger names it")
    return dict(strict(INDEX, content))


def check_files(pack: Pack, index: dict[str, Any], found: Outcome) -> None:
    """Every file that is listed is there and is what it was; nothing else is there."""
    for name, each in index["files"].items():
        try:
            content = pack.read(name)
        except Altered as altered:
            found.altered[altered.name] = altered.says
            continue
        if digest_of_bytes(content) != each["digest"] or len(content) != each["size"]:
            found.altered[name] = "is not what was exported"
        found.files += 1
    for name in sorted(pack.names - set(index["files"]) - {LEDGER, INDEX}):
        found.altered[name] = "was not exported"


def check_contents(
    pack: Pack, index: dict[str, Any], entries: list[dict[str, Any]], found: Outcome
) -> None:
    """The manifest is the one that the ledger names, and so are its signatures."""
    manifest_bytes = pack.read(PACK_MANIFEST)
    manifest = json.loads(manifest_bytes)
    found.pack_hash = digest_of_bytes(manifest_bytes)
    found.is_complete = bool(manifest["is_complete"])
    gate, key = manifest["gate"], manifest["rollout"]["key"]
    named = f"gate {gate['letter']} ({gate['title']}, version {gate['version']})"
    at = manifest["assembled_at"]
    found.about = f"pack {manifest['number']} of {named} of {key}, assembled {at}"
    found.evidence = [f"{e['title']}: {e['line']}" for e in manifest["evidence"]]
    found.people = [f"{e['name']}: {'; '.join(e['parts'])}" for e in manifest["people"]]
    assembled = [
        each["details"]["pack_hash"] for each in entries if each["verb"] == ASSEMBLED
    ]
    if found.pack_hash != index["pack_hash"] or found.pack_hash not in assembled:
        found.altered[PACK_MANIFEST] = "no entry of the ledger names its hash"
    for name, each in manifest["files"].items():
        if index["files"].get(name) != each:
            found.altered[name] = "is not what the manifest names"
    signings = {
        each["seq"]: each
        for each in entries
        if each["verb"] in SIGNINGS.values()
        and each["details"]["pack_hash"] == found.pack_hash
    }
    for each in json.loads(pack.read(SIGNOFFS)):
        entry = signings.pop(each["ledger_seq"], None)
        trouble = differs(each, entry, found.pack_hash)
        if trouble:
            found.altered[SIGNOFFS] = trouble
        proven = {"at": entry["at"], **entry["details"]} if entry else {}
        found.signatures.append({**proven, **each})
    if signings:
        found.altered[SIGNOFFS] = f"leaves out the signature of entry {min(signings)}"


def differs(said: dict[str, Any], entry: dict[str, Any] | None, pack_hash: str) -> str:
    """Where a signature is not what its entry of the ledger says; empty if nowhere."""
    if entry is None:
        return f"no entry of the ledger has the signature of {said['name']}"
    told = entry["details"]
    statement = digest_of_bytes(said["statement"].encode())
    expected = {
        "role": said["role"],
        "verdict": said["verdict"],
        "signer": said["name"],
        "on_behalf_of": said["on_behalf_of"],
        "pack_hash": said["pack_hash"],
        "statement_digest": statement,
        "expires_at": said["expires_at"],
    }
    for name, value in expected.items():
        if told.get(name) != value:
            return f"{name} of the signature of {said['name']} is not what was signed"
    if said["authenticated_by"] != entry["authenticated_by"]:
        return f"{said['name']} has shown in another way who they are"
    signed, told_at = map(datetime.fromisoformat, (said["signed_at"], entry["at"]))
    if abs(signed - told_at) > LONGEST_ACT:
        return f"{said['name']} has signed at another time"
    if SIGNINGS.get(said["verdict"]) != entry["verb"]:
        return f"the verdict of {said['name']} is not what was signed"
    if said["pack_hash"] != pack_hash or pack_hash not in said["statement"]:
        return f"{said['name']} has signed another pack"
    return ""


def tell(found: Outcome, *, as_json: bool) -> None:
    """What was found out, for people or for programs."""
    word = ("intact", "tampered", "cannot tell")[found.status]
    if as_json:
        print(json.dumps({"status": word, **vars(found)}))
        return
    say(word)
    for name, says in sorted(found.altered.items()):
        say(f"  {name}: {says}")
    for doubt in found.doubts:
        say(f"  {doubt}")
    if found.altered or not found.pack_hash:
        return
    state = "complete" if found.is_complete else "INCOMPLETE: nobody could sign it"
    say(f"  {found.about}")
    say(f"  {found.pack_hash} ({state}), {found.files} files")
    if seal := found.checkpoint:
        say(f"  sealed up to entry {seal['size']} of the ledger, by {found.key}")
        say(f"    checkpoint of {seal['origin']}, root {seal['root']}")
    for title, lines in {
        "evidence, as it was then": found.evidence,
        "who had a part in it, and so signs nothing": found.people or ["nobody"],
    }.items():
        say(f"  {title}:", *(f"    {line}" for line in lines))
    for each in found.signatures:
        tell_signature(each)
    if not found.signatures:
        say("  nobody has signed it")


def say(*lines: str) -> None:
    """What would move the cursor of a terminal is spelled out."""
    for line in lines:
        print("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line))


def tell_signature(said: dict[str, Any]) -> None:
    """Who has signed, as what, when the ledger says, and what, word for word."""
    behalf = f" for {said['on_behalf_of']}" if said["on_behalf_of"] else ""
    verdict = said["verdict"].upper().replace("_", " ")
    say(
        f"  {verdict} by {said['name']}{behalf} as {said['role']}, {said['at']}",
        f"    entry {said['ledger_seq']}, identity by {said['authenticated_by']}",
        f"    at the export: {said['standing']}",
        f"    pack {said['pack_hash']}",
        f"    statement {said['statement_digest']}:",
        *(f"    | {line}" for line in said["statement"].split("\n")),
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Check an evidence pack.")
    parser.add_argument("pack", type=Path, metavar="PACK.zip")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        found = check_pack(asked.pack, asked.key)
    except CannotTell as doubt:
        found = Outcome(doubts=[str(doubt)])
    tell(found, as_json=asked.json)
    return found.status


if __name__ == "__main__":
    sys.exit(main())
