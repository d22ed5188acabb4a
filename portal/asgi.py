"""Everything in one process: what `make run` serves."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Static files are small, and are read whole before they are sent.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

web = get_asgi_application()

from rollout.edge.app import Edge  # noqa: E402 (the apps have to be loaded first)

edge = Edge()


async def application(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The edge answers what it takes, Django everything else."""
    is_edge = scope["type"] == "lifespan" or edge.takes(scope)
    await (edge if is_edge else web)(scope, receive, send)
