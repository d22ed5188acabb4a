"""The scan itself: one pass over bytes, and over everything that is packed in them.

A layer is a stream of bytes, looked at through windows that overlap: what begins in a
window is found in it, with all that belongs to it. Where the bytes arrive in pieces
makes no difference. What a layer holds packed becomes layers of its own, three deep,
until the budget is spent.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from rollout.domain.scanning import Place, Report, Trouble
from rollout.domain.scanning_encodings import (
    ENCRYPTED_MARKS,
    KINDS,
    MARKS,
    UNREAD_MARKS,
    ZIP_MARK,
    BrokenArchive,
    Kind,
    Unpacker,
    at_the_beginning,
    compiled,
    is_archive,
    zip_member,
)
from rollout.domain.scanning_reading import Limits, Reading
from rollout.domain.scanning_rules import hits

WINDOW = 512 * 1024
OVERLAP = 64 * 1024  # no secret is longer
LOOK_BACK = 512
LONGEST_TOKEN = OVERLAP // 2  # a longer run is unpacked as it comes
OF_ITS_OWN = 512  # a run this long is a layer; shorter ones share one
HEAD = 32

_ARCHIVES = compiled(
    "|".join("".join(rf"\x{byte:02x}" for byte in mark) for mark in (*MARKS, ZIP_MARK))
)


@dataclass(slots=True)
class _Runs:
    """How far a layer has got with the runs of one encoding."""

    kind: Kind
    at: int = 0
    child: "Layer | None" = None
    left_over: bytes = b""


@dataclass(slots=True)
class _Archive:
    """An archive that is being unpacked."""

    unpacker: Unpacker
    child: "Layer"
    at: int
    is_sure: bool


class Layer:
    """One stream of bytes; `chain` says how it was packed, `origins` where it was."""

    def __init__(
        self,
        reading: Reading,
        chain: tuple[str, ...] = (),
        origins: list[tuple[int, Place]] | None = None,
    ) -> None:
        self._reading = reading
        self._chain = chain
        self._origins = origins or []
        self._buffer = bytearray()
        self._seen = 0  # index in the buffer from which secrets may begin
        self._dropped = 0  # bytes that are no longer in the buffer
        self._line, self._line_at = 1, 0
        self._runs = [_Runs(kind) for kind in KINDS]
        self._archives: list[_Archive] = []
        self._archives_at = 0
        self._is_begun = False

    def feed(self, chunk: bytes) -> None:
        """Go on with these bytes."""
        view = memoryview(chunk)
        while view:
            room = WINDOW + OVERLAP + self._seen - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == WINDOW + OVERLAP + self._seen:
                self._look(is_last=False)

    def close(self) -> None:
        """This was all."""
        self._look(is_last=True)
        for archive in self._archives:
            self._trouble(Trouble.BROKEN, when=archive.is_sure)
            archive.child.close()

    def _look(self, *, is_last: bool) -> None:
        data = bytes(self._buffer)
        upto = len(data) if is_last else self._seen + WINDOW
        if not self._is_begun:
            self._begin(data)
        self._find_secrets(data, self._seen, upto)
        for runs in self._runs:
            self._find_runs(runs, data, is_last=is_last)
        self._find_archives(data, is_last=is_last)
        keep = min(upto - LOOK_BACK, self._archives_at, *(r.at for r in self._runs))
        self._forget(data, max(0, keep), upto)

    def _forget(self, data: bytes, count: int, upto: int) -> None:
        self._line_of(data, max(count, self._line_at))
        del self._buffer[:count]
        self._dropped += count
        self._line_at -= count
        self._seen = upto - count
        self._archives_at -= count
        for runs in self._runs:
            runs.at -= count
        for archive in self._archives:
            archive.at -= count

    def _begin(self, data: bytes) -> None:
        self._is_begun = True
        self._trouble(Trouble.UNKNOWN_PACKING, when=data.startswith(UNREAD_MARKS))
        self._trouble(Trouble.ENCRYPTED, when=data.startswith(ENCRYPTED_MARKS))
        if (found := at_the_beginning(data)) is not None:
            self._unpack(found[0], found[1], data, 0, is_sure=False)

    # Secrets

    def _find_secrets(self, data: bytes, first: int, upto: int) -> None:
        for hit in hits(data, first, upto):
            self._reading.note(
                hit.family,
                data[hit.start : hit.end],
                self._place(data, hit.start),
                hit.shown,
                is_certain=hit.is_certain,
            )

    # Places

    def _place(self, data: bytes, at: int) -> Place:
        position = self._dropped + at
        if not self._origins:
            return Place(self._line_of(data, at), position, self._chain)
        index = bisect_right(self._origins, position, key=lambda o: o[0]) - 1
        origin = self._origins[max(0, index)][1]
        is_shared = len(self._origins) > 1
        line = origin.line if is_shared else self._line_of(data, at)
        return Place(line, origin.offset, self._chain)

    def _line_of(self, data: bytes, at: int) -> int:
        if at >= self._line_at:
            self._line += data.count(b"\n", self._line_at, at)
            self._line_at = at
            return self._line
        return self._line - data.count(b"\n", at, self._line_at)

    # What is packed

    def _child(self, name: str, origins: list[tuple[int, Place]]) -> "Layer | None":
        reading = self._reading
        reading.layers += 1
        self._trouble(Trouble.BOMB, when=reading.layers > reading.limits.layers)
        if Trouble.BOMB in reading.report.troubles:
            return None
        if len(self._chain) >= reading.limits.depth:
            self._trouble(Trouble.TOO_DEEP)
            return None
        return Layer(reading, (*self._chain, name), origins)

    def _trouble(self, trouble: Trouble, *, when: bool = True) -> None:
        if when:
            self._reading.report.troubles.add(trouble)

    def _give(self, child: "Layer", plain: bytes) -> None:
        if self._reading.allows(len(plain)):
            child.feed(plain)

    def _find_runs(self, runs: _Runs, data: bytes, *, is_last: bool) -> None:
        kind = runs.kind
        if runs.child is not None and not self._go_on(runs, data, is_last=is_last):
            return
        runs.at = max(runs.at, 0)
        shared: list[tuple[bytes, int]] = []
        touching = len(data) if is_last else len(data) - HEAD
        if kind.needs in data:
            for found in kind.run.finditer(data, runs.at):
                start, end = found.span()
                if data[start - 1 : start] == b"\\" and kind.needs == b"":
                    start += 1  # the letter of an escape, such as `\n`
                if end >= touching and not is_last:
                    runs.at = start
                    if end - start >= LONGEST_TOKEN:
                        self._start(runs, data, start, end)
                    break
                runs.at = end
                self._take(runs, data, start, end, shared)
            else:
                runs.at = max(runs.at, len(data) - LONGEST_TOKEN)
        else:
            runs.at = max(runs.at, len(data) - LONGEST_TOKEN)
        if shared:
            self._share(kind, data, shared)

    def _start(self, runs: _Runs, data: bytes, start: int, end: int) -> None:
        """Begin with a run that goes on beyond what is here."""
        origin = self._place(data, start)
        runs.child = self._child(runs.kind.name, [(0, origin)])
        runs.left_over = b""
        runs.at = end
        if runs.child is not None:
            self._push(runs, data[start:end], is_last=False)

    def _go_on(self, runs: _Runs, data: bytes, *, is_last: bool) -> bool:
        """Go on with a run that was cut; whether it has ended."""
        start = runs.at
        found = runs.kind.more.match(data, start)
        runs.at = found.end() if found else start
        is_over = is_last or runs.at < len(data) - HEAD
        self._push(runs, data[start : runs.at], is_last=is_over)
        if is_over and runs.child is not None:
            runs.child.close()
            runs.child = None
        return is_over

    def _push(self, runs: _Runs, piece: bytes, *, is_last: bool) -> None:
        plain, runs.left_over = runs.kind.unpack(runs.left_over + piece, is_last)
        if runs.child is not None:
            self._give(runs.child, plain)

    def _take(
        self,
        runs: _Runs,
        data: bytes,
        start: int,
        end: int,
        shared: list[tuple[bytes, int]],
    ) -> None:
        """Unpack a run that is here in full: in a layer of its own, or with others."""
        kind, token = runs.kind, data[start:end]
        if kind.is_hopeless(token):
            return
        plain, _ = kind.unpack(token, True)
        is_worth_it = kind.is_worth_it(plain)
        if not (is_worth_it or is_archive(plain)) and b"/" in token[:-20]:
            # Perhaps a path with the encoded text as its last part.
            token = token[token.rindex(b"/") + 1 :]
            start, (plain, _) = end - len(token), kind.unpack(token, True)
            is_worth_it = kind.is_worth_it(plain)
        is_deep = len(self._chain) >= self._reading.limits.depth
        if (
            is_archive(plain)
            or (len(token) >= OF_ITS_OWN and not is_deep)
            or (len(token) >= OF_ITS_OWN and is_worth_it)
        ):
            child = self._child(kind.name, [(0, self._place(data, start))])
            if child is not None:
                self._give(child, plain)
                child.close()
        elif is_worth_it:
            shared.append((plain, start))

    def _share(self, kind: Kind, data: bytes, shared: list[tuple[bytes, int]]) -> None:
        """Read short runs together: a layer for each would cost too much."""
        origins, at = [], 0
        for plain, start in shared:
            origins.append((at, self._place(data, start)))
            at += len(plain) + 2
        origins.append((at, origins[-1][1]))
        child = self._child(kind.name, origins)
        if child is not None:
            self._give(child, b"\n\n".join(plain for plain, _ in shared))
            child.close()

    def _find_archives(self, data: bytes, *, is_last: bool) -> None:
        known = len(self._archives)
        for archive in list(self._archives[:known]):
            self._pump(archive, data)
        upto = len(data) if is_last else len(data) - LONGEST_TOKEN
        at = max(0, self._archives_at)
        for found in _ARCHIVES.finditer(data, at):
            start, end = found.span()
            if start >= upto:
                break
            mark = data[start:end]
            is_sure = self._dropped + start == 0
            if mark == ZIP_MARK:
                self._open_member(data, start)
            else:
                name, make = MARKS[mark]
                self._unpack(name, make(), data, start, is_sure=is_sure)
        self._archives_at = max(at, upto)

    def _open_member(self, data: bytes, start: int) -> None:
        member = zip_member(data, start)
        if member is None:
            self._trouble(Trouble.BROKEN, when=self._dropped + start == 0)
        elif member.is_encrypted:
            self._trouble(Trouble.ENCRYPTED)
        elif member.unpacker is not None:
            self._unpack("zip", member.unpacker, data, member.start, is_sure=True)
        elif not member.is_plain:
            self._trouble(Trouble.UNKNOWN_PACKING)

    def _unpack(
        self, name: str, unpacker: Unpacker, data: bytes, at: int, *, is_sure: bool
    ) -> None:
        child = self._child(name, [(0, self._place(data, at))])
        if child is not None:
            archive = _Archive(unpacker, child, at, is_sure)
            self._archives.append(archive)
            self._pump(archive, data)

    def _pump(self, archive: _Archive, data: bytes) -> None:
        packed, archive.at = data[archive.at :], len(data)
        try:
            for plain in archive.unpacker.feed(packed):
                archive.is_sure = archive.is_sure or archive.unpacker.unpacked > HEAD
                if not self._reading.allows(len(plain)):
                    self._archives.remove(archive)
                    return
                archive.child.feed(plain)
        except BrokenArchive:
            self._trouble(Trouble.BROKEN, when=archive.is_sure)
        else:
            if not archive.unpacker.is_over:
                return
        archive.child.close()
        self._archives.remove(archive)


def scan(
    chunks: Iterable[bytes], *, key: bytes, limits: Limits | None = None
) -> Report:
    """Read all of these bytes, in order."""
    reading = Reading(key, limits or Limits())
    root = Layer(reading)
    for chunk in chunks:
        root.feed(reading.take(chunk))
        if Trouble.TOO_LARGE in reading.report.troubles:
            break
    root.close()
    report = reading.report
    report.findings.sort(key=lambda each: (each.place.offset, each.family))
    return report
