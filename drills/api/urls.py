"""Paths of incidents and of the matrix."""

from django.urls import path

from drills.api import durations, incidents, matrix, postmortems, work

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
    path("incidents/<int:number>/<str:act>", incidents.MoveView.as_view()),
    path("matrix", matrix.MatrixView.as_view()),
    path("matrix/<slug:key>", matrix.RowView.as_view()),
    path("matrix/<slug:key>/propose", matrix.ProposeView.as_view()),
    path("matrix/<slug:key>/propose-retirement", matrix.RetireView.as_view()),
]
