"""Pages that are nobody's in particular: the way in, and errors that help."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static

from portal.api import problems

SAYS = {
    HTTPStatus.BAD_REQUEST: (
        "This request cannot be read.",
        "Go back and try again; if it happens again, tell whoever runs the portal.",
    ),
    HTTPStatus.FORBIDDEN: (
        "You may not do this.",
        "Somebody with another role can. Your roles are on your own page.",
    ),
    HTTPStatus.NOT_FOUND: (
        "There is no such page.",
        "The link may be old. The start page leads everywhere.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something went wrong on our side.",
        "Nothing was half-done: what you tried is either complete or did not happen. "
        "Tell whoever runs the portal the number below.",
    ),
}


def home(request: HttpRequest) -> HttpResponse:
    """The way in."""
    return redirect("admin:index")


def icon(request: HttpRequest) -> HttpResponse:
    """For browsers that ask where icons used to be."""
    return redirect(static("portal/icon.svg"), permanent=True)


def _answer(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    what, next_step = SAYS[status]
    if request.path.startswith("/api/"):
        return problems.plain(request, status, what)
    return render(
        request,
        "portal/error.html",
        {
            "what": what,
            "next_step": next_step,
            "status": int(status),
            "request_id": getattr(request, "request_id", ""),
        },
        status=status,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _answer(request, HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _answer(request, HTTPStatus.FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _answer(request, HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """500."""
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open for too long, or that did not come from here."""
    if request.path.startswith("/api/"):
        return problems.plain(
            request, HTTPStatus.FORBIDDEN, "The CSRF token is missing or wrong."
        )
    return render(
        request,
        "portal/error.html",
        {
            "what": "This form is no longer valid.",
            "next_step": "Go back, reload the page and send it again; "
            "you may have signed out in another window.",
            "status": 403,
            "request_id": getattr(request, "request_id", ""),
        },
        status=403,
    )
