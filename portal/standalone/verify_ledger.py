"""Check an exported ledger without trusting whoever exported it.

    python verify_ledger.py EXPORT --key KEY [--checkpoint FILE] [--json]

EXPORT is the ZIP or the directory that `export_ledger` wrote: all of the ledger, or an
extract. KEY is the sealer's public key, got from somewhere else than EXPORT: a file,
the key itself (`name+id+base64`), or its fingerprint (`SHA256:…`). FILE holds
checkpoints that were kept elsewhere. Both may be given several times.

Exit status 0: intact. 1: tampered with; the first bad entry and the kind are said.
2: cannot tell, and why.

This file needs Python 3.11 and the package `cryptography`, and nothing else. The rules:

    leaf = SHA-256(0x00 || body)                   body: the text of an entry, UTF-8
    node = SHA-256(0x01 || left || right)          RFC 6962
    link = SHA-256(0x02 || prev || seq || leaf)    seq: 8 bytes, big-endian

A checkpoint (C2SP tlog-checkpoint) signs size and root. What it covers cannot have been
changed since; what comes after the last one (the tail) is chained and not yet signed.
"""

import argparse
import json
import sys
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

INTACT, TAMPERED, CANNOT_TELL = 0, 1, 2
ANNOUNCED = "portal.sealer.key_announced"
MANIFEST = "export.json"
MOST_FINDINGS = 100
UNREADABLE = (
    *(OSError, KeyError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


class CannotTell(Exception):
    """What would be needed to say yes or no is missing or unreadable."""


class Damaged(Exception):
    """A file of the export is not what the export wrote."""


@dataclass(frozen=True)
class Finding:
    """Something is wrong: at which entry (0: at none), and what."""

    seq: int
    kind: str
    detail: str


@dataclass(frozen=True)
class Key:
    """A public key of a log; `id` finds it, `raw` verifies."""

    name: str
    id: bytes
    raw: bytes
    text: str

    @property
    def fingerprint(self) -> str:
        return f"SHA256:{sha256(self.text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Note:
    """A signed checkpoint, taken apart."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def is_signed_by(self, key: Key) -> bool:
        """Whether this key has signed it, and the signature is good."""
        for name, key_id, raw in self.signatures:
            if (name, key_id) == (key.name, key.id):
                try:
                    verifier = Ed25519PublicKey.from_public_bytes(key.raw)
                    verifier.verify(raw, self.text.encode())
                except InvalidSignature:
                    return False
                return True
        return False


@dataclass
class Report:
    """What was found out; `sealed` is how far a trusted key vouches."""

    entries: int = 0
    last: int = 0
    sealed: int = 0
    checkpoints: int = 0
    doubts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, seq: int, kind: str, detail: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(seq, kind, detail))

    @property
    def status(self) -> int:
        if self.findings:
            return TAMPERED
        return CANNOT_TELL if self.doubts else INTACT


def read_key(text: str) -> Key:
    """`name+id+base64(0x01 || public key)`."""
    try:
        name, key_id, encoded = text.strip().split("+", 2)
        raw = b64decode(encoded, validate=True)
        expected = sha256(f"{name}\n".encode() + raw).digest()[:4]
        if len(raw) != 33 or raw[0] != 1 or bytes.fromhex(key_id) != expected:
            raise ValueError
    except ValueError:
        raise CannotTell(f"{text.strip()[:80]!r} is no key of a log") from None
    return Key(name, expected, raw[1:], text.strip())


def read_note(note: str) -> Note:
    """A signed note that holds a checkpoint."""
    text, _, signed = note.partition("\n\n")
    try:
        origin, size, root = text.split("\n")[:3]
        signatures = []
        for line in signed.removesuffix("\n").split("\n"):
            dash, name, encoded = line.split(" ")
            raw = b64decode(encoded, validate=True)
            if dash != "—" or len(raw) != 68:
                raise ValueError
            signatures.append((name, raw[:4], raw[4:]))
        found = b64decode(root, validate=True)
        if len(found) != 32 or not size.isdigit() or str(int(size)) != size:
            raise ValueError
    except ValueError:
        raise CannotTell(f"this is no checkpoint: {note[:80]!r}") from None
    return Note(origin, int(size), found, f"{text}\n", tuple(signatures))


def leaf_of(body: str) -> bytes:
    """The hash of one entry by itself."""
    return sha256(b"\x00" + body.encode()).digest()


def link_of(prev: bytes, seq: int, leaf: bytes) -> bytes:
    """The hash that ties an entry to everything before it."""
    return sha256(b"\x02" + prev + seq.to_bytes(8, "big") + leaf).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees of the Merkle tree."""
    return sha256(b"\x01" + left + right).digest()


def root_of(peaks: list[tuple[int, bytes]]) -> bytes:
    """The root over complete subtrees, the largest first."""
    if not peaks:
        return sha256().digest()
    top = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        top = node_of(left, top)
    return top


def root_by_proof(leaf: bytes, seq: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None when it leads nowhere."""
    place, last, top = seq - 1, size - 1, leaf
    if not 0 <= place <= last:
        return None
    for other in proof:
        if last == 0:
            return None
        if place % 2 or place == last:
            top = node_of(other, top)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            top = node_of(top, other)
        place, last = place // 2, last // 2
    return top if last == 0 else None


class Trust:
    """The keys that are believed: those given, and those that they introduce.

    A key is introduced by an entry of the ledger that a checkpoint of a trusted key
    covers. From that entry on, the key that it replaces is no longer believed alone.
    Keys from before those given are only known: what they signed has to be as signed.
    """

    def __init__(self, given: Iterable[Key], introductions: list[dict[str, Any]]):
        self.keys = {key.text: key for key in given}
        self.known = dict(self.keys)
        self.until: dict[str, int] = {}
        for each in introductions:
            note, said = read_note(each["note"]), json.loads(each["body"])
            leaf, proof = leaf_of(each["body"]), list(map(bytes.fromhex, each["proof"]))
            root = root_by_proof(leaf, each["seq"], note.size, proof)
            if root != note.root or said.get("verb") != ANNOUNCED:
                continue
            details = said["details"]
            replaced = str(details.get("replaces") or "")
            key = self.known.setdefault(details["key"], read_key(details["key"]))
            if self._signed(note, self.keys):
                self.keys[key.text] = key
            if replaced and replaced != key.text:
                self.until.setdefault(replaced, each["seq"])

    def vouches(self, note: Note) -> bool:
        """Whether a key that is believed has signed this checkpoint."""
        return self._signed(note, self.keys)

    def knows(self, note: Note) -> bool:
        """Whether a key that the ledger has announced has signed it."""
        return self._signed(note, self.known)

    def _signed(self, note: Note, keys: dict[str, Key]) -> bool:
        return any(
            note.size < self.until.get(text, 2**63) and note.is_signed_by(key)
            for text, key in keys.items()
        )


class Export:
    """The files of an export, in a ZIP or a directory."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = None if path.is_dir() else zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise CannotTell(f"{path} cannot be read: {error}") from None
        self.path = path

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of one file."""
        try:
            with self._open(name) as file:
                while chunk := file.read(1 << 20):
                    yield chunk
        except UNREADABLE as error:
            raise Damaged(f"{name} cannot be read: {error}") from None

    def records(self, name: str) -> Iterator[Any]:
        """The JSON lines of one file."""
        rest = b""
        for chunk in self.chunks(name):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield as_object(line, name)
        if rest:
            raise Damaged(f"{name} breaks off")

    def _open(self, name: str) -> Any:
        if self.zip is not None:
            return self.zip.open(name)
        return (self.path / name).open("rb")


def as_object(line: bytes, name: str) -> dict[str, Any]:
    """A JSON object, or damage."""
    try:
        found = json.loads(line)
    except ValueError:
        raise Damaged(f"{name} has a line that is no JSON") from None
    if not isinstance(found, dict):
        raise Damaged(f"{name} has a line that is no object")
    return found


def verify(
    export: Export, given: list[str], outside: Iterable[str] = ()
) -> tuple[Report, Trust | None]:
    """Check everything; `given` are keys or fingerprints, `outside` are notes."""
    report = Report()
    manifest = as_object(b"".join(export.chunks(MANIFEST)), MANIFEST)
    for name, expected in manifest["files"].items():
        hasher = sha256()
        for chunk in export.chunks(name):
            hasher.update(chunk)
        if f"sha256:{hasher.hexdigest()}" != expected:
            report.add(0, "damaged", f"{name} is not the file that was exported")
    try:
        return report, _verify(export, manifest, given, outside, report)
    except (CannotTell, Damaged, KeyError, TypeError, ValueError, AttributeError):
        if not report.findings:
            raise
        return report, None  # the file that is to blame was named above


def _verify(
    export: Export,
    manifest: dict[str, Any],
    given: list[str],
    outside: Iterable[str],
    report: Report,
) -> Trust:
    introductions = list(export.records("keys.jsonl"))
    trust = Trust(known_keys(given, introductions), introductions)
    said = [each["note"] for each in export.records("checkpoints.jsonl")]
    try:
        notes = [read_note(note) for note in said]
    except CannotTell as error:
        raise Damaged(f"checkpoints.jsonl: {error}") from None
    for note in notes:
        if not trust.knows(note):
            report.add(note.size, "unsigned", "nobody known has signed this checkpoint")
    for note in map(read_note, outside):
        if note.origin != manifest["origin"]:
            report.doubts.append(f"a checkpoint given is of the log {note.origin}")
        elif not trust.vouches(note):
            report.doubts.append(f"no trusted key signed the checkpoint of {note.size}")
        else:
            notes.append(note)
    notes.sort(key=lambda note: note.size)
    if manifest["is_extract"]:
        check_extract(export.records("entries.jsonl"), notes, report)
    else:
        check_chain(export.records("entries.jsonl"), notes, report)
    if (report.entries, report.last) != (manifest["entries"], manifest["last"]):
        said = f"{manifest['entries']} entries up to {manifest['last']} were exported"
        report.add(report.last + 1, "truncated", said)
    report.checkpoints = len(notes)
    report.sealed = max((n.size for n in notes if trust.vouches(n)), default=0)
    if not given:
        report.doubts.append("without --key nobody is known who vouches for it")
    elif not report.sealed:
        report.doubts.append("no checkpoint is signed by a key that is trusted")
    report.findings.sort(key=lambda finding: finding.seq)
    return trust


def known_keys(given: list[str], introductions: list[dict[str, Any]]) -> list[Key]:
    """Keys given as they are, by file, or by the fingerprint of one in the export."""
    found = []
    for text in given:
        if text.upper().startswith("SHA256:"):
            bodies = [json.loads(each["body"]) for each in introductions]
            named = [read_key(body["details"]["key"]) for body in bodies]
            matching = [k for k in named if k.fingerprint.lower() == text.lower()]
            if not matching:
                raise CannotTell(f"no key in the export has the fingerprint {text}")
            found.append(matching[0])
        elif "+" in text and not Path(text).exists():
            found.append(read_key(text))
        else:
            try:
                lines = Path(text).read_text().split("\n")
            except (OSError, ValueError) as error:
                raise CannotTell(f"{text} cannot be read: {error}") from None
            found += [read_key(line) for line in lines if line.strip()]
    return found


def check_chain(
    records: Iterable[dict[str, Any]], notes: list[Note], report: Report
) -> None:
    """All of a ledger: every leaf, every link, and the root at every checkpoint."""
    prev, expected, peaks, good, bad = bytes(32), 1, [], 0, 0
    waiting = list(reversed(notes))
    for record in records:
        seq, body, leaf, link = entry_of(record)
        if seq != expected:
            report.add(expected, "gap", f"entry {expected} is missing, {seq} follows")
        if leaf_of(body) != leaf:
            report.add(seq, "altered", "the text does not match its hash")
        elif seq == expected and link_of(prev, seq, leaf) != link:
            report.add(seq, "unlinked", "it does not follow from the one before")
        top, height = leaf, 0
        while peaks and peaks[-1][0] == height:
            top, height = node_of(peaks.pop()[1], top), height + 1
        peaks.append((height, top))
        expected, prev = seq + 1, link
        report.entries, report.last = report.entries + 1, seq
        while waiting and waiting[-1].size == report.entries:
            if waiting.pop().root != root_of(peaks):
                bad = bad or seq
            elif not bad:
                good = report.entries
    # What the chain tells more precisely needs no second finding.
    if bad and not any(good < each.seq <= bad for each in report.findings):
        said = f"entries {good + 1} to {bad} are not what was signed"
        report.add(good + 1, "rewritten", said)
    if waiting:
        said = f"a checkpoint was signed when there were {waiting[0].size}"
        report.add(report.entries + 1, "truncated", said)


def check_extract(
    records: Iterable[dict[str, Any]], notes: list[Note], report: Report
) -> None:
    """Some entries: every leaf, and its proof that the checkpoint covers it."""
    if not notes:
        raise CannotTell("an extract needs a checkpoint")
    for record in records:
        seq, body, leaf, _ = entry_of(record)
        report.entries, report.last = report.entries + 1, seq
        if leaf_of(body) != leaf or json.loads(body).get("seq") != seq:
            report.add(seq, "altered", "the text does not match its hash or place")
            continue
        proof = list(map(bytes.fromhex, record["proof"]))
        if not any(root_by_proof(leaf, seq, n.size, proof) == n.root for n in notes):
            report.add(seq, "unproven", "no checkpoint covers it")


def entry_of(record: dict[str, Any]) -> tuple[int, str, bytes, bytes]:
    """An entry as it is written in an export."""
    try:
        leaf, link = bytes.fromhex(record["leaf"]), bytes.fromhex(record["link"])
        return int(record["seq"]), str(record["body"]), leaf, link
    except (KeyError, TypeError, ValueError):
        raise CannotTell("entries.jsonl has a line that is no entry") from None


def notes_in(path: Path) -> list[str]:
    """The checkpoints in a file: one note, or JSON lines with a `note` each."""
    try:
        text = path.read_text(encoding="utf-8")
        if not text.startswith("{"):
            return [text]
        return [json.loads(line)["note"] for line in text.split("\n") if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotTell(f"{path} cannot be read: {error}") from None


def say(report: Report, *, as_json: bool) -> None:
    """The report, for people or for programs."""
    word = ("intact", "tampered", "cannot tell")[report.status]
    if as_json:
        print(json.dumps({"status": word, **vars(report)}, default=vars))
        return
    print(f"{word}: {report.entries} entries, {report.checkpoints} checkpoints")
    for each in report.findings[:20]:
        print(f"  entry {each.seq}: {each.kind}: {each.detail}")
    for doubt in report.doubts:
        print(f"  {doubt}")
    if report.sealed and not report.findings:
        print(f"  signed up to entry {report.sealed}")
    if report.entries == report.last > report.sealed:
        print(f"  unsealed tail: entries {report.sealed + 1} to {report.last}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("export", type=Path, metavar="EXPORT")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--checkpoint", action="append", default=[], type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        outside = [note for path in asked.checkpoint for note in notes_in(path)]
        report, _ = verify(Export(asked.export), asked.key, outside)
    except CannotTell as doubt:
        report = Report(doubts=[str(doubt)])
    except Damaged as damage:
        report = Report(findings=[Finding(0, "damaged", str(damage))])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        damage = f"a file has not the form of an export: {error!r}"
        report = Report(findings=[Finding(0, "damaged", damage)])
    say(report, as_json=asked.json)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
