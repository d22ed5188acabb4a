"""`/metrics`: for Prometheus, from this machine or with a token that may read."""

from ipaddress import ip_address
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from portal.api.authentication import BearerTokens
from portal.api.permissions import DeclaredPermission
from portal.api.views import PortalView
from portal.domain.roles import May
from portal.services import metrics

PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class LocalOrDeclared(DeclaredPermission):
    """Lets through whoever is on this machine already, without a token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return is_local(request) or super().has_permission(request, view)


def is_local(request: Request) -> bool:
    """From this machine, and not passed on by a proxy that is on it."""
    try:
        is_loopback = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name in request.headers for name in PASSED_ON)


class OneFormat(BaseContentNegotiation):
    """There is one format, whatever is asked for."""

    def select_renderer(
        self, request: Request, renderers: list[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class MetricsView(PortalView):
    """Everything that is counted, for all processes of this machine."""

    may = {"GET": May.READ}
    authentication_classes = [BearerTokens]
    permission_classes = [LocalOrDeclared]
    content_negotiation_class = OneFormat

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
