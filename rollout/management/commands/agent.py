"""`manage.py agent`: the agent, where Django is at hand anyway."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.agent.agent import run
from rollout.agent.config import load


class Command(PortalCommand):
    help = (
        "Govern an installation of the research system: export its settings, report "
        "its runs, carry out what is asked. The same as python -m rollout.agent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--config", type=Path, required=True)
        parser.add_argument("--once", action="store_true", help="one round, then end")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="say what it would do, and do nothing",
        )

    def carry_out(self, config: Path, once: bool, dry_run: bool, **_: Any) -> None:
        if run(load(config), once=once, dry_run=dry_run):
            self.found("There are problems; the log names them.")
        self.say("done", is_well=True)
