"""`manage.py worker QUEUE`: carry out the jobs of one queue."""

from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.domain.jobs import Queue
from portal.jobs import QueueWorker


class Command(BaseCommand):
    help = "Carry out the jobs of one queue until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", help=f"one of {', '.join(Queue)}")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["queue"]
        if name not in set(Queue):
            raise CommandError(
                f"There is no queue {name!r}; there are {', '.join(Queue)}.",
                returncode=2,
            )
        worker = QueueWorker(name, redis.Redis.from_url(settings.REDIS_URL))
        worker.work(logging_level="WARNING")
