"""`manage.py verify_ledger`: was anything in the ledger altered?"""

import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.domain.checkpoints import PublicKey, read_public_key
from portal.errors import Malformed
from portal.services import sealer_keys, verifying
from portal.services.verifying import Verified

SHOWN = 20


def key_of(text: str) -> PublicKey:
    """A public key of a sealer, a file that holds one, or a fingerprint of one."""
    for key in sealer_keys.public_keys():
        if key.fingerprint.lower() == text.lower():
            return key
    try:
        is_file = "+" not in text or Path(text).is_file()
        return read_public_key(Path(text).read_text() if is_file else text)
    except (OSError, ValueError):
        raise Malformed(f"{text!r} is no key of a sealer, and no file.") from None


def some_notes(text: str) -> list[str]:
    """The checkpoints of a file: one note, or JSON lines as a sink keeps them."""
    try:
        said = Path(text).read_text()
        if not said.startswith("{"):
            return [said]
        return [json.loads(line)["note"] for line in said.splitlines() if line]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentTypeError(f"{text}: {error}") from None


class Command(PortalCommand):
    help = (
        "Check every entry of the ledger, and every checkpoint. Exit status 0: intact; "
        "1: altered, with the first bad entry and the kind; 2: cannot tell."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--deep", action="store_true", help="rows and their versions as well"
        )
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            type=some_notes,
            help="a file with checkpoints that were kept elsewhere",
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            help="the sealer's public key, from elsewhere; or a file that holds it, "
            "or its fingerprint",
        )

    def carry_out(
        self,
        deep: bool,
        checkpoint: list[list[str]],
        key: list[str],
        **_: Any,
    ) -> None:
        notes = [note for each in checkpoint for note in each]
        found = verifying.verify(
            keys=[key_of(each) for each in key],
            notes=notes,
            deep=deep,
            tell=self._tell,
        )
        self.say(
            "\n".join(_words(found)),
            intact=not found.findings and not found.doubts,
            entries=found.entries,
            sealed=found.sealed,
            tail=max(found.entries - found.sealed, 0),
            checkpoints=found.checkpoints,
            findings=[
                {"seq": each.seq, "kind": str(each.fault), "detail": each.detail}
                for each in found.findings[:SHOWN]
            ],
            found=len(found.findings),
            doubts=found.doubts,
            remarks=found.remarks,
        )
        if found.first is not None:
            self.found(
                f"{len(found.findings)} findings; the first is entry "
                f"{found.first.seq} ({found.first.fault})"
            )
        if found.doubts:
            self.refuse(f"Cannot tell: {found.doubts[0]}.")

    def _tell(self, entries: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{entries} entries", ending="")


def _words(found: Verified) -> list[str]:
    if found.findings:
        words = [
            f"entry {each.seq}: {each.fault}: {each.detail}"
            for each in found.findings[:SHOWN]
        ]
    elif found.doubts:
        words = [f"cannot tell: {doubt}" for doubt in found.doubts]
    else:
        words = [f"intact: {found.entries} entries, {found.checkpoints} checkpoints"]
    if found.entries > found.sealed and not found.findings:
        words.append(f"unsealed tail: entries {found.sealed + 1} to {found.entries}")
    return words + found.remarks
