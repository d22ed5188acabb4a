"""Every path, put together."""

from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from portal import health, pages
from portal.api import guide
from portal.api.metrics import MetricsView

# The pages' script draws with images of its own and styles what it draws.
api_docs = csp_update({"img-src": "data:"})(guide.ApiDocsView.as_view())

urlpatterns = [
    path("", pages.home),
    path("favicon.ico", pages.icon),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", MetricsView.as_view()),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", api_docs, name="docs"),
    path("api/docs/<str:name>", guide.file),
    path("api/v1/", include("portal.api.urls")),
    path("api/v1/", include("rollout.api.urls")),
    path("api/v1/", include("drills.api.urls")),
    path("", include("drills.urls")),
]

handler400 = pages.bad_request
handler403 = pages.permission_denied
handler404 = pages.not_found
handler500 = pages.server_error
