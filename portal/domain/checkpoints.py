"""Checkpoints: what the sealer signs, in the form of C2SP `tlog-checkpoint`.

A checkpoint says: this log (its origin) had so many entries, with this Merkle root. It
is a *signed note*: the text, an empty line, one line per signature.

    portal.example.org/ledger            origin
    1234                                 size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…    root, base64

    — portal.example.org/ledger n4tHK…   name of the key; key id and Ed25519 signature

Keys are spelled as in C2SP `signed-note`: `name+id+base64(0x01 || public key)`, and
`PRIVATE+KEY+name+id+base64(0x01 || seed)`. A key is named after its log.
"""

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.errors import Malformed

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"
DASH = "— "
MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a log had come, and the root over all of it."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """Whose it claims to be, and its bytes."""

    name: str
    key_id: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with its signatures, none of them believed yet."""

    checkpoint: Checkpoint
    text: str  # what was signed
    whole: str  # with the signatures
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may vouch for a log, as everybody may know it."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that find the key; they prove nothing."""
        return sha256(f"{self.name}\n".encode() + ED25519 + self.raw).digest()[:4]

    @property
    def text(self) -> str:
        """The key, spelled."""
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.raw).decode()}"

    @property
    def fingerprint(self) -> str:
        """What to compare by telephone; it names the log as well."""
        return f"SHA256:{sha256(self.text.encode()).hexdigest()}"

    def has_signed(self, note: Note) -> bool:
        """Whether one of the note's signatures is this key's, and good."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        for signature in note.signatures:
            if (signature.name, signature.key_id) == (self.name, self.id):
                try:
                    key.verify(signature.raw, note.text.encode())
                except InvalidSignature:
                    return False
                return True
        return False


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Who vouches for a log: 32 bytes that nobody else may have."""

    name: str
    seed: bytes

    @property
    def text(self) -> str:
        """The key, spelled; a secret."""
        raw = b64encode(ED25519 + self.seed).decode()
        return f"{PRIVATE}{self.name}+{self.public.id.hex()}+{raw}"

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return PublicKey(self.name, key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, text: str) -> str:
        """The line that vouches for the text."""
        raw = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{DASH}{self.name} {b64encode(self.public.id + raw).decode()}\n"


def sealed(checkpoint: Checkpoint, *keys: PrivateKey) -> str:
    """The signed note of a checkpoint, by one key or, while it is replaced, by two."""
    return f"{checkpoint.text}\n" + "".join(key.sign(checkpoint.text) for key in keys)


def read_note(note: str) -> Note:
    """Take a signed note apart; raises `Malformed` for what is none."""
    text, separator, signed = note.partition("\n\n")
    lines = signed.split("\n")
    if not separator or lines.pop() != "" or not 0 < len(lines) <= MOST_SIGNATURES:
        raise Malformed("This is no signed note.", code="NO_CHECKPOINT")
    text += "\n"
    return Note(_checkpoint(text), text, note, tuple(map(_signature, lines)))


def read_public_key(text: str) -> PublicKey:
    """A public key as it is spelled; raises `Malformed` for what is none."""
    name, key_id, raw = _parts(text.strip())
    key = PublicKey(name, raw)
    if key.id.hex() != key_id:
        raise Malformed("The id of this key is not its own.", code="NO_KEY")
    return key


def read_private_key(text: str) -> PrivateKey:
    """A private key as it is spelled; raises `Malformed`, without the key in it."""
    text = text.strip()
    if not text.startswith(PRIVATE):
        raise Malformed("This is no private key of a sealer.", code="NO_KEY")
    name, key_id, seed = _parts(text.removeprefix(PRIVATE))
    key = PrivateKey(name, seed)
    if key.public.id.hex() != key_id:
        raise Malformed("The id of this key is not its own.", code="NO_KEY")
    return key


def check_origin(name: str) -> str:
    """A name for a log, such as `portal.example.org/ledger`; else `Malformed`."""
    if len(name) > 200 or "+" in name or name.split() != [name]:
        raise Malformed(
            "The name of a log has no blanks, no `+`, and at most 200 characters.",
            code="NO_ORIGIN",
        )
    return name


def _parts(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, raw = rest.partition("+")
    found = _bytes(raw)
    if found is None or len(found) != 33 or found[:1] != ED25519:
        raise Malformed("This is no Ed25519 key of a log.", code="NO_KEY")
    return check_origin(name), key_id, found[1:]


def _checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    size = lines[1] if len(lines) > 3 else ""
    root = _bytes(lines[2]) if len(lines) > 3 else None
    is_number = 0 < len(size) < 20 and size.isascii() and size.isdigit()
    if not is_number or str(int(size)) != size or root is None or len(root) != 32:
        raise Malformed("This note is no checkpoint.", code="NO_CHECKPOINT")
    return Checkpoint(check_origin(lines[0]), int(size), root)


def _signature(line: str) -> Signature:
    name, _, raw = line.removeprefix(DASH).partition(" ")
    found = _bytes(raw)
    if not line.startswith(DASH) or not name or found is None or len(found) < 5:
        raise Malformed("A line of this note is no signature.", code="NO_CHECKPOINT")
    return Signature(name, found[:4], found[4:])


def _bytes(text: str) -> bytes | None:
    """What base64 spells, in its one spelling only."""
    try:
        found = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b64encode(found).decode() == text else None
