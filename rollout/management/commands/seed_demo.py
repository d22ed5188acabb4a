"""`manage.py seed_demo`: people, a running stage and a token to try things out with."""

from typing import Any

from django.conf import settings

from portal.commands import PortalCommand
from portal.domain.roles import Role, Scope
from portal.models import ApiToken, Authentication, Person
from portal.services import actors, approvals, people, tokens
from rollout.domain.baseline import ROLLOUT
from rollout.domain.stages import StageState
from rollout.services import rollouts, stages

ROLES = [role for role in Role if role != Role.ADMINISTRATOR]
REASON = "demo"
SIMULATOR = "simulator"


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
        """Two people start stage 0, as they would in the admin."""
        stage = rollouts.find(ROLLOUT).stages.get(position=0)
        if stage.state != StageState.READY:
            return
        engineer = Person.objects.get(username=Role.ENGINEER)
        architect = Person.objects.get(username=Role.ARCHITECT)
        if not architect.check_password(password):
            return  # they have changed it: from now on they act for themselves
        asked = stages.request_start(
            stage.pk,
            by=actors.for_person(engineer),
            reason="The baseline is ready to be tried.",
        )
        approvals.confirm(
            asked.pk,
            by=actors.for_person(architect, authenticated_by=Authentication.PASSWORD),
            reason="Looked at the plan: offline, two teams, small waves.",
        )

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
