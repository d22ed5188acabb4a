"""`manage.py edge`: the data plane as a process of its own."""

import resource
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandParser

from rollout.edge.app import Edge

BACKLOG = 2048
LAST_WORDS_S = 2  # how long streams have to end when it stops


class Command(BaseCommand):
    help = (
        "Answer flags, long polls and event streams until told to stop. More load: "
        "more of these behind the reverse proxy."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--host", default="127.0.0.1")

    def handle(self, *args: Any, port: int, host: str, **options: Any) -> None:
        _let_streams_be_many()
        uvicorn.run(
            Edge(),
            host=host,
            port=port,
            backlog=BACKLOG,
            access_log=False,
            server_header=False,
            log_level="warning",
            log_config=None,
            timeout_graceful_shutdown=LAST_WORDS_S,
        )


def _let_streams_be_many() -> None:
    """Every stream holds a file open, and the usual limit is about a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
