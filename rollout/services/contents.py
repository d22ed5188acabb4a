"""What the vault holds, looked at again and again, so that damage does not wait to be
found by whoever needs the bytes."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from portal import clock
from portal.domain.roles import May
from portal.errors import Unavailable
from portal.models import Actor
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain.verbs import Verb
from rollout.models import Artifact, Content, Rollout, VaultUse
from rollout.services import vault
from rollout.services.vault import Stored

NAME = "vault"
EVERY = timedelta(seconds=10)
CHECK_JOB = "rollout.jobs.check_contents"
# One slice: what is read in one job, so that others wait for a moment only.
SLICE_BYTES = 64 * 1024 * 1024
SLICE_CONTENTS = 200
MOST_NAMED = 50

_REMEMBER = """
    INSERT INTO rollout_content (digest, size, checked_at, trouble)
    VALUES (%s, %s, %s, '') ON CONFLICT DO NOTHING
"""
_COUNT = """
    INSERT INTO rollout_vaultuse AS known (rollout_id, bytes) VALUES (%s, %s)
    ON CONFLICT (rollout_id) DO UPDATE SET bytes = known.bytes + EXCLUDED.bytes
"""


def remember(stored: Stored, rollout_id: int) -> None:
    """Count a new version, whose bytes have just been hashed."""
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, [stored.digest, stored.size, clock.now()])
        cursor.execute(_COUNT, [rollout_id, stored.size])


def used_bytes(rollout: Rollout) -> int:
    """How much the rollout's artifacts are, every version counted."""
    found = VaultUse.objects.filter(rollout=rollout).values_list("bytes", flat=True)
    return found.first() or 0


def due() -> QuerySet[Content]:
    """What was not read for too long, the longest first."""
    every = timedelta(days=settings.ARTIFACTS_CHECKED_EVERY_DAYS)
    overdue = Content.objects.filter(checked_at__lt=clock.now() - every)
    return overdue.order_by("checked_at")


def sweep() -> None:
    """Ask for a slice to be checked, if any is due."""
    heartbeats.beat(NAME)
    if due().exists():
        with transaction.atomic():
            enqueue(CHECK_JOB, once=CHECK_JOB)


@transaction.atomic
def check_slice(*, by: Actor, reason: str) -> int:
    """Read what is due, up to a bound, and remember how it was found.

    The next slice goes on where this one stopped: what was read is due last. Returns
    how many contents were read; fewer when the storage cannot be reached.
    """
    require(by, May.INGEST)
    rows = due().select_for_update(of=["self"], no_key=True, skip_locked=True)
    checked: list[tuple[Content, str]] = []
    read = 0
    for content in rows[:SLICE_CONTENTS]:
        try:
            checked.append((content, vault.check(content.digest) or ""))
        except Unavailable:
            break
        read += content.size
        if read >= SLICE_BYTES:
            break
    _note(checked, by=by, reason=reason)
    return len(checked)


@transaction.atomic
def check_all(digests: list[str], *, by: Actor, reason: str) -> dict[str, str]:
    """Read these contents now; what is wrong with those that are not intact."""
    require(by, May.INGEST)
    rows = Content.objects.filter(digest__in=digests).order_by("digest")
    rows = rows.select_for_update(of=["self"], no_key=True)
    checked = [(content, vault.check(content.digest) or "") for content in rows]
    _note(checked, by=by, reason=reason)
    return {content.digest: trouble for content, trouble in checked if trouble}


def _note(checked: list[tuple[Content, str]], *, by: Actor, reason: str) -> None:
    """Remember; a change for the worse or the better stands in the ledger.

    All reading is over when the first line is written: everybody waits for those.
    """
    now = clock.now()
    for content, trouble in checked:
        before, content.trouble, content.checked_at = content.trouble, trouble, now
        content.save()
        if trouble != before:
            affected = affected_by(content.digest)
            record(
                Verb.DAMAGE_FOUND if trouble else Verb.DAMAGE_MENDED,
                content,
                by=by,
                reason=reason,
                trouble=trouble or before,
                artifacts=[str(each) for each in affected[:MOST_NAMED]],
            )


def affected_by(digest: str) -> QuerySet[Artifact]:
    """The artifacts with these bytes."""
    return Artifact.objects.filter(digest=digest).select_related("run").order_by("pk")


def all_digests(chunk: int) -> Iterator[list[str]]:
    """Every digest in the vault, in portions, in their order."""
    after = ""
    while True:
        rows = Content.objects.filter(digest__gt=after).order_by("digest")
        digests = list(rows.values_list("digest", flat=True)[:chunk])
        if not digests:
            return
        yield digests
        after = digests[-1]
