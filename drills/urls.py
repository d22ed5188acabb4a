"""Addresses of the documents."""

from django.urls import path

from drills import pages

urlpatterns = [
    path("documents", pages.listed, name="documents"),
    path("documents/<slug:name>.md", pages.file, name="document-file"),
    path("documents/<slug:name>", pages.page, name="document"),
]
