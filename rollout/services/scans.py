"""The safety scan: what is read when, what came of it, and what is allowed of it.

Contents that want a scan are rows (`PendingScan`), written with the artifact. The sweep
makes jobs of them, a few at a time, so that many new artifacts keep no other work of
the queue waiting; when the rules have changed, it goes through everything, some of it
at a time.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hmac import new as hmac

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from portal import clock
from portal.domain.jobs import JobState
from portal.domain.roles import May
from portal.errors import NotFound, Refusal
from portal.models import Actor, Heartbeat, Job
from portal.services import heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue
from portal.services.ledger import record
from rollout.domain.scanning import PASSING, Report, Trouble, Verdict, fingerprint
from rollout.domain.scanning import verdict as judged
from rollout.domain.scanning_layers import scan as read_through
from rollout.domain.scanning_reading import Limits
from rollout.domain.scanning_rules import RULES_VERSION
from rollout.domain.verbs import Verb
from rollout.models import Allowance, Artifact, Content, Finding, PendingScan, Run, Scan
from rollout.services import vault

NAME = "scans"
EVERY = timedelta(seconds=1)
SCAN_JOB = "rollout.jobs.scan_artifact"
MOST_WAITING = 20  # jobs; the other work of their queue stands behind no more
ASKED_AGAIN_AFTER = timedelta(minutes=15)
MOST_LOOKED_AT = 500  # contents of one look through all artifacts
_TROUBLES = {"ARTIFACT_MISSING": Trouble.MISSING, "ARTIFACT_DAMAGED": Trouble.ALTERED}


Step = Callable[[], AbstractContextManager[object]]


@cache
def _key(token_key: str) -> bytes:
    return hmac(token_key.encode(), b"fingerprints of findings", "sha256").digest()


def key() -> bytes:
    """What findings are fingerprinted with; it goes with `TOKEN_KEY`."""
    return _key(settings.TOKEN_KEY)


def rules_version() -> str:
    """The present rules, and the present key: either changes, all is read again."""
    return f"{RULES_VERSION}-{fingerprint('key', b'', key=key())[:8]}"


# What wants to be scanned


def want(digests: Iterable[str]) -> None:
    """Have these contents scanned, unless they have been; a part of other acts."""
    rows = [PendingScan(digest=digest) for digest in _unscanned(digests)]
    PendingScan.objects.bulk_create(rows, ignore_conflicts=True)


def _unscanned(digests: Iterable[str]) -> list[str]:
    asked = sorted(set(digests))
    final = Scan.objects.filter(digest__in=asked, rules=rules_version(), is_final=True)
    known = set(final.values_list("digest", flat=True))
    return [digest for digest in asked if digest not in known]


def _room() -> int:
    unfinished = Job.objects.filter(
        kind=SCAN_JOB, state__in=[JobState.WAITING, JobState.RUNNING]
    )
    return MOST_WAITING - unfinished[:MOST_WAITING].count()


def sweep() -> None:
    """Ask for the next scans; with new rules, look for what has none by them."""
    state = Heartbeat.objects.filter(name=NAME).first()
    looked = state.details if state else {}
    if looked.get("rules") != rules_version():
        looked = {"rules": rules_version(), "after": ""}
    if looked["after"] is not None:
        looked = {**looked, "after": _look_after(looked["after"])}
    heartbeats.beat(NAME, **looked)
    _ask_for(_due(_room()))


def _due(most: int) -> list[str]:
    """What wants to be scanned and was not asked for lately, the oldest first."""
    is_due = Q(asked_at=None) | Q(asked_at__lt=clock.now() - ASKED_AGAIN_AFTER)
    due = PendingScan.objects.filter(is_due).order_by("pk")
    return list(due.values_list("digest", flat=True)[: max(0, most)])


def _ask_for(digests: list[str]) -> None:
    if not digests:
        return
    with transaction.atomic():
        for digest in digests:
            enqueue(SCAN_JOB, once=f"scan {digest}", digest=digest)
        PendingScan.objects.filter(digest__in=digests).update(asked_at=clock.now())


def _look_after(after: str) -> str | None:
    """Put the contents after this one on the list; the last, or None at the end."""
    found = Content.objects.filter(digest__gt=after).order_by("digest")
    digests = list(found.values_list("digest", flat=True)[:MOST_LOOKED_AT])
    want(digests)
    return digests[-1] if len(digests) == MOST_LOOKED_AT else None


# Scanning


def scan(
    digest: str,
    *,
    by: Actor,
    reason: str,
    limits: Limits | None = None,
    step: Step = transaction.atomic,
) -> tuple[Scan, bool]:
    """Read a content and keep what was found; returns the scan, and whether it is new.

    A content that has a scan by the present rules is left alone, unless that one may
    come out otherwise now. Reading takes long and no transaction; `step` is the one in
    which the scan is kept.
    """
    known = Scan.objects.filter(digest=digest, rules=rules_version()).first()
    if known is not None and known.is_final:
        PendingScan.objects.filter(digest=digest).delete()
        return known, False
    report = read(digest, limits=limits)
    with step():
        return keep(digest, report, by=by, reason=reason)


def read(digest: str, *, limits: Limits | None = None) -> Report:
    """What is in a content of the vault, as the present rules see it."""
    try:
        with closing(vault.read(digest)) as reading:
            return read_through(reading, key=key(), limits=limits)
    except Refusal as refusal:
        if refusal.code not in _TROUBLES:
            raise
        return Report(troubles={_TROUBLES[refusal.code]})


@transaction.atomic
def keep(digest: str, report: Report, *, by: Actor, reason: str) -> tuple[Scan, bool]:
    """Keep what a reading by the present rules has found, if it says anything new."""
    require(by, May.INGEST)
    PendingScan.objects.filter(digest=digest).delete()
    known = Scan.objects.filter(digest=digest, rules=rules_version()).first()
    if known is not None and known.troubles == sorted(report.troubles):
        return known, False
    if (made := _write(digest, report)) is None:
        final = Scan.objects.filter(digest=digest, rules=rules_version(), is_final=True)
        return final.get(), False
    found_any = report.verdict in (Verdict.FLAGGED, Verdict.BLOCKED)
    record(
        Verb.SECRET_FOUND if found_any else Verb.ARTIFACT_SCANNED,
        made,
        by=by,
        reason=reason,
        digest=made.digest,
        rules=made.rules,
        verdict=made.verdict,
        troubles=made.troubles,
        families=sorted({each.family for each in report.findings}),
    )
    return made, True


def _write(digest: str, report: Report) -> Scan | None:
    """Write the scan with its findings; None if somebody else was faster."""
    made = Scan(
        digest=digest,
        rules=rules_version(),
        verdict=report.verdict,
        troubles=sorted(report.troubles),
        is_final=not report.troubles & PASSING,
        size_read=report.read,
        size_unpacked=report.unpacked,
        scanned_at=clock.now(),
    )
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError:
        return None
    Finding.objects.bulk_create(
        Finding(
            scan=made,
            family=each.family,
            is_certain=each.is_certain,
            line=each.place.line,
            offset=each.place.offset,
            chain=list(each.place.chain),
            preview=each.preview,
            fingerprint=each.fingerprint,
            count=each.count,
        )
        for each in report.findings
    )
    return made


# What it comes to


@dataclass(frozen=True, slots=True)
class Standing:
    """What a content counts as at a moment: its scan, less what is allowed then."""

    scan: Scan
    verdict: Verdict
    findings: list[Finding]

    @property
    def is_current(self) -> bool:
        """Whether the present rules said so."""
        return self.scan.rules == rules_version()


def with_findings(found: QuerySet[Scan], *, at: datetime) -> QuerySet[Scan]:
    """These scans with their findings, each of which knows whether it `is_allowed`."""
    allowed = Allowance.objects.filter(
        fingerprint=OuterRef("fingerprint"),
        family=OuterRef("family"),
        ended_at=None,
        allowed_at__lte=at,
        expires_at__gt=at,
    )
    findings = Finding.objects.annotate(is_allowed=Exists(allowed))
    return found.prefetch_related(Prefetch("findings", findings.order_by("offset")))


def standing_of(scan: Scan) -> Standing:
    """What a scan from `with_findings` comes to."""
    findings = list(scan.findings.all())
    allowed = {each.fingerprint for each in findings if each.is_allowed}
    return Standing(scan, judged(findings, scan.troubles, allowed=allowed), findings)


def standings(digests: Iterable[str]) -> dict[str, Standing]:
    """What contents count as now; those that were never scanned are left out.

    Takes two queries, however many there are.
    """
    newest = Scan.objects.filter(digest__in=set(digests)).order_by("digest", "-pk")
    found = with_findings(newest.distinct("digest"), at=clock.now())
    return {scan.digest: standing_of(scan) for scan in found}


def verdicts_of(run: Run) -> dict[str, Standing]:
    """What the artifacts of a run count as now, by digest, in three queries."""
    return standings(run.artifacts.values_list("digest", flat=True))


def of_rollout(rollout_key: str) -> QuerySet[Scan]:
    """The scans of what a rollout's runs have written, newest first."""
    used = Artifact.objects.filter(
        digest=OuterRef("digest"), run__rollout__key=rollout_key
    )
    return Scan.objects.filter(Exists(used))


def find(rollout_key: str, digest: str) -> Standing:
    """What a content of a rollout counts as now."""
    found = of_rollout(rollout_key).filter(digest=digest).order_by("-pk")[:1]
    for scan in with_findings(found, at=clock.now()):
        return standing_of(scan)
    raise NotFound("Nothing with this digest has been scanned here.")
