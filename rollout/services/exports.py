"""A run as one archive: everything that the portal knows of it, to be kept elsewhere.

What the archive will hold is known, hashed and checked before its first byte; what is
in the database goes to a file on the way, so that sending needs no database.
"""

import tempfile
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from portal.domain.canonical import canonical, digest
from portal.domain.roles import May
from portal.models import Actor, LedgerEntry
from portal.services.access import require
from portal.services.ledger import plain, record
from rollout.domain import exports as domain
from rollout.domain.exports import Contents, Member, Missing, archive_path
from rollout.domain.verbs import Verb
from rollout.models import Decision, FallbackOffer, Run, RunTimeout
from rollout.services import held_back, runs, vault

CHUNK = 1024 * 1024
KEPT_IN_MEMORY = 4 * 1024 * 1024
ROWS_AT_ONCE = 500
BLOCKED = "blocked"  # why an artifact is left out that is there and intact


@dataclass(frozen=True, slots=True)
class Export:
    """An archive: its name, the digest of its manifest, and its bytes as they come."""

    name: str
    manifest_digest: str
    left_out: int
    chunks: "Sending"


@transaction.atomic
def export_run(
    rollout_key: str,
    run_id: str,
    *,
    even_blocked: bool = False,
    by: Actor,
    reason: str,
) -> Export:
    """Make a run's archive, and write down who took it.

    Artifacts whose bytes are missing or damaged are named in the manifest and left
    out; so are those that the safety scan has blocked, unless somebody who may wants
    them `even_blocked`. The same run gives the same bytes, as long as its scans say
    the same: lines about exports are not in its ledger.
    """
    require(by, May.TAKE_BLOCKED if even_blocked else May.READ, rollout=rollout_key)
    run = runs.find(rollout_key, run_id)
    spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115 (it outlives this)
        max_size=KEPT_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR
    )
    try:
        contents = _contents_of(run, spool, even_blocked=even_blocked)
        manifest = domain.manifest_of(contents, rollout=rollout_key, run_id=run_id)
        record(
            Verb.RUN_EXPORTED,
            run,
            by=by,
            reason=reason,
            manifest=digest(manifest),
            members=len(contents.members),
            even_blocked=even_blocked,
            left_out=[each.path for each in contents.left_out],
        )
    except BaseException:
        spool.close()
        raise
    return Export(
        domain.file_name(run_id),
        digest(manifest),
        len(contents.left_out),
        Sending(domain.archive(contents, manifest), spool),
    )


class Sending:
    """The bytes of an archive; what they come from is closed with them."""

    def __init__(self, chunks: Generator[bytes, None, None], spool: IO[bytes]) -> None:
        self.chunks, self.spool = chunks, spool

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.chunks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Whoever takes no more says so."""
        self.chunks.close()
        self.spool.close()


def _contents_of(run: Run, spool: IO[bytes], *, even_blocked: bool) -> Contents:
    """Everything of a run: its files first, then what the tables say."""
    contents = Contents([])
    digests = run.artifacts.values_list("digest", flat=True)
    blocked = set() if even_blocked else held_back.held_back(digests)
    for artifact in run.artifacts.order_by("path", "version").iterator():
        path = archive_path(artifact.path, artifact.version)
        is_blocked = artifact.digest in blocked
        trouble = BLOCKED if is_blocked else vault.check(artifact.digest)
        if trouble is not None:
            contents.left_out.append(Missing(path, artifact.digest, trouble))
            continue
        contents.members.append(
            Member(
                path,
                artifact.size,
                artifact.digest,
                lambda artifact=artifact: vault.stream(artifact.digest),
            )
        )
    for name, chunks in _tables_of(run):
        contents.members.append(_spooled(name, chunks, spool))
    return contents


def _tables_of(run: Run) -> Iterator[tuple[str, Iterable[bytes]]]:
    decisions = Decision.objects.filter(rollout=run.rollout, run_id=run.run_id)
    in_order = decisions.order_by("decided_at", "id")
    yield "run.json", [canonical(_row(run))]
    yield "gates.json", [canonical(run.gates)]
    yield "decisions.jsonl", _lines(in_order)
    yield "directives.jsonl", _lines(run.directives.order_by("issued_at", "pk"))
    yield "advances.jsonl", _lines(run.advances.order_by("pk"))
    yield "reviews.jsonl", _lines(run.reviews.order_by("pk"))
    yield "artifacts.jsonl", _lines(run.artifacts.order_by("path", "version"))
    yield "events.jsonl", _lines(run.events.order_by("seq"))
    yield "ledger.jsonl", _ledger_of(run, decisions)
    for name, model in (("fallback", FallbackOffer), ("timeout", RunTimeout)):
        found = model.objects.filter(run=run).first()
        if found is not None:
            yield f"{name}.json", [canonical(_row(found))]
    for document in run.documents.order_by("pk").iterator(chunk_size=10):
        name = f"{document.kind}-{document.revision:08}-{document.pk}.json"
        yield f"documents/{document.standing}/{name}", [bytes(document.raw)]


def _row(row: Model) -> dict[str, Any]:
    return {
        field.attname: plain(getattr(row, field.attname))
        if field.get_internal_type() != "DurationField"
        else str(getattr(row, field.attname))
        for field in row._meta.concrete_fields
    }


def _lines(rows: QuerySet[Any]) -> Iterator[bytes]:
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        yield canonical(_row(row)) + b"\n"


def _ledger_of(run: Run, decisions: QuerySet[Decision]) -> Iterator[bytes]:
    """What the ledger says of the run and what belongs to it: body, leaf and link."""
    subjects = {
        "rollout.run": [run.pk],
        "rollout.decision": decisions.values_list("pk", flat=True),
        "rollout.artifact": run.artifacts.values_list("pk", flat=True),
        "rollout.directive": run.directives.values_list("pk", flat=True),
    }
    about = Q()
    for kind, pks in subjects.items():
        names = [str(pk) for pk in pks]
        about |= Q(subject_type=kind, subject_id__in=names)
    lines = LedgerEntry.objects.filter(about).exclude(verb=Verb.RUN_EXPORTED)
    for entry in lines.order_by("seq").iterator(chunk_size=ROWS_AT_ONCE):
        said = {
            "seq": entry.seq,
            "body": entry.body,
            "leaf": bytes(entry.leaf).hex(),
            "link": bytes(entry.link).hex(),
        }
        yield canonical(said) + b"\n"


def _spooled(path: str, chunks: Iterable[bytes], spool: IO[bytes]) -> Member:
    """Put bytes at the end of the file, and say where they are."""
    start, size, hasher = spool.tell(), 0, sha256()
    for chunk in chunks:
        hasher.update(chunk)
        size += spool.write(chunk)

    def fetch() -> Iterator[bytes]:
        spool.seek(start)
        left = size
        while left:
            chunk = spool.read(min(CHUNK, left))
            left -= len(chunk)
            yield chunk

    return Member(path, size, f"sha256:{hasher.hexdigest()}", fetch)
