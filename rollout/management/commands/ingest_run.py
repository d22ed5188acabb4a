"""`manage.py ingest_run`: import a run root from a disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.services import ingest, rollouts


class Command(PortalCommand):
    help = "Import a run root; importing it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", type=Path)
        parser.add_argument("--rollout", required=True)
        parser.add_argument("--reason", default="imported from a disk")

    def carry_out(self, path: Path, rollout: str, reason: str, **_: Any) -> None:
        if not path.is_dir():
            self.refuse(f"{path} is not a directory.")
        try:
            done = ingest.ingest_root(
                path,
                rollout_key=rollouts.find(rollout).key,
                by=self.host,
                reason=reason,
            )
        except OSError as error:
            self.refuse(f"{error.filename} cannot be read: {error.strerror}.")
        changed = "changed" if done.has_changed_anything else "unchanged"
        self.say(
            f"{done.run_id}: {changed}; manifest {done.manifest}, gates {done.gates}, "
            f"{done.new_events} new events, {done.new_artifacts} new artifacts"
            + "".join(f"\n  left out {p}: {why}" for p, why in done.left_out.items()),
            **asdict(done),
            changed=done.has_changed_anything,
        )
