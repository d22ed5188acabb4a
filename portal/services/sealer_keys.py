"""The keys of the sealer: where they are kept, and how one takes over from another.

The private key is a file that only the sealer's process has to read (its database
holds public keys alone). A new key waits beside it as `.next` until the ledger says so
and a checkpoint that covers that line is signed by both.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction

from portal import clock
from portal.domain.checkpoints import (
    PrivateKey,
    PublicKey,
    check_origin,
    read_private_key,
    read_public_key,
)
from portal.domain.roles import May
from portal.domain.verbs import Verb
from portal.errors import Conflict, Malformed, Unavailable
from portal.models import Actor, LedgerEntry, SealerKey
from portal.services.access import require
from portal.services.ledger import record


class NoKey(Unavailable):
    """There is no private key here, or none that can be read."""

    code = "NO_SEALER_KEY"


def own() -> PrivateKey | None:
    """The key that signs; None where there is none."""
    return _read(settings.SEALER_KEY_FILE)


def waiting() -> PrivateKey | None:
    """The key that is to take over, if there is one."""
    return _read(_next())


def read(key: SealerKey) -> PublicKey:
    """A key that was announced."""
    return read_public_key(key.text)


def public_keys() -> list[PublicKey]:
    """Every key that was ever announced, the newest first."""
    return [read(key) for key in SealerKey.objects.order_by("-pk")]


def announced_at(key: PublicKey) -> int | None:
    """The line of the ledger that announces a key; None if there is none."""
    known = SealerKey.objects.filter(text=key.text).first()
    if known is None:
        return None
    return (
        LedgerEntry.objects.filter(
            subject_type=SealerKey._meta.label_lower,
            subject_id=str(known.pk),
            verb=Verb.SEALER_KEY_ANNOUNCED,
        )
        .values_list("seq", flat=True)
        .first()
    )


def make(origin: str) -> PrivateKey:
    """Make the first key of a portal, for the log of this name."""
    if own() is not None:
        raise Conflict(f"There is a key in {settings.SEALER_KEY_FILE} already.")
    return _write(settings.SEALER_KEY_FILE, origin)


def prepare(origin: str) -> PrivateKey:
    """Make the key that is to take over; the one that waits already, if it does."""
    found = waiting()
    if found is not None and found.name != origin:
        raise Conflict(f"A key for {found.name} waits already: {_next()}.")
    return found or _write(_next(), origin)


@transaction.atomic
def announce(key: PublicKey, *, by: Actor, reason: str, **details: object) -> SealerKey:
    """Say in the ledger that this key vouches for it from now on."""
    require(by, May.SEAL)
    known = SealerKey.objects.filter(text=key.text).first()
    if known is not None:
        return known
    before = SealerKey.objects.order_by("-pk").first()
    made = SealerKey(
        origin=key.name,
        text=key.text,
        fingerprint=key.fingerprint,
        replaces=before,
        announced_at=clock.now(),
    )
    made.save()
    record(
        Verb.SEALER_KEY_ANNOUNCED,
        made,
        by=by,
        reason=reason,
        key=key.text,
        fingerprint=key.fingerprint,
        replaces=before.text if before else None,
        **details,
    )
    return made


def rotate(*, by: Actor, reason: str, origin: str = "", **details: object) -> SealerKey:
    """Have another key take over; another `origin` begins another log.

    Safe to run twice: a key that waits already is the one that takes over. Raises
    `NoKey` when there is nothing to take over from.
    """
    last = SealerKey.objects.order_by("-pk").first()
    if last is None:
        raise NoKey("The sealer has no key yet that another could take over from.")
    key = prepare(check_origin(origin or last.origin))
    return announce(key.public, by=by, reason=reason, **details)


def take_over() -> None:
    """Put the key that waited in the place of the one that it replaces."""
    with suppress(FileNotFoundError):
        os.replace(_next(), settings.SEALER_KEY_FILE)
    _sync(settings.SEALER_KEY_FILE.parent)


def _next() -> Path:
    return settings.SEALER_KEY_FILE.with_suffix(".next")


def _read(path: Path) -> PrivateKey | None:
    try:
        return read_private_key(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, Malformed) as error:
        raise NoKey(f"{path} holds no key that can be read: {error}.") from None


def _write(path: Path, origin: str) -> PrivateKey:
    """Whole and on the disk, or not at all."""
    key = PrivateKey(check_origin(origin), secrets.token_bytes(32))
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key.text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(half, path)  # never over a key that is there
        os.unlink(half)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            os.unlink(half)
        raise NoKey(f"{path} cannot be written: {error.strerror}.") from None
    return key


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
