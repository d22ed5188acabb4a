"""`manage.py sealer`: sign every minute, and at once when it matters, how far the
ledger has come."""

import signal
import time
from typing import Any

import structlog
from django.core.management.base import CommandParser
from django.db import Error, connection

from portal.commands import PortalCommand
from portal.errors import Refusal
from portal.services import bell, heartbeats, sealing

log = structlog.get_logger(__name__)

LOCK = 0x5EA1E2  # only one sealer works; a second one waits to take over
EVERY_S = 60.0
IDLE_S = 5.0  # between two signs of life


class Command(PortalCommand):
    help = "Seal the ledger until told to stop; one sealer works at a time."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--once", action="store_true", help="seal what is new, once"
        )

    def carry_out(self, once: bool, **_: Any) -> None:
        if once:
            self._once()
            return
        self.is_stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        trouble = ""
        while not self.is_stopping:
            try:
                self._work()
                trouble = ""
            except Error as error:
                # The database is away: say so once, and be there when it is back.
                if trouble != type(error).__name__:
                    trouble = type(error).__name__
                    log.warning("sealer_waits", error=str(error))
                connection.close()
                time.sleep(IDLE_S)

    def _once(self) -> None:
        made = None
        while (checkpoint := sealing.seal()) is not None:
            made = checkpoint
        if made is None:
            self.say("nothing to seal", size=None)
        else:
            self.say(made.note, size=made.size, origin=made.origin, note=made.note)

    def _stop(self, *_: Any) -> None:
        self.is_stopping = True

    def _work(self) -> None:
        """One sealer at a time: whoever holds the lock of this database session."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            is_leader = cursor.fetchone()[0]
        bell.listen(bell.SEAL)
        if not is_leader:
            time.sleep(IDLE_S)
            return
        sealed_at = float("-inf")
        is_rung = False
        refuses = ""
        while not self.is_stopping:
            if is_rung or time.monotonic() - sealed_at >= EVERY_S:
                refuses = self._seal(refuses)
                sealed_at = time.monotonic()
            heartbeats.beat(heartbeats.SEALER, refuses=refuses)
            is_rung = bell.wait(IDLE_S)

    def _seal(self, before: str) -> str:
        """Seal all that is new; why that was refused, or nothing."""
        try:
            while not self.is_stopping and sealing.seal() is not None:
                heartbeats.beat(heartbeats.SEALER, refuses="")
        except Refusal as refusal:
            if str(refusal) != before:
                log.error("sealer_refuses", code=refusal.code, why=str(refusal))
            return str(refusal)
        return ""
