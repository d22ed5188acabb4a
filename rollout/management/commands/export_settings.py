"""`manage.py export_settings`: the flags for an installation's settings file."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout import settings_file
from rollout.domain.settings_export import placed
from rollout.services import settings_export


class Command(PortalCommand):
    help = (
        "Say what belongs into the settings file of an installation; with --output "
        "write it there, at deepResearchCli.flags, and leave other settings alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", default="deep-research-option-c")
        parser.add_argument("--team", help="the team that the installation serves")
        parser.add_argument("--environment", help="where it is, such as sandbox")
        parser.add_argument("--output", type=Path, help="such as settings.json")

    def carry_out(
        self,
        rollout: str,
        team: str | None,
        environment: str | None,
        output: Path | None,
        **_: Any,
    ) -> None:
        found = settings_export.export(rollout, team=team, environment=environment)
        words = json.dumps(placed({}, found.flags), indent=2)
        if output is not None:
            settings_file.write(output, found.flags)
            words = f"written and read back: {output}"
        self.say(words, flags=found.flags, revision=found.revision, epoch=found.epoch)
