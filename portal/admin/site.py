"""The admin site: one way in, one start page."""

from unfold.sites import UnfoldAdminSite


class PortalAdminSite(UnfoldAdminSite):
    """Unfold's site."""
