"""The portal as it is served, and beside it the least that a view can do durably."""

from importlib import import_module

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.asgi import application

__all__ = ["application"]


def bare(request: HttpRequest) -> HttpResponse:
    """One insert, committed to the disk."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_row (body) VALUES (%s)", [request.body])
    return HttpResponse("ok")


bare.csrf_exempt = True


import_module(settings.ROOT_URLCONF).urlpatterns.append(path("bare", bare))
