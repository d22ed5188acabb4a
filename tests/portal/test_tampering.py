"""A1: whatever is done to what was signed is found; what nobody touched is never."""

import json
import os
import random
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from portal.models import LedgerEntry
from portal.services import people, sealing, verifying
from portal.services.actors import host
from tests.portal.tampering import edit, rehash, tamper

pytestmark = pytest.mark.django_db

# The whole measurement: LEDGER_TAMPERINGS=1000.
COUNT = int(os.environ.get("LEDGER_TAMPERINGS") or 60)
SEED = 20_260_101
SIGNED, TAIL = 36, 4
CUTS = (9, 20, SIGNED)

Tampering = Callable[[random.Random], None]


def move(old: int, new: int) -> None:
    tamper("UPDATE portal_ledgerentry SET seq = %s WHERE seq = %s", new, old)


def close_up(first: int) -> None:
    """Let those after a place follow one earlier."""
    for seq in range(first + 1, SIGNED + TAIL + 1):
        move(seq, seq - 1)


def open_up(first: int) -> None:
    """Make room at a place."""
    for seq in range(SIGNED + TAIL, first - 1, -1):
        move(seq, seq + 1)


def copy(source: int, target: int) -> None:
    tamper(
        "INSERT INTO portal_ledgerentry SELECT (jsonb_populate_record(e, "
        "jsonb_build_object('seq', %s::int, 'uuid', gen_random_uuid()))).* "
        "FROM portal_ledgerentry e WHERE seq = %s",
        *(target, source),
    )


def perhaps_rehash(rng: random.Random, first: int) -> None:
    """Half of those who tamper know how hashes are made."""
    if rng.random() < 0.5:
        rehash(first)


def edited(rng: random.Random) -> None:
    seq = rng.randint(1, SIGNED)
    edit(seq)
    perhaps_rehash(rng, seq)


def columns_edited(rng: random.Random) -> None:
    column = rng.choice(["reason", "verb", "actor_name", "subject_name", "subject_id"])
    tamper(
        f"UPDATE portal_ledgerentry SET {column} = 'nobody' WHERE seq = %s",
        rng.randint(1, SIGNED),
    )


def deleted(rng: random.Random) -> None:
    seq = rng.randint(1, SIGNED)
    tamper("DELETE FROM portal_ledgerentry WHERE seq = %s", seq)
    if rng.random() < 0.5:
        close_up(seq)
        rehash(seq)


def reordered(rng: random.Random) -> None:
    one, other = rng.sample(range(1, SIGNED + 1), 2)
    move(one, 999)
    move(other, one)
    move(999, other)
    perhaps_rehash(rng, min(one, other))


def inserted(rng: random.Random) -> None:
    seq = rng.randint(1, SIGNED)
    open_up(seq)
    copy(rng.choice([s for s in range(1, SIGNED + TAIL + 2) if s != seq]), seq)
    edit(seq)
    perhaps_rehash(rng, seq)


def duplicated(rng: random.Random) -> None:
    seq = rng.randint(1, SIGNED)
    open_up(seq + 1)
    copy(seq, seq + 1)
    perhaps_rehash(rng, seq)


def truncated(rng: random.Random) -> None:
    tamper("DELETE FROM portal_ledgerentry WHERE seq > %s", rng.randint(0, SIGNED - 1))


def everything_rehashed(rng: random.Random) -> None:
    seq = rng.randint(1, SIGNED)
    edit(seq)
    rehash(1)
    tamper("DELETE FROM portal_ledgernode")


def checkpoint_swapped(rng: random.Random) -> None:
    """One that says what another says, or nothing, or something by nobody."""
    one, other = rng.sample(CUTS, 2)
    match rng.randrange(3):
        case 0:
            tamper(
                "UPDATE portal_checkpoint SET note = (SELECT note FROM "
                "portal_checkpoint WHERE size = %s) WHERE size = %s",
                *(one, other),
            )
        case 1:
            # The last one may be missing after a crash; the sink has it, and the
            # sealer takes it from there.
            kept = rng.choice(CUTS[:-1])
            tamper("DELETE FROM portal_checkpoint WHERE size = %s", kept)
        case 2:
            tamper(
                "UPDATE portal_checkpoint SET root = sha256('x'), note = "
                "overlay(note placing 'AAAA' from 30) WHERE size = %s",
                one,
            )


def backup_put_back(rng: random.Random) -> None:
    """An old one; sometimes life has gone on in it."""
    cut = rng.choice(CUTS[:-1])
    tamper("DELETE FROM portal_ledgerentry WHERE seq > %s", cut)
    tamper("DELETE FROM portal_checkpoint WHERE size > %s", cut)
    for number in range(rng.choice([0, 0, 1, 5, SIGNED])):
        people.invite(f"later-{number}", by=host(), reason="after the restore")


KINDS: list[Tampering] = [
    edited,
    columns_edited,
    deleted,
    reordered,
    inserted,
    duplicated,
    truncated,
    everything_rehashed,
    checkpoint_swapped,
    backup_put_back,
]


@pytest.fixture
def signed(sealer):
    """Entries under three checkpoints, and a tail."""
    written = 0
    while (head := LedgerEntry.objects.count()) < SIGNED + TAIL:
        if head in CUTS or (head == 0 and written == 0):
            sealing.seal()
        written += 1
        if LedgerEntry.objects.count() in CUTS:
            sealing.seal()
        people.invite(f"somebody-{written}", by=host(), reason=f"number {written}")
    return sealer


def test_every_tampering_with_what_was_signed_is_found(signed, capsys):
    rng = random.Random(SEED)
    missed = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT size FROM portal_checkpoint")
        sizes = {size for (size,) in cursor.fetchall()}
    assert sizes >= set(CUTS)

    for number in range(COUNT):
        tampering = KINDS[number % len(KINDS)]
        with transaction.atomic():
            tampering(rng)
            first = verifying.verify().first
            if first is None or first.seq > SIGNED + 1:
                missed.append((number, tampering.__name__, first))
            transaction.set_rollback(True)

    figure = {"id": "A1", "n": COUNT, "found": COUNT - len(missed), "seed": SEED}
    with capsys.disabled():
        print(f"\n{json.dumps(figure | {'bar': COUNT})}")
    assert missed == []


def test_no_clean_ledger_is_ever_called_tampered_with(signed, capsys):
    rng = random.Random(SEED)
    alarms = []

    for number in range(COUNT):
        for _ in range(rng.randint(0, 2) if LedgerEntry.objects.count() < 300 else 0):
            people.invite(f"more-{rng.getrandbits(64)}", by=host(), reason="more")
        if rng.random() < 0.3:
            sealing.seal()
        found = verifying.verify(deep=number % 20 == 0)
        alarms += found.findings + found.doubts

    figure = {"id": "A1", "n": COUNT, "false_alarms": len(alarms), "seed": SEED}
    with capsys.disabled():
        print(f"\n{json.dumps(figure | {'bar': 0})}")
    assert alarms == []
