"""Who is behind a request to the admin."""

from django.http import HttpRequest

from portal.models import Actor
from portal.services.actors import for_person


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person as an actor; looked up once per request."""
    if not hasattr(request, "_actor"):
        request._actor = for_person(request.user)
    return request._actor
