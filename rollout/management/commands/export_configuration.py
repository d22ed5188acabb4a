"""`manage.py export_configuration`: flags, segments, plans and coverage as JSON."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain import configuration as domain
from rollout.services import configuration, rollouts


class Command(PortalCommand):
    help = "Write a rollout's configuration, to be imported here or elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")
        parser.add_argument("--output", type=Path, help="a file; else standard output")

    def carry_out(self, rollout: str, output: Path | None, **_: Any) -> None:
        found = configuration.read(rollouts.find(rollout))
        text = json.dumps(found, indent=2) + "\n"
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            output.write_text(text)
        except OSError as error:
            self.refuse(f"{output} cannot be written: {error.strerror}.")
        self.say(f"{output}", output=str(output), digest=domain.digest(found))
