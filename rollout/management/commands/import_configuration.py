"""`manage.py import_configuration`: bring a rollout to an exported configuration."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.domain.strict_json import read
from rollout.domain.changes import ChangeState, Origin
from rollout.domain.exposure import Risk
from rollout.domain.flags import without_credentials
from rollout.models import Change
from rollout.services import changes, proposals, rollouts

LARGEST = 4 * 1024 * 1024


class Command(PortalCommand):
    help = (
        "Propose an exported configuration as a change. From the host only what "
        "exposes nobody to more is taken; the rest is proposed by somebody with a name."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")
        parser.add_argument("file", type=Path)
        parser.add_argument("--reason", required=True)
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would change"
        )

    def carry_out(
        self, rollout: str, file: Path, reason: str, dry_run: bool, **_: Any
    ) -> None:
        try:
            document = read(file.read_bytes(), limit=LARGEST)
        except OSError as error:
            self.refuse(f"{file} cannot be read: {error.strerror}.")
        wanted = proposals.replacement(document)
        if dry_run:
            self._tell(proposals.drafted(rollouts.find(rollout), wanted))
            return
        self._tell(
            changes.propose(
                rollout, wanted, by=self.host, reason=reason, origin=Origin.IMPORT
            )
        )

    def _tell(self, change: Change) -> None:
        applied = change.state == ChangeState.APPLIED
        lines = ["applied" if applied else "nothing was changed"]
        edits = without_credentials(change.edits)
        for edit in edits:
            before, after = (json.dumps(edit.get(side)) for side in ("before", "after"))
            lines.append(f"  {edit['path']}: {before} -> {after}")
        self.say(
            "\n".join(lines),
            is_applied=applied,
            risk=str(Risk(change.risk)),
            edits=edits,
            change=change.pk,
        )
