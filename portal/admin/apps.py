"""The admin site as an app of its own, so that it is ours from the start."""

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    default_site = "portal.admin.site.PortalAdminSite"
