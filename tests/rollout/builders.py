"""Rollouts, stages and services, as short as they can be."""

from itertools import count

from portal.domain.roles import Scope
from portal.models import Actor, Approval, Authentication
from portal.services import actors, approvals, tokens
from rollout.domain import baseline
from rollout.models import Rollout, Stage
from rollout.services import changes, rollouts, stages
from tests.builders import a_person, an_actor

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
    rollout, _ = rollouts.seed_baseline(by=actors.host(), reason="test")
    return rollout


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
