"""`manage.py make_sealer_key`: the first key that vouches for the ledger."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from portal.services import sealer_keys


class Command(PortalCommand):
    help = (
        "Make the sealer's first key, in SEALER_KEY_FILE. Keep a copy of it where "
        "nobody who owns the database can read it; tell auditors the fingerprint."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--origin",
            default=settings.LEDGER_ORIGIN,
            help="the name of the log, for good; such as portal.example.org/ledger",
        )

    def carry_out(self, origin: str, **_: Any) -> None:
        key = sealer_keys.make(origin).public
        self.say(
            f"{key.text}\n{key.fingerprint}", key=key.text, fingerprint=key.fingerprint
        )
