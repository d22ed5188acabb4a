"""What browsers are sent is compressed, so that a first visit is short."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TEXTS = (
    *("text/html", "text/css", "text/javascript", "image/svg+xml"),
    "application/vnd.oai.openapi",  # what the page of the API lists
)


class Compressed(GZipMiddleware):
    """Pages, styles and scripts; Django adds some random bytes against BREACH.

    The API stays as it is: compression would weaken the ETags that its writers
    compare. So do event streams, which would be held back until they are long enough.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress it, if it is a text for a browser."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in TEXTS or request.path.startswith("/api/v1/"):
            return response
        return super().process_response(request, response)
