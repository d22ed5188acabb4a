from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.utils.module_loading import autodiscover_modules


class PortalConfig(AppConfig):
    """Loads what the apps register: jobs, two-person acts, panels, health checks,
    metrics, events, what is sealed at once, baselines, what follows from causes,
    what can be looked up."""

    name = "portal"
    default = True

    def ready(self) -> None:
        autodiscover_modules(
            *("jobs", "approvables", "panels", "readiness", "checks"),
            *("figures", "notifications", "sealing", "services.metrics"),
            *("baselines", "consequences", "finders"),
        )


class PortalAdminConfig(admin.AdminConfig):
    """The admin, with a site of our own."""

    default = False
    default_site = "portal.site.PortalAdminSite"
