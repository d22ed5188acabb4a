"""`manage.py export_documents`: every document of a rollout as a Markdown file."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from drills.services import documents
from portal.commands import PortalCommand
from rollout.domain.baseline import ROLLOUT

ALL = 1_000_000  # records of a kind: more than there will be


class Command(PortalCommand):
    help = (
        "Write the documents of a rollout (playbook, matrix, runbooks, drills log, "
        "evidence transcript) as Markdown, each with its digest."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", default=ROLLOUT)
        parser.add_argument("--output", type=Path, required=True, help="a directory")
        parser.add_argument(
            "--all",
            action="store_true",
            help=f"also what is older than the newest {documents.MOST} of a kind",
        )

    def carry_out(self, rollout: str, output: Path, **options: Any) -> None:
        most = ALL if options["all"] else documents.MOST
        written = documents.render_all(rollout, most=most)
        try:
            output.mkdir(parents=True, exist_ok=True)
            for each in written:
                _write(output / each.file_name, each.markdown)
        except OSError as error:
            self.refuse(f"{output} cannot be written: {error.strerror}.")
        lines = (f"{output / each.file_name}: {each.digest}" for each in written)
        self.say(
            "\n".join(lines),
            rollout=rollout,
            as_of=written[0].as_of.isoformat(),
            documents=[
                {
                    "name": each.name,
                    "path": str(output / each.file_name),
                    "digest": each.digest,
                }
                for each in written
            ],
        )


def _write(path: Path, text: str) -> None:
    """The file is there whole, or as it was before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
