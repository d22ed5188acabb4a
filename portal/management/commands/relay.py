"""`manage.py relay`: hand due jobs to Redis, take back those whose worker died.

It is the scheduler too: what the apps want done every so often is done here.
"""

import signal
import time
from datetime import timedelta
from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error, connection

from portal.jobs import ring
from portal.services import bell, heartbeats, jobs, schedule

log = structlog.get_logger(__name__)

LOCK = 0x2E1A7  # only one relay works; a second one waits to take over
PATIENCE = timedelta(seconds=5)  # after that Redis is asked whether it still knows
IDLE_S = 0.5
BEAT_EVERY_S = 5.0


class Command(BaseCommand):
    help = "Hand due jobs to the workers until told to stop; one relay works at a time."

    def handle(self, *args: Any, **options: Any) -> None:
        self.is_stopping = False
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._stop)
        self.redis = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2
        )
        self.beaten_at = 0.0
        self.schedule = schedule.Schedule()
        trouble = ""
        while not self.is_stopping:
            try:
                self._work()
                trouble = ""
            except (Error, redis.RedisError) as error:
                # A server is away: say so once, and be there when it is back.
                if trouble != type(error).__name__:
                    trouble = type(error).__name__
                    log.warning("relay_waits", error=str(error))
                if isinstance(error, Error):
                    connection.close()
                time.sleep(IDLE_S)

    def _stop(self, *_: Any) -> None:
        self.is_stopping = True

    def _work(self) -> None:
        """One relay at a time: whoever holds the lock of this database session."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            is_leader = cursor.fetchone()[0]
        bell.listen(bell.JOBS)
        if not is_leader:
            time.sleep(IDLE_S)
            return
        while not self.is_stopping:
            self._beat()
            self.schedule.run_due()
            jobs.lapse()
            due = jobs.to_hand_over(patience=PATIENCE)
            for job in due:
                jobs.note_handed(job, is_new=ring(job, self.redis))
            if not due:
                bell.wait(IDLE_S)

    def _beat(self) -> None:
        if time.monotonic() - self.beaten_at > BEAT_EVERY_S:
            heartbeats.beat(heartbeats.RELAY)
            self.beaten_at = time.monotonic()
