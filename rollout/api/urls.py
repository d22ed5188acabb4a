"""Paths of rollouts, decisions and runs."""

from django.urls import path

from rollout.api import artifacts, clients, decisions, directives, rollouts, runs

urlpatterns = [
    path("rollouts", rollouts.RolloutsView.as_view()),
    path("flags", rollouts.FlagsView.as_view()),
    path("flags/<str:key>", rollouts.FlagView.as_view()),
    path("stages", rollouts.StagesView.as_view()),
    path("stages/<slug:key>/request-start", rollouts.StageStartView.as_view()),
    path("stages/<slug:key>/hold", rollouts.StageHoldView.as_view()),
    path("switch", rollouts.SwitchView.as_view()),
    path("switch/engage", rollouts.SwitchEngageView.as_view()),
    path("switch/request-release", rollouts.SwitchReleaseView.as_view()),
    path("switch/ack", clients.SwitchAckView.as_view()),
    path("decisions", decisions.DecisionsView.as_view()),
    path("decisions/<str:decision_id>", decisions.DecisionView.as_view()),
    path("decisions/<str:decision_id>/explain", decisions.ExplainView.as_view()),
    path("decisions/<str:decision_id>/replay", decisions.ReplayView.as_view()),
    path("runs", runs.RunsView.as_view()),
    path("runs/<str:run_id>", runs.RunView.as_view()),
    path("runs/<str:run_id>/manifest", runs.ManifestView.as_view()),
    path("runs/<str:run_id>/gates", runs.GatesView.as_view()),
    path("runs/<str:run_id>/events", runs.EventsView.as_view()),
    path("runs/<str:run_id>/advance", runs.AdvanceView.as_view()),
    path("runs/<str:run_id>/fallback-offer", runs.FallbackOfferView.as_view()),
    path("runs/<str:run_id>/directives", directives.RunDirectivesView.as_view()),
    path(
        "runs/<str:run_id>/directives/<str:directive_id>/ack",
        directives.AcknowledgeView.as_view(),
    ),
    path("directives", directives.DirectivesView.as_view()),
    path("runs/<str:run_id>/artifacts", artifacts.ArtifactsView.as_view()),
    path("runs/<str:run_id>/artifacts/<path:path>", artifacts.ArtifactView.as_view()),
]
