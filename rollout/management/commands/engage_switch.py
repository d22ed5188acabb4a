"""`manage.py engage_switch`: turn Option C off everywhere, from the host."""

from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.services import switch


class Command(PortalCommand):
    help = "Engage the emergency switch, at once. Releasing it takes two people."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")
        parser.add_argument("--reason", required=True)

    def carry_out(self, rollout: str, reason: str, **_: Any) -> None:
        engaged = switch.engage(rollout, by=self.host, reason=reason)
        self.say(
            f"{rollout}: the switch is engaged (epoch {engaged.epoch})",
            rollout=rollout,
            state=engaged.state,
            epoch=engaged.epoch,
            changed_at=engaged.changed_at,
        )
