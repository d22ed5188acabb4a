"""`manage.py rotate_sealer_key`: have another key vouch for the ledger."""

from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.services import proofs, sealer_keys, sealing


class Command(PortalCommand):
    help = (
        "Make a key that takes over, and announce it in the ledger. The sealer signs "
        "the checkpoint that covers the announcement with both keys; old checkpoints "
        "stay verifiable. It is also the way on after a key was lost or an old backup "
        "was put back for good."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True)
        parser.add_argument(
            "--origin",
            default="",
            help="another name: begin another log, where the present one cannot go on",
        )

    def carry_out(self, reason: str, origin: str, **_: Any) -> None:
        former = proofs.public_key().name
        details = {}
        if origin and origin != former:
            details = {"former": former, "kept": sealing.agreed(former)}
        key = sealer_keys.rotate(by=self.host, reason=reason, origin=origin, **details)
        self.say(
            f"{key.text}\n{key.fingerprint}",
            key=key.text,
            fingerprint=key.fingerprint,
        )
