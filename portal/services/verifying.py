"""Is the ledger what was written? Its text, its chain, and everything that was signed.

Every checkpoint that is known counts: those of the database, those of every sink, and
those that somebody brings along. Up to the last one that a key from outside vouches
for nothing can have been changed; the rest is the unsealed tail.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from json import loads

from portal.domain.checkpoints import Checkpoint as Head
from portal.domain.checkpoints import Note, PublicKey, read_note
from portal.domain.ledger import Fault, Finding, Line, findings
from portal.domain.merkle import Frontier
from portal.errors import Malformed
from portal.models import Checkpoint, LedgerEntry, SealerKey
from portal.services import sealer_keys, sinks, versions
from portal.services.ledger import checked_lines

TELL_EVERY = 10_000
MOST_KEPT = 1000  # findings; a file that is altered everywhere is altered


@dataclass(slots=True)
class Verified:
    """What was found: `sealed` is how far a key from outside vouches for it."""

    entries: int = 0
    sealed: int = 0
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, seq: int, fault: Fault, detail: str) -> None:
        """One more thing that is wrong."""
        if len(self.findings) < MOST_KEPT:
            self.findings.append(Finding(seq, fault, detail))

    @property
    def first(self) -> Finding | None:
        """The first bad entry; what is wrong with no entry comes after all that are."""
        order = sorted(self.findings, key=lambda each: (each.seq == 0, each.seq))
        return order[0] if order else None


@dataclass(frozen=True, slots=True)
class _Announced:
    """A key, the line that announces it, and what that line says of the one before."""

    key: PublicKey
    seq: int
    replaces: str
    former: str
    kept: int


def verify(
    *,
    keys: Sequence[PublicKey] = (),
    notes: Iterable[str] = (),
    deep: bool = False,
    tell: Callable[[int], None] = lambda entries: None,
) -> Verified:
    """Check everything; with `deep`, rows and versions against the ledger as well.

    `keys` come from outside the database; where none is given, the private key's
    other half on this host is one. Constant memory but for the sizes of checkpoints.
    """
    found = Verified()
    own = sealer_keys.own()
    pinned = list(keys) or ([own.public] if own else [])
    announced = _announced()
    roots, best = _signed(announced, pinned, notes, found)
    _check_chain(roots, found, tell)
    found.sealed = _vouched(announced, pinned, best)
    if not pinned:
        found.doubts.append("no key is known from outside the database: --key")
    elif found.entries and not found.sealed:
        found.doubts.append("no checkpoint is signed by a key that is trusted")
    if deep and not found.findings:
        for each in versions.disagreements():
            found.add(each.seq, each.fault, each.detail)
    return found


def _check_chain(
    roots: dict[int, bytes], found: Verified, tell: Callable[[int], None]
) -> None:
    tree, good, bad = Frontier(), 0, 0

    def grown(lines: Iterable[Line]) -> Iterator[Line]:
        nonlocal good, bad
        for line in lines:
            tree.add(line.leaf)
            root = roots.get(tree.size)
            if root is not None and not bad:
                if root == tree.root():
                    good = tree.size
                else:
                    bad = line.seq
            if tree.size % TELL_EVERY == 0:
                tell(tree.size)
            yield line

    misprojected: list[Finding] = []
    for each in findings(grown(checked_lines(misprojected))):
        found.add(each.seq, each.fault, each.detail)
    # What the chain tells more precisely needs no second finding.
    if bad and not any(good < each.seq <= bad for each in found.findings):
        said = f"entries {good + 1} to {bad} are not what was signed"
        found.add(good + 1, Fault.REWRITTEN, said)
    for each in misprojected:
        found.add(each.seq, each.fault, each.detail)
    found.entries = tree.size
    beyond = min((size for size in roots if size > tree.size), default=None)
    if beyond is not None:
        said = f"{beyond} entries were signed: an old backup, or its end was cut off"
        found.add(tree.size + 1, Fault.TRUNCATED, said)


def _signed(
    announced: list[_Announced],
    pinned: list[PublicKey],
    given: Iterable[str],
    found: Verified,
) -> tuple[dict[int, bytes], dict[str, int]]:
    """The root that was signed at each size, and the largest size that each key signed.

    What nobody known has signed, or what is signed and contradicts the rest, is a
    finding; what was brought along and cannot be judged is a doubt.
    """
    judge = _Judge(announced, pinned, found)
    kept = {str(each.key.name) for each in announced} | {key.name for key in pinned}
    in_database = set()
    for row in Checkpoint.objects.order_by("pk").iterator(chunk_size=2000):
        head = judge.take(row.note, row.size)
        said = (row.origin, row.size, bytes(row.root))
        if head is not None and said != (head.origin, head.size, head.root):
            found.add(row.size, Fault.FORGED, "a checkpoint's note says something else")
        in_database.add((row.origin, row.size))
    in_sinks = set()
    for sink in sinks.configured():
        for text in sink.notes():
            head = read_note(text).checkpoint
            if head.origin in kept:  # a sink may serve several portals
                judge.take(text, head.size)
                in_sinks.add((head.origin, head.size))
    if in_sinks and in_database:
        begins = min(size for _, size in in_sinks)
        ends = max(size for _, size in in_database)
        for origin, size in in_database ^ in_sinks:
            if begins <= size <= ends and judge.counts(origin, size):
                said = f"the checkpoint of {size} is in one place and not in the other"
                found.add(size, Fault.FORGED, said)
    for text in given:
        judge.take_given(text)
    found.checkpoints = len(judge.roots)
    return judge.roots, judge.best


class _Judge:
    """Looks at one checkpoint after the other."""

    def __init__(
        self, announced: list[_Announced], pinned: list[PublicKey], found: Verified
    ) -> None:
        self.roots: dict[int, bytes] = {}
        self.best: dict[str, int] = {}
        self.found = found
        self.keys = {key.text: key for key in [*pinned, *(a.key for a in announced)]}
        self.until = {a.replaces: a.seq for a in announced if a.replaces}
        self.kept = {a.former: a.kept for a in announced if a.former}

    def counts(self, origin: str, size: int) -> bool:
        """Whether this log went so far; one that was given up ended before."""
        return size <= self.kept.get(origin, size)

    def take(self, text: str, size: int) -> Head | None:
        """A checkpoint of ours."""
        try:
            note = read_note(text)
        except Malformed:
            self.found.add(size, Fault.FORGED, "a checkpoint cannot be read")
            return None
        head = note.checkpoint
        if not self.counts(head.origin, head.size):
            said = f"{head.origin} was given up after {self.kept[head.origin]}"
            if said not in self.found.remarks:
                self.found.remarks.append(said)
        elif not self._signers(note):
            said = f"nobody who is known has signed the checkpoint of {head.size}"
            self.found.add(head.size, Fault.FORGED, said)
        elif self.roots.setdefault(head.size, head.root) != head.root:
            said = f"two checkpoints of {head.size} were signed"
            self.found.add(head.size, Fault.FORGED, said)
        return head

    def take_given(self, text: str) -> None:
        """A checkpoint that somebody has brought along."""
        note = read_note(text)
        names = {key.name for key in self.keys.values()}
        if note.checkpoint.origin not in names:
            said = f"a checkpoint given is of the log {note.checkpoint.origin}"
            self.found.doubts.append(said)
        elif not self._signers(note):
            said = f"the checkpoint given ({note.checkpoint.size}) is signed by nobody"
            self.found.doubts.append(said)
        else:
            self.take(text, note.checkpoint.size)

    def _signers(self, note: Note) -> list[str]:
        size = note.checkpoint.size
        signers = [t for t, key in self.keys.items() if key.has_signed(note)]
        for text in signers:
            self.best[text] = max(self.best.get(text, 0), size)
        return [text for text in signers if size < self.until.get(text, size + 1)]


def _vouched(
    announced: list[_Announced], pinned: list[PublicKey], best: dict[str, int]
) -> int:
    """How far a key from outside vouches, by itself or by the keys that followed it."""
    trusted = {key.text for key in pinned}
    for each in announced:
        if each.replaces in trusted and best.get(each.replaces, 0) >= each.seq:
            trusted.add(each.key.text)
    return max((best.get(text, 0) for text in trusted), default=0)


def _announced() -> list[_Announced]:
    found = []
    for key in SealerKey.objects.order_by("pk"):
        public = sealer_keys.read(key)
        seq = sealer_keys.announced_at(public)
        if seq is None:
            continue
        said = loads(LedgerEntry.objects.get(seq=seq).body)["details"]
        found.append(
            _Announced(
                public,
                seq,
                str(said.get("replaces") or ""),
                str(said.get("former") or ""),
                int(said.get("kept") or 0),
            )
        )
    return found
