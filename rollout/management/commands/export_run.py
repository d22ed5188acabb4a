"""`manage.py export_run`: a run as one archive."""

import os
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain.exports import NotWhatItWas
from rollout.services import exports
from rollout.services.exports import Export


class Command(PortalCommand):
    help = "Write everything of a run to one ZIP, with a manifest of digests."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("run")
        parser.add_argument("--rollout", required=True)
        parser.add_argument("--output", type=Path, required=True, help="a file")
        parser.add_argument("--reason", default="exported on the host")
        parser.add_argument(
            "--even-blocked",
            action="store_true",
            help="also what the safety scan has blocked: there are secrets in it",
        )

    def carry_out(
        self,
        run: str,
        rollout: str,
        output: Path,
        reason: str,
        even_blocked: bool,
        **_: Any,
    ) -> None:
        export = exports.export_run(
            rollout, run, even_blocked=even_blocked, by=self.host, reason=reason
        )
        try:
            with closing(export.chunks):
                size = _write(export, output)
        except OSError as error:
            self.refuse(f"{output} cannot be written: {error.strerror}.")
        except NotWhatItWas as error:
            self.found(f"{error} was damaged while it was read; nothing was written.")
        self.say(
            f"{output}: {size} bytes, manifest {export.manifest_digest}"
            + (f", {export.left_out} artifacts left out" if export.left_out else ""),
            output=str(output),
            size=size,
            manifest=export.manifest_digest,
            left_out=export.left_out,
        )
        if export.left_out:
            self.found(
                f"{export.left_out} artifacts are damaged, missing, or held back for "
                "the secrets in them (--even-blocked); the archive names them"
            )


def _write(export: Export, output: Path) -> int:
    """The file is there whole, or not at all."""
    descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            size = sum(file.write(chunk) for chunk in export.chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, output)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
    return size
