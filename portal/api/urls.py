"""Paths of what every part shares."""

from django.urls import path

from portal.api import audit, webhooks
from portal.api.views import ApprovalsView, MeView

urlpatterns = [
    path("me", MeView.as_view()),
    path("audit", audit.AuditView.as_view()),
    path("audit/keys", audit.KeysView.as_view()),
    path("audit/checkpoints", audit.CheckpointsView.as_view()),
    path("audit/checkpoints/latest", audit.LatestCheckpointView.as_view()),
    path("audit/inclusion", audit.InclusionView.as_view()),
    path("audit/consistency", audit.ConsistencyView.as_view()),
    path("approvals", ApprovalsView.as_view()),
    path("webhooks", webhooks.WebhooksView.as_view()),
    path("webhooks/<int:endpoint_id>", webhooks.WebhookView.as_view()),
    path("webhooks/<int:endpoint_id>/disable", webhooks.DisableView.as_view()),
    path("webhooks/<int:endpoint_id>/enable", webhooks.EnableView.as_view()),
    path(
        "webhooks/<int:endpoint_id>/rotate-secret", webhooks.RotateSecretView.as_view()
    ),
    path("webhooks/<int:endpoint_id>/test", webhooks.TestView.as_view()),
    path("webhooks/<int:endpoint_id>/deliveries", webhooks.DeliveriesView.as_view()),
    path(
        "webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/redeliver",
        webhooks.RedeliverView.as_view(),
    ),
]
