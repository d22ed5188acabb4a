"""Sign-ins: who is behind one, and how long it lasts."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from portal.models import Actor
from portal.services.actors import for_person

STARTED, SEEN = "started_at", "seen_at"
LIVE = "X-Live"  # a page that refreshes itself: nobody is there because of that
NOTE_EVERY_S = 60  # the last use is noted once a minute, not at every request


class SessionLimits:
    """Sign out whoever was away for too long, or has been here for too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = time.time()
            started = request.session.setdefault(STARTED, now)
            seen = request.session.setdefault(SEEN, now)
            is_over = now - started > settings.SESSION_COOKIE_AGE
            if is_over or now - seen > settings.SESSION_IDLE_SECONDS:
                logout(request)
            elif now - seen > NOTE_EVERY_S and LIVE not in request.headers:
                request.session[SEEN] = now
        return self.get_response(request)


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person as an actor; looked up once per request."""
    if not hasattr(request, "_actor"):
        request._actor = for_person(request.user)
    return request._actor
