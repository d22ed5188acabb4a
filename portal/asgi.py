"""Everything in one process: what `make run` serves."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Static files are small, and are read whole before they are sent.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

django.setup(set_prefix=False)

# The apps have to be loaded first.
from portal.bodies import StreamingHandler  # noqa: E402
from rollout.edge.app import Edge  # noqa: E402

web = StreamingHandler()
edge = Edge()


async def application(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The edge answers what it takes, Django everything else."""
    is_edge = scope["type"] == "lifespan" or edge.takes(scope)
    await (edge if is_edge else web)(scope, receive, send)
