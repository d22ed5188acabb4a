"""The portal, and beside it the least that a view can do durably."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
web = get_asgi_application()

from rollout.edge.app import Edge  # noqa: E402 (the apps have to be loaded first)

edge = Edge()
ANSWER = b'{"flags":[]}'


async def application(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The portal as it is served, and one bare ASGI answer."""
    if scope["type"] == "http" and scope["path"] == "/bare-asgi":
        await receive()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", b"%d" % len(ANSWER)),
                ],
            }
        )
        await send({"type": "http.response.body", "body": ANSWER})
        return
    is_edge = scope["type"] == "lifespan" or edge.takes(scope)
    await (edge if is_edge else web)(scope, receive, send)


def bare(request: HttpRequest) -> HttpResponse:
    """One insert, committed to the disk."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_row (body) VALUES (%s)", [request.body])
    return HttpResponse("ok")


bare.csrf_exempt = True


import_module(settings.ROOT_URLCONF).urlpatterns.append(path("bare", bare))
