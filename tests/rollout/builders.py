"""Rollouts, stages and services, as short as they can be."""

from dataclasses import replace
from itertools import count

from django.db import transaction

from portal.domain.roles import Scope
from portal.models import Actor, ApiToken, Approval, Authentication
from portal.services import actors, approvals, tokens
from rollout.domain import baseline
from rollout.domain.stages import StagePlan, StageState
from rollout.models import Rollout, Stage
from rollout.services import changes, documents, rollouts, snapshots, stages
from rollout.services.decisions import decide_for
from tests.builders import a_person, an_actor
from tests.rollout import seeded
from tests.rollout.documents import a_manifest, raw, some_gates, spent

KEY = baseline.ROLLOUT
ASKED = {
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
_numbers = count(1)


def a_rollout() -> Rollout:
    """The baseline: twelve flags, four stages, nothing started."""
    return seeded.seed()


def two_people() -> tuple[Actor, Actor]:
    """Somebody who asks, and somebody who confirms."""
    return an_actor("engineer"), an_actor(
        "architect", authenticated_by=Authentication.PASSWORD
    )


def confirmed(approval) -> None:
    """Have another person confirm a request."""
    architect = an_actor("architect", authenticated_by=Authentication.PASSWORD)
    approvals.confirm(approval.pk, by=architect, reason="fine")


def approved(change) -> None:
    """Have another person approve a change."""
    confirmed(
        Approval.objects.get(
            subject_type="rollout.change", subject_id=change.pk, state="pending"
        )
    )
    change.refresh_from_db()


def approved_and_applied(change) -> None:
    """Have another person approve a change, and somebody apply it."""
    approved(change)
    changes.apply(change.pk, by=an_actor("operator"), reason="now")
    change.refresh_from_db()


def a_running_stage() -> Stage:
    """Stage 0 of the baseline, started by two people."""
    stage = a_rollout().stages.get(position=0)
    asked = stages.request_start(stage.pk, by=an_actor("engineer"), reason="go")
    confirmed(asked)
    stage.refresh_from_db()
    return stage


def a_service(*scopes: str, rollout: str = KEY) -> tuple[Actor, str]:
    """A token with these scopes (all of them by default), and its text."""
    made = tokens.create(
        f"service-{next(_numbers)}",
        owner=a_person("administrator"),
        scopes=scopes or list(Scope),
        by=actors.host(),
        reason="test",
        rollout=rollout,
    )
    return actors.for_token(made.token), made.text


def _the_research_system() -> Actor:
    """A service that reports runs, one for all runs of a test."""
    name = "research system of the test"
    token = ApiToken.objects.filter(name=name, rollout=KEY).first()
    if token is None:
        owner = a_person("administrator")
        told = {"by": actors.host(), "reason": "test", "rollout": KEY}
        token = tokens.create(name, owner=owner, scopes=list(Scope), **told).token
    return actors.for_token(token)


def an_open_stage(position: int = 1, **plan: object) -> Stage:
    """A stage with a bar that eleven runs can reach, started by two people."""
    stage = a_rollout().stages.get(position=position)
    small = StagePlan(
        query_classes=("fixture_replay",),
        teams=("*",),
        modes=("*",),
        judged_gates=("A",),
        promote_bar=0.7,
        floor=0.5,
        max_runs=50,
    )
    stage.plan = replace(small, **plan).to_json()
    stage.coverage = replace(small, **plan).coverage_steps[0]
    stage.state = StageState.READY
    host = actors.host()
    stage.save_as(host, reason="test")
    with transaction.atomic():
        snapshots.publish(rollouts.locked(stage.rollout_id), by=host, reason="test")
    confirmed(stages.request_start(stage.pk, by=an_actor("engineer"), reason="go"))
    stage.refresh_from_db()
    return stage


def a_finished_run(
    run_id: str,
    *,
    passed: str = "ABCDEF",
    failed: str = "",
    system_version: str | None = None,
    **asked: str,
) -> None:
    """A run that was admitted, ran, and ended: these gates passed, these failed."""
    service = _the_research_system()
    decide_for(KEY, {"run_id": run_id, **ASKED, **asked}, by=service, reason="")
    gates = some_gates(run_id, passed=passed, failed=failed)
    status = "failed" if failed else "completed"
    told = {"system_version": system_version} if system_version else {}
    manifest = a_manifest(run_id, status=status, **spent(), **told)
    documents.receive_gates(KEY, run_id, raw(gates), by=service, reason="")
    documents.receive_manifest(KEY, run_id, raw(manifest), by=service, reason="")


def finished_runs(prefix: str, said: str, **changes: str) -> None:
    """Runs one after the other: `P` passed all, `F` failed gate A."""
    for number, each in enumerate(said):
        a_finished_run(
            f"{prefix}-{number}",
            passed="ABCDEF" if each == "P" else "BCDEF",
            failed="" if each == "P" else "A",
            **changes,
        )
