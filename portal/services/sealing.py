"""The sealer: signs how far the ledger has come, and never takes anything back.

Every round reads what is new since the last checkpoint, adds it to the tree, and signs
the new root, so that sealing costs what has happened and not what there is. Before it
signs, it asks every sink for the last checkpoint of its log: a ledger that is shorter
than that, or has another root there, is not the one that was sealed (an old backup was
put back, or its past was rewritten), and is not signed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

from portal import clock
from portal.domain.checkpoints import Checkpoint as Head
from portal.domain.checkpoints import Note, PrivateKey, read_note, sealed
from portal.domain.ledger import Line, findings
from portal.domain.merkle import Frontier, Node, frontier_at
from portal.errors import Refusal
from portal.models import Checkpoint, LedgerEntry, SealerKey
from portal.services import (
    actors,
    bell,
    durability,
    ledger,
    nodes,
    sealer_keys,
    sinks,
)
from portal.services.sealer_keys import NoKey

log = structlog.get_logger(__name__)

LOCK = 0x5EA1  # one sealer at a time
BATCH = 20_000  # so that the first round of a long past does not take for ever
AT_ONCE: set[str] = set()


class Contradicted(Refusal):
    """The ledger is not the one that was sealed."""

    code = "LEDGER_CONTRADICTED"


@dataclass(frozen=True, slots=True)
class _Keys:
    """Who signs: the key that is here, and one that the ledger says is to take over."""

    own: PrivateKey | None
    next: PrivateKey | None
    since: int  # the line that announces `next`

    @property
    def origin(self) -> str:
        """The log that is sealed: a key with another name begins another log."""
        return self.at(self.since)[-1].name

    def at(self, size: int) -> list[PrivateKey]:
        """Who signs a checkpoint of this size."""
        if self.next is None:
            return [self.own] if self.own else []
        if self.own is None or self.own.name != self.next.name:
            return [self.next]
        return [self.own, self.next] if size >= self.since else [self.own]

    def is_over(self, size: int) -> bool:
        """Whether the first of the two has signed for the last time."""
        return self.next is not None and size >= self.since


def seal_at_once(*verbs: str) -> None:
    """Have lines with these verbs sealed without waiting for the minute."""
    AT_ONCE.update(verbs)


def _ring(entry: LedgerEntry, _subject: Model, _details: dict[str, Any]) -> None:
    if entry.verb in AT_ONCE:
        bell.ring(bell.SEAL)


ledger.also_tell(_ring)


def seal() -> Checkpoint | None:
    """Seal what is new; the checkpoint, or None when there was nothing to seal.

    Safe to run twice, and to kill: a checkpoint is in the sinks before it is in the
    database, and one that is only in the sinks is adopted. Raises `Contradicted` when
    the ledger is not the one that was sealed, and `Unavailable` without key or sink.
    """
    keys = _keys()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        tree = nodes.so_far()
        _check_last(tree)
        kept = {sink: _last(sink, keys.origin) for sink in sinks.configured()}
        heads = [note.checkpoint for note in kept.values() if note]
        _check_past(heads, tree)
        made = _grow(tree, heads)
        sealed_before = Checkpoint.objects.filter(origin=keys.origin, size=tree.size)
        checkpoint = sealed_before.first()
        if not tree.size or checkpoint is not None:
            _hand_on(checkpoint, kept)
            return None
        checkpoint = Checkpoint(
            origin=keys.origin,
            size=tree.size,
            root=tree.root(),
            note=_note(tree, kept, keys),
            at=clock.now(),
        )
        # What is sealed for ever must not be what a power failure takes back.
        durability.flush()
        _hand_on(checkpoint, kept)
        nodes.keep(made)
        checkpoint.save()
    if keys.is_over(checkpoint.size):
        sealer_keys.take_over()
    log.info(
        "ledger_sealed",
        origin=checkpoint.origin,
        size=checkpoint.size,
        note=checkpoint.note,
    )
    return checkpoint


def agreed(origin: str) -> int:
    """How far a log and the ledger agree, where they may not do so to the end."""
    size = nodes.so_far().size
    hashes = nodes.stored()
    found = 0
    for sink in sinks.configured():
        for text in sink.notes():
            head = read_note(text).checkpoint
            is_past = head.origin == origin and found < head.size <= size
            if is_past and frontier_at(head.size, hashes).root() == head.root:
                found = head.size
    return found


def _keys() -> _Keys:
    """Who signs; the first key of a portal is made, and every key is announced."""
    own, following = sealer_keys.own(), sealer_keys.waiting()
    since = sealer_keys.announced_at(following.public) if following else None
    if own is not None and (since is None or following.name == own.name):
        _check_head(own.name)
    if own is None and following is None:
        if SealerKey.objects.exists():
            raise NoKey(
                f"The sealer's key is gone from {settings.SEALER_KEY_FILE}. Put it "
                "back, or let another take over: manage.py rotate_sealer_key."
            )
        if settings.IS_PRODUCTION:
            raise NoKey("The sealer has no key: manage.py make_sealer_key.")
        own = sealer_keys.make(settings.LEDGER_ORIGIN)
    if not SealerKey.objects.exists() and own is not None:
        sealer_keys.announce(
            own.public, by=actors.system(), reason="the first key of the sealer"
        )
    if own is not None and sealer_keys.announced_at(own.public) is None:
        raise NoKey(
            f"The key in {settings.SEALER_KEY_FILE} was never announced. A key takes "
            "over by manage.py rotate_sealer_key."
        )
    if since is None and own is None:
        raise NoKey(
            "The key that waits was not announced: manage.py rotate_sealer_key."
        )
    return _Keys(own, following if since else None, since or 0)


def _check_head(origin: str) -> None:
    """A ledger that ends before what was sealed is an older one."""
    head = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
    for sink in sinks.configured():
        note = _last(sink, origin)
        if note is not None and note.checkpoint.size > (head or 0):
            raise Contradicted(
                f"The ledger ends with entry {head or 0}, and {note.checkpoint.size} "
                "were sealed: an old backup was put back, or its end was cut off.",
                entries=head or 0,
                sealed=note.checkpoint.size,
            )


def _check_last(tree: Frontier) -> None:
    """The kept nodes have to give the root that was signed last."""
    last = Checkpoint.objects.filter(size=tree.size).first()
    if last is not None and bytes(last.root) != tree.root():
        raise _rewritten(tree.size)


def _check_past(heads: list[Head], tree: Frontier) -> None:
    hashes = nodes.stored()
    for head in heads:
        is_past = head.size <= tree.size
        if is_past and frontier_at(head.size, hashes).root() != head.root:
            raise _rewritten(head.size)


def _grow(tree: Frontier, heads: list[Head]) -> list[Node]:
    """Add what is new to the tree, in order and checked; the nodes that came of it."""
    ahead = {head.size: head.root for head in heads if head.size > tree.size}
    after = LedgerEntry.objects.filter(seq=tree.size).first()
    until = max([tree.size + BATCH, *ahead])
    new = LedgerEntry.objects.filter(seq__gt=tree.size, seq__lte=until)
    made: list[Node] = []

    def added() -> Iterator[Line]:
        for entry in new.order_by("seq").iterator(chunk_size=2000):
            line = entry.line
            made.extend(tree.add(line.leaf))
            if tree.size in ahead and ahead[tree.size] != tree.root():
                raise _rewritten(tree.size)
            yield line

    wrong = next(findings(added(), after=after.line if after else None), None)
    if wrong is not None:
        raise Contradicted(
            f"Entry {wrong.seq} of the ledger is not what was written: {wrong.detail}.",
            seq=wrong.seq,
        )
    return made


def _last(sink: sinks.Sink, origin: str) -> Note | None:
    """The last checkpoint that a sink keeps, if a key that is known has signed it."""
    text = sink.latest(origin)
    if text is None:
        return None
    note = read_note(text)
    private = [key for key in (sealer_keys.own(), sealer_keys.waiting()) if key]
    known = sealer_keys.public_keys() + [key.public for key in private]
    if not any(key.has_signed(note) for key in known):
        raise Contradicted(
            f"The last checkpoint of a sink ({note.checkpoint.size}) is signed by "
            "nobody who is known here."
        )
    return note


def _note(tree: Frontier, kept: dict[sinks.Sink, Note | None], keys: _Keys) -> str:
    """The signed note; the one that a sink has already, after a crash between."""
    for note in kept.values():
        if note is not None and note.checkpoint.size == tree.size:
            return note.whole
    head = Head(keys.origin, tree.size, tree.root())
    return sealed(head, *keys.at(tree.size))


def _hand_on(
    checkpoint: Checkpoint | None, kept: dict[sinks.Sink, Note | None]
) -> None:
    """Give a checkpoint to every sink that is behind it."""
    for sink, note in kept.items():
        size = note.checkpoint.size if note else 0
        if checkpoint is not None and size < checkpoint.size:
            sink.publish(checkpoint.note)


def _rewritten(size: int) -> Contradicted:
    return Contradicted(
        f"The first {size} entries of the ledger are not those that were sealed: its "
        "past was rewritten, or another database was put in its place.",
        sealed=size,
    )
