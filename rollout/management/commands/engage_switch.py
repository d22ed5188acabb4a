"""`manage.py engage_switch`: turn Option C off everywhere, from the host."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import InterfaceError, OperationalError

from portal.commands import PortalCommand
from rollout.services import kill_file, switch


class Command(PortalCommand):
    help = (
        "Engage the emergency switch, at once. Releasing it takes two people. "
        "Without the database, a kill file turns Option C off on this host."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")
        parser.add_argument("--reason", required=True)

    def carry_out(self, rollout: str, reason: str, **_: Any) -> None:
        try:
            engaged = switch.engage(rollout, by=self.host, reason=reason)
        except (OperationalError, InterfaceError):
            self._write_kill_file(rollout, reason)
            return
        self.say(
            f"{rollout}: the switch is engaged (epoch {engaged.epoch})",
            rollout=rollout,
            state=engaged.state,
            epoch=engaged.epoch,
            changed_at=engaged.changed_at,
        )

    def _write_kill_file(self, rollout: str, reason: str) -> None:
        if not rollout or " " in rollout:
            self.refuse(f"{rollout!r} is no rollout's key.")
        try:
            kill_file.write(rollout, reason)
        except OSError as error:
            self.refuse(
                f"The database does not answer, and {settings.KILL_FILE} cannot be "
                f"written ({error.strerror}). Stop the edge."
            )
        self.say(
            f"{rollout}: the database does not answer, so {settings.KILL_FILE} is "
            "written. The edges on this host answer as if the switch were engaged; "
            "the relay engages it when the database is back.",
            rollout=rollout,
            state="kill_file",
            path=settings.KILL_FILE,
        )
