"""`manage.py create_person`: let somebody in, from the host."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from portal.commands import PortalCommand
from portal.domain.people import role_named
from portal.services import people


class Command(PortalCommand):
    help = "Let somebody in with a one-time password; roles only before first sign-in."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="full name")
        parser.add_argument("--role", action="append", default=[], dest="roles")
        parser.add_argument("--reason", default="set up from the host")

    @transaction.atomic
    def carry_out(
        self, username: str, name: str, roles: list[str], reason: str, **_: Any
    ) -> None:
        password = people.new_one_time_password()
        person = people.invite(
            username, by=self.host, reason=reason, full_name=name, password=password
        )
        for role in roles:
            people.install_role(
                person.pk, role_named(role), by=self.host, reason=reason
            )
        self.say(
            f"{username} can sign in once with the password: {password}",
            username=username,
            password=password,
            roles=roles,
        )
