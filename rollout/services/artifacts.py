"""Artifacts: every version of every file of a run, found again by its digest."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from portal import clock
from portal.domain.roles import May
from portal.errors import NoRoom, NotFound
from portal.models import Actor
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.artifacts import safe_path
from rollout.domain.runs import RunKind
from rollout.domain.verbs import Verb
from rollout.domain.watchdog import POLICY_PATH, timeouts_of
from rollout.models import Artifact, Origin, Run
from rollout.services import contents, rollouts, runs, scans, symptoms, timers, vault
from rollout.services.vault import Stored

VERIFIED_AT_ONCE = 10


@transaction.atomic
def store(
    rollout_key: str,
    run_id: str,
    path: str,
    chunks: Iterable[bytes],
    *,
    by: Actor,
    reason: str,
    expected: str | None = None,
    kind: RunKind = RunKind.LIVE,
) -> tuple[Artifact, bool]:
    """Keep a file of a run; returns it and whether it is a new version.

    The bytes are on the disk before the row is committed; what is the newest version
    of its path already changes nothing. Raises `NoRoom` when the rollout's quota is
    used up, and what `vault.put` raises.
    """
    require(by, May.REPORT_RUNS, rollout=rollout_key)
    path = safe_path(path)
    stored = vault.put(
        chunks,
        limit=settings.MAX_ARTIFACT_BYTES,
        expected=expected,
        allow=_within_quota(rollout_key, run_id, path),
    )
    run = runs.locked_or_new(rollout_key, run_id, kind=kind, by=by, reason=reason)
    artifact, is_new = add_version(run, path, stored, origin=Origin.RUN, by=by)
    if is_new and path == POLICY_PATH:
        policy = vault.read_object(stored.digest, stored.size)
        timers.follow_policy(run, timeouts_of(policy), clock.now())
        run.save_as(by, reason=reason)
    if is_new:
        symptoms.look_into_artifact(run, artifact, by=by)
        record(
            Verb.ARTIFACT_STORED,
            artifact,
            by=by,
            reason=reason,
            path=path,
            version=artifact.version,
            digest=stored.digest,
            size=stored.size,
        )
    return artifact, is_new


def _within_quota(rollout_key: str, run_id: str, path: str) -> Callable[[Stored], None]:
    """Refuses what is new and too much. The portal's own files are never refused;
    uploads that arrive at the same moment may exceed the quota together."""

    def allow(stored: Stored) -> None:
        quota = settings.ARTIFACTS_QUOTA_BYTES
        if not quota:
            return
        rollout = rollouts.find(rollout_key)
        used = contents.used_bytes(rollout)
        known = Artifact.objects.filter(
            run__rollout=rollout, run__run_id=run_id, path=path, digest=stored.digest
        )
        if used + stored.size > quota and not known.exists():
            raise NoRoom(
                f"{rollout_key} has used {used} of the {quota} bytes that its "
                "artifacts may take; nothing was changed.",
                code="QUOTA_EXCEEDED",
                used=used,
                quota=quota,
            )

    return allow


def add_version(
    run: Run, path: str, stored: Stored, *, origin: Origin, by: Actor
) -> tuple[Artifact, bool]:
    """The newest version of a path, with these bytes; a part of acts that hold the run.

    A file that goes back to what it was is a version more: the newest is what it is.
    """
    last = run.artifacts.filter(path=path).order_by("-version").first()
    if last is not None and last.digest == stored.digest:
        return last, False
    artifact = Artifact(
        run=run,
        path=path,
        version=last.version + 1 if last else 1,
        digest=stored.digest,
        size=stored.size,
        origin=origin,
        received_at=clock.now(),
        received_from=by,
    )
    artifact.save()
    contents.remember(stored, run.rollout_id)
    scans.want([artifact.digest])
    return artifact, True


def find(run: Run, path: str, *, version: int | None = None) -> Artifact:
    """A version of a run's file, the newest unless told otherwise."""
    wanted = run.artifacts.filter(path=path).order_by("-version")
    if version is not None:
        wanted = wanted.filter(version=version)
    if (found := wanted.first()) is None:
        raise NotFound(f"This run has no artifact {path!r}.")
    return found


@dataclass(frozen=True, slots=True)
class Damage:
    """An artifact whose bytes are not what they were."""

    run_id: str
    path: str
    version: int
    digest: str
    trouble: str


def verify(*, by: Actor, reason: str) -> Iterator[tuple[str, list[Damage]]]:
    """Every stored digest with what is wrong with it; each file is read once.

    What is found is remembered: an alarm begins, or ends.
    """
    for digests in contents.all_digests(VERIFIED_AT_ONCE):
        troubles = contents.check_all(digests, by=by, reason=reason)
        for digest in digests:
            yield (
                digest,
                [
                    Damage(a.run.run_id, a.path, a.version, a.digest, troubles[digest])
                    for a in contents.affected_by(digest)
                ]
                if digest in troubles
                else [],
            )
