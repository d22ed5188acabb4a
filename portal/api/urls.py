"""Paths of what every part shares."""

from django.urls import path

from portal.api.views import ApprovalsView, AuditView, MeView

urlpatterns = [
    path("me", MeView.as_view()),
    path("audit", AuditView.as_view()),
    path("approvals", ApprovalsView.as_view()),
]
