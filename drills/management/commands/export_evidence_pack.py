"""`manage.py export_evidence_pack ROLLOUT GATE`: an evidence pack as one archive."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from drills.models import EvidencePack
from drills.services import pack_exports, packs, release_gates
from portal.commands import PortalCommand
from portal.services import proofs, sealer_keys, sealing


class Command(PortalCommand):
    help = (
        "Write the newest evidence pack of a release gate to a ZIP that proves itself: "
        "files, signatures, lines of the ledger with proofs, a report, and "
        "verify_pack.py, which checks all of it. With --assemble, or where there is "
        "none yet, a pack is made first. What is incomplete is written, and marked so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("rollout")
        parser.add_argument("gate", help="A to F")
        parser.add_argument("--output", type=Path, required=True, help="a file")
        parser.add_argument("--pack", default="", help="its hash, if not the newest")
        parser.add_argument(
            "--assemble", action="store_true", help="make a new pack first"
        )
        parser.add_argument("--reason", default="exported on the host")
        parser.add_argument(
            "--wait-s",
            type=float,
            default=90,
            help="for the sealer, which seals at once when it is there",
        )

    def carry_out(
        self,
        rollout: str,
        gate: str,
        output: Path,
        pack: str,
        assemble: bool,
        reason: str,
        wait_s: float,
        **_: Any,
    ) -> None:
        found = self._pack(rollout, gate, pack, assemble, reason)
        prepared = pack_exports.prepare(found.pack_hash, by=self.host, reason=reason)
        if sealer_keys.own() is not None:  # on the sealer's own host nobody has to wait
            sealing.seal()
        pack_exports.wait_for_seal(prepared, patience_s=wait_s)
        try:
            size = _write(pack_exports.archive(prepared), output)
        except OSError as error:
            self.refuse(f"{output} cannot be written: {error.strerror}.")
        key = proofs.public_key()
        state = "complete" if found.is_complete else "INCOMPLETE"
        self.say(
            f"{output}: {size} bytes, pack {found.number} ({state}) {found.pack_hash}\n"
            f"check it with: python verify_pack.py {output} --key {key.fingerprint}",
            output=str(output),
            size=size,
            pack=found.number,
            pack_hash=found.pack_hash,
            is_complete=found.is_complete,
            lacks=found.troubles,
            signatures=[
                {"role": each.role, "verdict": each.verdict, "name": each.name}
                for each in found.signoffs.order_by("pk")
            ],
            key=key.text,
            fingerprint=key.fingerprint,
        )

    def _pack(
        self, rollout: str, letter: str, pack: str, assemble: bool, reason: str
    ) -> EvidencePack:
        gate = release_gates.find(rollout, letter)
        found = packs.find(pack) if pack else packs.newest(gate)
        if assemble or found is None:
            asked = packs.order(rollout, letter, by=self.host, reason=reason)
            return packs.assemble(asked.pk, by=self.host, reason=reason)
        if found.gate_id != gate.pk:
            self.refuse(f"{pack} is no pack of gate {letter} of {rollout}.")
        return found


def _write(chunks: Iterable[bytes], output: Path) -> int:
    """The file is there whole, or not at all."""
    descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            size = sum(file.write(chunk) for chunk in chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, output)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
    return size
