"""`manage.py export_ledger`: the ledger, for whoever trusts nobody here."""

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.services import ledger_exports, proofs


class Command(PortalCommand):
    help = (
        "Write the ledger with everything that proves it: exact texts, hashes, "
        "checkpoints, and a verifier that stands alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--output", type=Path, required=True, help="X.zip, or a new directory"
        )
        parser.add_argument("--from", type=int, default=1, dest="first")
        parser.add_argument("--to", type=int, default=0, dest="last")
        parser.add_argument("--reason", default="exported on the host")
        parser.add_argument(
            "--wait",
            type=float,
            default=10.0,
            help="seconds to wait for the sealer to cover the export's own line",
        )

    def carry_out(
        self, output: Path, first: int, last: int, reason: str, wait: float, **_: Any
    ) -> None:
        entry = ledger_exports.announce(
            by=self.host, reason=reason, first=first, last=last
        )
        deadline = time.monotonic() + wait
        while proofs.latest_checkpoint().size < entry.seq and (
            time.monotonic() < deadline
        ):
            time.sleep(0.1)
        try:
            done = ledger_exports.write(output, first=first, last=last, tell=self._tell)
        except OSError as error:
            self.refuse(f"{output} cannot be written: {error.strerror}.")
        key = proofs.public_key()
        self.say(
            f"{output}: {done.entries} entries up to {done.last}, sealed up to "
            f"{min(done.size, done.last)}\nkey: {key.text}\n{key.fingerprint}",
            output=str(output),
            entries=done.entries,
            last=done.last,
            checkpoint=done.size,
            is_extract=done.is_extract,
            key=key.text,
            fingerprint=key.fingerprint,
        )

    def _tell(self, entries: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{entries} entries", ending="")
