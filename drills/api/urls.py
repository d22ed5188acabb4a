"""Paths of incidents, of the matrix, of drills and of verification runs."""

from django.urls import path

from drills.api import (
    documents,
    drill_work,
    drills,
    durations,
    incidents,
    matrix,
    postmortems,
    runbook_uses,
    runbooks,
    verification,
    work,
)

urlpatterns = [
    path("incidents", incidents.IncidentsView.as_view()),
    path("incidents/durations", durations.DurationsView.as_view()),
    path("incidents/<int:number>", incidents.IncidentView.as_view()),
    path("incidents/<int:number>/timeline", incidents.TimelineView.as_view()),
    path("incidents/<int:number>/notes", work.NotesView.as_view()),
    path("incidents/<int:number>/hand-over", work.HandOverView.as_view()),
    path("incidents/<int:number>/severity", work.SeverityView.as_view()),
    path("incidents/<int:number>/links", work.LinksView.as_view()),
    path("incidents/<int:number>/checklist/<int:step>", work.StepView.as_view()),
    path("incidents/<int:number>/tasks", work.TasksView.as_view()),
    path("incidents/<int:number>/tasks/<int:task>/<str:act>", work.TaskView.as_view()),
    path("incidents/<int:number>/postmortem", postmortems.PostmortemView.as_view()),
    path(
        "incidents/<int:number>/runbooks", runbook_uses.FollowInIncidentView.as_view()
    ),
    path("incidents/<int:number>/<str:act>", incidents.MoveView.as_view()),
    path("verifications", verification.VerificationsView.as_view()),
    path("verifications/<int:number>", verification.VerificationView.as_view()),
    path("verification-hosts", verification.VerificationHostsView.as_view()),
    path("drills", drills.DrillsView.as_view()),
    path("drills/standing", drills.StandingView.as_view()),
    path("drills/logs", drill_work.LogsView.as_view()),
    path("drills/<int:number>", drills.DrillView.as_view()),
    path("drills/<int:number>/stop", drills.StopView.as_view()),
    path("drills/<int:number>/notes", drills.NotesView.as_view()),
    path("drills/<int:number>/observe", drills.ObserveView.as_view()),
    path("drills/<int:number>/runbooks", runbook_uses.PractiseInDrillView.as_view()),
    path(
        "drills/<int:number>/artifacts/<path:path>",
        drill_work.DrillArtifactView.as_view(),
    ),
    path("drill-lever", drill_work.LeverView.as_view()),
    path("drill-lever/pull", drill_work.PullView.as_view()),
    path("drill-lever/release", drill_work.ReleaseView.as_view()),
    path("drill-schedules", drill_work.SchedulesView.as_view()),
    path("runbooks", runbooks.RunbooksView.as_view()),
    path("runbooks/<slug:key>", runbooks.RunbookView.as_view()),
    path("runbooks/<slug:key>/propose", runbooks.ProposeRunbookView.as_view()),
    path(
        "runbooks/<slug:key>/propose-retirement", runbooks.RetireRunbookView.as_view()
    ),
    path("runbook-uses/<int:number>", runbook_uses.RunbookUseView.as_view()),
    path(
        "runbook-uses/<int:number>/steps/<int:step>",
        runbook_uses.RunbookStepView.as_view(),
    ),
    path("documents", documents.DocumentsView.as_view()),
    path("documents/<slug:name>.md", documents.DocumentFileView.as_view()),
    path("documents/<slug:name>", documents.DocumentView.as_view()),
    path("matrix", matrix.MatrixView.as_view()),
    path("matrix/<slug:key>", matrix.RowView.as_view()),
    path("matrix/<slug:key>/propose", matrix.ProposeView.as_view()),
    path("matrix/<slug:key>/propose-retirement", matrix.RetireView.as_view()),
]
