"""`manage.py stale_flags`: flags that could go."""

from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.services import flags


class Command(PortalCommand):
    help = "List the flags that are past their time, unused, or that nobody owns."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")

    def carry_out(self, rollout: str, **_: Any) -> None:
        found = flags.stale(rollout)
        lines = [f"{flag.key}: {'; '.join(why)}" for flag, why in found]
        self.say(
            "\n".join(lines) or "No flag is stale.",
            stale=[
                {
                    "key": flag.key,
                    "owner": flag.owner,
                    "expires_on": flag.expires_on,
                    "last_asked_at": flag.asked_at,
                    "reasons": why,
                }
                for flag, why in found
            ],
        )
