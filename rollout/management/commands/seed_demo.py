"""`manage.py seed_demo`: people, a running stage and a token to try things out with."""

from typing import Any

from django.conf import settings

from portal.commands import PortalCommand
from portal.domain.roles import Role, Scope
from portal.models import Actor, ApiToken, Approval, Authentication, Person
from portal.services import actors, approvals, people, tokens
from rollout.domain.baseline import ROLLOUT
from rollout.domain.stages import OnHardGateFailure, StageState
from rollout.domain.triggers import Action
from rollout.models import Stage
from rollout.services import changes, freezes, proposals, rollouts, stages

ROLES = [role for role in Role if role != Role.ADMINISTRATOR]
REASON = "demo"
SIMULATOR = "simulator"
PLAN = {
    "is_judged_by_person": False,
    "promote_bar": 0.7,
    "class_bar": 0.5,
    "floor": 0.4,
    "max_runs": 60,
    "on_hard_gate_failure": OnHardGateFailure.COUNT,
}


class Command(PortalCommand):
    help = (
        "Make one person per role, have two of them start stage 0, and let the "
        "simulator in. Only on a portal that nobody has used yet; twice is as once."
    )

    def carry_out(self, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            self.refuse("A demo has no place in production.")
        place = settings.VAR / "demo"
        place.mkdir(mode=0o700, exist_ok=True)
        password = place / "password"
        if not password.exists():
            if people.is_in_use():
                self.refuse(
                    "Somebody uses this portal already; a demo needs a new one."
                )
            password.touch(mode=0o600)
            password.write_text(people.new_one_time_password())
        self._people(password.read_text())
        self._start(password.read_text())
        token = place / "token"
        if not token.exists():
            token.touch(mode=0o600)
            token.write_text(self._token())
        self.say(
            f"One person per role ({', '.join(ROLES)}), password "
            f"{password.read_text()}; token in {token}",
            people=ROLES,
            password=password.read_text(),
            token_file=str(token),
        )

    def _people(self, password: str) -> None:
        for role in ROLES:
            if Person.objects.filter(username=role).exists():
                continue
            person = people.invite(
                role, by=self.host, reason=REASON, full_name=f"The {role}"
            )
            people.install_role(person.pk, role, by=self.host, reason=REASON)
            own = actors.for_person(person)
            people.change_password(person.pk, password, by=own, reason=REASON)

    def _start(self, password: str) -> None:
        """Two people make stage 0 fit for a demo and start it, as in the admin."""
        stage = rollouts.find(ROLLOUT).stages.get(position=0)
        if stage.state != StageState.READY:
            return
        engineer = Person.objects.get(username=Role.ENGINEER)
        architect = Person.objects.get(username=Role.ARCHITECT)
        if not architect.check_password(password):
            return  # they have changed it: from now on they act for themselves
        builder = actors.for_person(engineer)
        reviewer = actors.for_person(
            architect, authenticated_by=Authentication.PASSWORD
        )
        self._plan(stage, builder, reviewer)
        asked = stages.request_start(
            stage.pk, by=builder, reason="The baseline is ready to be tried."
        )
        approvals.confirm(
            asked.pk,
            by=reviewer,
            reason="Looked at the plan: offline, two teams, small waves.",
        )
        operator = Person.objects.get(username=Role.OPERATOR)
        freezes.confirm_on_call(ROLLOUT, by=actors.for_person(operator), reason=REASON)

    def _plan(self, stage: Stage, builder: Actor, reviewer: Actor) -> None:
        """Bars that some dozens of runs can show, and a failure that only counts."""
        place = f"/stages/{stage.key}/plan"
        change = changes.propose(
            ROLLOUT,
            proposals.patch(
                [
                    *(
                        {"op": "replace", "path": f"{place}/{field}", "value": value}
                        for field, value in PLAN.items()
                    ),
                    {
                        "op": "replace",
                        "path": "/triggers/silent-hang/action",
                        "value": Action.HOLD,
                    },
                ]
            ),
            by=builder,
            reason="So that a demo shows how evidence grows, and outlives one bad run.",
            title="Smaller bars for the demo",
        )
        pending = Approval.objects.get(
            subject_type=change._meta.label_lower, subject_id=change.pk, state="pending"
        )
        approvals.confirm(pending.pk, by=reviewer, reason="It is a demo.")
        changes.apply(change.pk, by=builder, reason=REASON)

    def _token(self) -> str:
        made = tokens.create(
            f"{SIMULATOR}-{ApiToken.objects.count() + 1}",
            owner=Person.objects.get(username=Role.ENGINEER),
            scopes=[Scope.DECIDE, Scope.REPORT_RUNS, Scope.READ],
            by=self.host,
            reason=REASON,
            rollout=ROLLOUT,
        )
        return made.text
