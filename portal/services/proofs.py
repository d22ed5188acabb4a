"""What proves to a stranger that a line is in the ledger: for exports and packs."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

from portal.domain.checkpoints import PublicKey
from portal.domain.merkle import consistency_proof, inclusion_proof
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Checkpoint, LedgerEntry, SealerKey
from portal.services import nodes, sealer_keys


def latest_checkpoint() -> Checkpoint:
    """The last checkpoint of the log that is sealed now; `WrongMoment` before it."""
    origin = public_key().name
    found = Checkpoint.objects.filter(origin=origin).order_by("-size").first()
    if found is None:
        raise WrongMoment("Nothing of the ledger is sealed yet.", code="NOT_SEALED")
    return found


def checkpoint_over(seq: int) -> Checkpoint:
    """The last checkpoint, if it covers this entry; `WrongMoment` until it does."""
    found = latest_checkpoint()
    if found.size < seq:
        raise WrongMoment(
            f"Entry {seq} is not sealed yet; it is within a minute.",
            code="NOT_SEALED",
            sealed=found.size,
        )
    return found


def public_key() -> PublicKey:
    """The key that vouches for the ledger now; `WrongMoment` before there is one."""
    found = sealer_keys.public_keys()
    if not found:
        raise WrongMoment("The sealer has no key yet.", code="NOT_SEALED")
    return found[0]


def inclusion(seq: int, size: int) -> list[bytes]:
    """What leads from entry `seq` to the root of a checkpoint of this size."""
    _check(1 <= seq <= size, "seq", f"is not between 1 and {size}")
    _check(size <= _covered(), "size", "is beyond the last checkpoint")
    return inclusion_proof(seq - 1, size, nodes.stored())


def consistency(old: int, size: int) -> list[bytes]:
    """What shows that a checkpoint only adds to an older one."""
    _check(1 <= old <= size, "old", f"is not between 1 and {size}")
    _check(size <= _covered(), "size", "is beyond the last checkpoint")
    return consistency_proof(old, size, nodes.stored())


def extract(seqs: Iterable[int], *, size: int) -> Iterator[dict[str, Any]]:
    """Entries with their proofs at a checkpoint, as `entries.jsonl` has them.

    Raises `NotFound` for an entry that is not there.
    """
    hashes = nodes.stored()
    wanted = sorted(set(seqs))
    found = LedgerEntry.objects.in_bulk(wanted)
    for seq in wanted:
        if seq not in found:
            raise NotFound(f"There is no entry {seq} in the ledger.")
        proof = inclusion_proof(seq - 1, size, hashes)
        yield as_line(found[seq]) | {"proof": [each.hex() for each in proof]}


def as_line(entry: LedgerEntry) -> dict[str, Any]:
    """An entry as `entries.jsonl` has it: its exact text, and its hashes."""
    return {
        "seq": entry.seq,
        "body": entry.body,
        "leaf": bytes(entry.leaf).hex(),
        "link": bytes(entry.link).hex(),
    }


def introductions(origin: str) -> list[dict[str, Any]]:
    """How each key of a log came to be trusted, as `keys.jsonl` has it: the line of
    the ledger that announces it, and the first checkpoint that covers that line."""
    found = []
    hashes = nodes.stored()
    for key in SealerKey.objects.filter(origin=origin).order_by("pk"):
        seq = sealer_keys.announced_at(sealer_keys.read(key))
        covering = Checkpoint.objects.filter(origin=key.origin, size__gte=seq or 0)
        first = covering.order_by("size").first()
        if seq is None or first is None:
            continue
        proof = inclusion_proof(seq - 1, first.size, hashes)
        found.append(
            {
                "seq": seq,
                "body": LedgerEntry.objects.get(seq=seq).body,
                "note": first.note,
                "proof": [each.hex() for each in proof],
            }
        )
    return found


def verifier() -> str:
    """The stand-alone verifier, as text; it goes wherever proofs go."""
    return files("portal.standalone").joinpath("verify_ledger.py").read_text()


def _covered() -> int:
    return latest_checkpoint().size


def _check(is_right: bool, name: str, detail: str) -> None:
    if not is_right:
        raise Invalid(
            f"{name} {detail}.", errors=[{"pointer": f"/{name}", "detail": detail}]
        )
