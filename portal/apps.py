from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class PortalConfig(AppConfig):
    """Loads what the apps register: jobs, two-person acts, panels, health checks."""

    name = "portal"

    def ready(self) -> None:
        autodiscover_modules("jobs", "approvables", "panels", "readiness", "checks")
