"""How text is packed in files: encodings that run through text, and compression.

A *run* is a stretch of text in one encoding; an *archive* begins with a mark and says
itself where it ends. Both are unpacked piece by piece, so that memory stays bounded.
"""

import bz2
import lzma
import zlib
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import re2

PIECE = 1024 * 1024
LARGEST_DICTIONARY = 64 * 1024 * 1024
LEAST_READABLE = 0.75  # the part of a text that can be read
_READABLE = bytes([0, 9, 10, 13, *range(32, 127)])
_HEX_AND_DASH = b"0123456789abcdefABCDEF-"


def compiled(pattern: str) -> Any:
    """A pattern of RE2 over bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 * 1024 * 1024
    return re2.compile(pattern.encode("latin-1"), options)


# Runs


@dataclass(frozen=True, slots=True)
class Kind:
    """One encoding of runs.

    `run` finds them, `more` goes on with one that was cut; `unpack` gives what a piece
    says and what is left over for the next one. Text without `needs` has none.
    """

    name: str
    needs: bytes
    run: Any
    more: Any
    unpack: Callable[[bytes, bool], tuple[bytes, bytes]]
    is_hopeless: Callable[[bytes], bool] = lambda token: False
    is_worth_it: Callable[[bytes], bool] = lambda plain: True


def _from_base64(piece: bytes, is_last: bool) -> tuple[bytes, bytes]:
    text = piece.replace(b"\\r", b"").replace(b"\\n", b"")
    text = text.translate(_FROM_URL_ALPHABET, b"\r\n=")
    whole = len(text) - len(text) % 4
    rest = text[whole:]
    if is_last and len(rest) > 1:
        text, whole, rest = text + b"=" * (-len(text) % 4), len(text) + 2, b""
    try:
        return a2b_base64(text[:whole]), rest
    except NotBase64:
        return b"", b""


def _from_percent(piece: bytes, is_last: bool) -> tuple[bytes, bytes]:
    cut = len(piece)
    if not is_last and b"%" in piece[-2:]:
        cut = piece.rindex(b"%")
    return unquote_to_bytes(piece[:cut]), piece[cut:]


def _from_wide(width: int) -> Callable[[bytes, bool], tuple[bytes, bytes]]:
    def unpack(piece: bytes, is_last: bool) -> tuple[bytes, bytes]:
        whole = len(piece) - len(piece) % width
        return piece[:whole].translate(None, b"\0"), piece[whole:]

    return unpack


def is_readable(plain: bytes) -> bool:
    """Whether most of this is text."""
    head = plain[:4096]
    return len(head.translate(None, _READABLE)) <= (1 - LEAST_READABLE) * len(head)


def _is_hidden_text(plain: bytes) -> bool:
    return len(plain) >= 12 and is_readable(plain)


def _is_digest(token: bytes) -> bool:
    return not token.translate(None, _HEX_AND_DASH)


_FROM_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_64 = r"[A-Za-z0-9+/_-]"
_BREAK = r"(?:\r?\n|(?:\\r)?\\n)"
_WIDE = r"[\t\n\r -~]"
_PERCENT = "%[0-9A-Fa-f]{2}"

KINDS: tuple[Kind, ...] = (
    Kind(
        "base64",
        b"",
        compiled(
            rf"{_64}{{20,}}(?:{_BREAK}{_64}{{20,}})*(?:{_BREAK}{_64}+={{1,2}}|={{0,2}})"
        ),
        compiled(
            rf"{_64}*(?:{_BREAK}{_64}{{20,}})*(?:{_BREAK}{_64}+={{1,2}}|={{0,2}})"
        ),
        _from_base64,
        _is_digest,
        _is_hidden_text,
    ),
    Kind(
        "percent",
        b"%",
        compiled(rf"[!-~]*{_PERCENT}[!-~]*"),
        compiled(r"[!-~]*"),
        _from_percent,
    ),
    Kind(
        "utf-16",
        b"\0",
        compiled(rf"(?:{_WIDE}\x00){{12,}}|(?:\x00{_WIDE}){{12,}}"),
        compiled(rf"(?:{_WIDE}\x00)*(?:\x00{_WIDE})*"),
        _from_wide(2),
    ),
    Kind(
        "utf-32",
        b"\0\0\0",
        compiled(rf"(?:{_WIDE}\x00\x00\x00){{12,}}|(?:\x00\x00\x00{_WIDE}){{12,}}"),
        compiled(rf"(?:{_WIDE}\x00\x00\x00)*(?:\x00\x00\x00{_WIDE})*"),
        _from_wide(4),
    ),
)


# Archives


class Decompressor(Protocol):
    """What `zlib`, `bz2` and `lzma` have in common."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class BrokenArchive(ValueError):
    """This cannot be unpacked any further."""


