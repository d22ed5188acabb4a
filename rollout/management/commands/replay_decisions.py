"""`manage.py replay_decisions`: does every decision still come out the same?"""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.services import decisions, rollouts

SHOWN = 20


class Command(PortalCommand):
    help = "Decide everything again from its snapshot; exit status 1 if any differs."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", help="only this one")

    def carry_out(self, rollout: str | None, **_: Any) -> None:
        wanted = rollouts.find(rollout) if rollout else None
        count, found, shown = 0, 0, []
        for _decision, difference in decisions.replay_all(wanted):
            count += 1
            if difference is not None:
                found += 1
                shown = [*shown, asdict(difference)][:SHOWN]
        self.say(
            f"{count} decisions, {found} differences",
            decisions=count,
            differences=found,
            shown=shown,
        )
        if found:
            self.found(f"{found} of {count} decisions come out differently")
