"""Manifests that newer ones overtook; parts of the acts that take in documents.

They do not move the run, but what they tell is true: that it was paused meanwhile, was
without the web, had ended already, or had followed a directive.
"""

from collections.abc import Mapping
from typing import Any

from portal import clock
from portal.models import Actor
from rollout.domain import documents as domain
from rollout.domain.runs import FINAL, Act, RunStatus, after
from rollout.models import DocumentKind, Run
from rollout.services import endings, proofs, revivals, symptoms, timers
from rollout.services.runs import newest

NOTE = "came after a newer one"
REASON = "a revision arrived after a newer one"


def learn_from(run: Run, content: Mapping[str, Any], *, digest: str, by: Actor) -> None:
    """Let a run have what a late manifest tells of it."""
    overtaken_by = run.reported_status
    has_changed = has_ended = False
    if not run.cause:
        has_changed |= _learn_of_the_web(run, content)
        has_changed |= _give_back_paused_time(run, content)
        has_ended = _end(run, content)
    if has_changed or has_ended:
        run.save_as(by, reason=REASON)
    symptoms.look_into_manifest(run, content, digest=digest, by=by)
    proofs.look_into_manifest(run, content, by=by)
    if content["status"] in FINAL and overtaken_by not in FINAL:
        revivals.announce_revival(run, overtaken_by, by=by)
    if has_ended:
        endings.close_directives(run, by=by, reason=REASON)
        if run.attempt is not None:
            endings.ask_to_judge(run.attempt.stage_id)


def _learn_of_the_web(run: Run, content: Mapping[str, Any]) -> bool:
    is_news = domain.is_offline(content) and not run.no_web
    run.no_web = run.no_web or is_news
    return is_news


def _give_back_paused_time(run: Run, content: Mapping[str, Any]) -> bool:
    """Paused time does not count, also when the run tells of it late."""
    current = newest(run, DocumentKind.MANIFEST)
    if (
        run.status in FINAL
        or current is None
        or domain.has_progressed(content, current)  # the timer has started since
    ):
        return False
    known = run.documents.filter(kind=DocumentKind.MANIFEST).exclude(
        revision=content["revision"]
    )
    before = known.filter(revision__lt=content["revision"]).order_by("-revision")
    following = known.filter(revision__gt=content["revision"]).order_by("revision")
    paused = domain.paused_since(
        before.values_list("content", flat=True).first(),
        content,
        following.values_list("content", flat=True).first() or current,
    )
    return timers.give_back(run, paused, clock.now())


def _end(run: Run, content: Mapping[str, Any]) -> bool:
    """A run that had ended has ended, though a newer manifest revived it unseen."""
    reported = RunStatus(content["status"])
    if reported not in FINAL or run.status in FINAL:
        return False
    now = clock.now()
    run.reported_status = reported
    run.status = after(RunStatus(run.status), Act(f"report_{reported}"))
    run.finished_at = now
    timers.keep(run, now)
    return True