class Unpacker:
    """Unpacks one compressed stream, in pieces of at most a mebibyte."""

    def __init__(self, stream: Decompressor) -> None:
        self._stream = stream
        self.unpacked = 0

    @property
    def is_over(self) -> bool:
        """Whether the stream has said that this was all."""
        return self._stream.eof

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes unpack to. Raises `BrokenArchive`."""
        while not self._stream.eof:
            try:
                plain = self._stream.decompress(packed, PIECE)
            except (
                zlib.error,
                OSError,
                lzma.LZMAError,
                EOFError,
                MemoryError,
            ) as error:
                raise BrokenArchive(str(error)) from error
            self.unpacked += len(plain)
            if plain:
                yield plain
            packed = getattr(self._stream, "unconsumed_tail", b"")
            if not plain or (len(plain) < PIECE and not packed):
                return


def _gzip() -> Unpacker:
    return Unpacker(zlib.decompressobj(zlib.MAX_WBITS | 16))


def _zlib() -> Unpacker:
    return Unpacker(zlib.decompressobj(zlib.MAX_WBITS))


def _bz2() -> Unpacker:
    return Unpacker(bz2.BZ2Decompressor())


def _xz() -> Unpacker:
    return Unpacker(lzma.LZMADecompressor(memlimit=LARGEST_DICTIONARY))


MARKS: dict[bytes, tuple[str, Callable[[], Unpacker]]] = {
    b"\x1f\x8b\x08": ("gzip", _gzip),
    b"BZh": ("bzip2", _bz2),
    b"\xfd7zXZ\x00": ("xz", _xz),
}
ZIP_MARK = b"PK\x03\x04"
_ZLIB_HEADS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
# What is packed in ways that are not read; at the very beginning only.
UNREAD_MARKS = (
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\x04\x22\x4d\x18",  # lz4
    b"%PDF-",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # old office files
    b"MSCF",
    b"Obj\x01",  # avro
    b"PAR1",  # parquet
)
ENCRYPTED_MARKS = (
    b"Salted__",
    b"-----BEGIN PGP MESSAGE-----",
    b"age-encryption.org/",
    b"$ANSIBLE_VAULT;",
)


def at_the_beginning(data: bytes) -> tuple[str, Unpacker] | None:
    """A stream whose mark is too short to be looked for elsewhere."""
    return ("zlib", _zlib()) if data.startswith(_ZLIB_HEADS) else None


def is_archive(plain: bytes) -> bool:
    """Whether this begins like something that is unpacked, or that would have to be."""
    return plain.startswith(
        (*MARKS, ZIP_MARK, *_ZLIB_HEADS, *UNREAD_MARKS, *ENCRYPTED_MARKS)
    )


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a zip, as its own header tells; `start` is where its data begins."""

    start: int
    is_encrypted: bool
    unpacker: Unpacker | None
    is_plain: bool


_METHODS: dict[int, Callable[[], Unpacker]] = {
    8: lambda: Unpacker(zlib.decompressobj(-zlib.MAX_WBITS)),
    12: _bz2,
    95: _xz,
}


def zip_member(data: bytes, at: int) -> Member | None:
    """The member whose header is at `at`, if it is one and is there in full."""
    header = data[at : at + 30]
    if len(header) < 30 or header[4] > 63:
        return None
    flags = int.from_bytes(header[6:8], "little")
    method = int.from_bytes(header[8:10], "little")
    names = int.from_bytes(header[26:28], "little")
    extra = int.from_bytes(header[28:30], "little")
    start = at + 30 + names + extra
    if not names or start > len(data):
        return None
    unpacker = _METHODS.get(method)
    return Member(
        start=start,
        is_encrypted=bool(flags & 1),
        unpacker=unpacker() if unpacker else None,
        is_plain=method == 0,
    )
