"""`/livez` and `/readyz`: for probes, without a sign-in, without secrets."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.services import health


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every vital part is well, 503 otherwise; with what each part says."""
    found = health.findings()
    is_ready = all(each.is_well or not each.is_vital for each in found.values())
    return JsonResponse(
        {
            "status": "ready" if is_ready else "not ready",
            "checks": {
                name: {"is_well": finding.is_well, "says": finding.says}
                for name, finding in found.items()
            },
        },
        status=200 if is_ready else 503,
    )
