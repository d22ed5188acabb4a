"""`manage.py create_token`: let a service in."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.domain.roles import Role, Scope
from portal.models import Person
from portal.services import tokens
from rollout.services import rollouts


class Command(PortalCommand):
    help = "Make an API token; it is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("--rollout", required=True, help="good for this one only")
        parser.add_argument(
            "--scopes", required=True, help=f"some of {','.join(Scope)}"
        )
        parser.add_argument("--owner", help="who answers for it (a username)")
        parser.add_argument("--days", type=int, default=tokens.DEFAULT_LIFE.days)
        parser.add_argument("--reason", default="made from the host")

    def carry_out(
        self,
        name: str,
        rollout: str,
        scopes: str,
        owner: str | None,
        days: int,
        reason: str,
        **_: Any,
    ) -> None:
        made = tokens.create(
            name,
            owner=self._owner(owner),
            scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
            by=self.host,
            reason=reason,
            rollout=rollouts.find(rollout).key,
            life=timedelta(days=days),
        )
        self.say(
            made.text,
            token=made.text,
            id=made.token.pk,
            name=name,
            rollout=rollout,
            scopes=made.token.scopes,
            expires_at=made.token.expires_at,
        )

    def _owner(self, username: str | None) -> Person:
        active = Person.objects.filter(is_active=True)
        if username is not None:
            found = active.filter(username=username).first()
            if found is None:
                self.refuse(f"There is no active person {username!r}.")
            return found
        administrators = active.filter(
            role_grants__role=Role.ADMINISTRATOR, role_grants__revoked_at=None
        )
        found = administrators.order_by("pk").first()
        if found is None:
            self.refuse(
                "Nobody would own this token: make an administrator first "
                "(manage.py create_person NAME --role administrator), or say --owner."
            )
        return found
