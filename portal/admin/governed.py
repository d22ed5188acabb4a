"""The admin reads freely and changes nothing except through named acts."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from portal.admin.acts import ActsMixin
from portal.domain.redaction import MASK, redact_value
from portal.models import LedgerEntry
from portal.services.reading import read_once

MOST_COUNTED = 10_000
MOST_VERSIONS = 50


class BoundedPaginator(Paginator):
    """Counts no further than it has to show; a list's cost does not grow for ever."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list.order_by().values("pk")[: MOST_COUNTED + 1]
        sql, params = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM ({sql}) AS rows", params)
            return cursor.fetchone()[0]


class WholeList(ChangeList):
    """A list in which nothing is looked for is whole: the header offers no other."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class GovernedAdmin(ActsMixin, ModelAdmin):
    """Lists and read pages; changes through acts, history with diffs and reasons."""

    change_form_template = "portal/read.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    actions = None
    compressed_fields = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WholeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @read_once
    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        """Every part of a page asks for it; they share one."""
        return super().get_object(request, object_id, from_field)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Every version, what changed, who changed it and why. Reading only."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        subject = self.get_object(request, object_id)
        if subject is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, subject):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {subject}",
            "opts": self.opts,
            "subject": subject,
            "versions": versions_of(subject),
            "lines": lines_about(subject)[:MOST_VERSIONS],
            "back": self._where_from(subject),
        }
        return TemplateResponse(request, "portal/history.html", context)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """Nothing is ever deleted here, so it was never there."""
        messages.warning(request, f"There is no {opts.verbose_name} {object_id}.")
        return HttpResponseRedirect(self._where_from(None))

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any):
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().change_view(request, *args, **kwargs)


def versions_of(subject: Model) -> list[dict[str, Any]]:
    """The versions of a row, the newest first, each with what it changed."""
    if not hasattr(subject, "history"):
        return []
    rows = list(
        subject.history.select_related("history_user").order_by("-history_id")[
            : MOST_VERSIONS + 1
        ]
    )
    hidden = getattr(subject, "encrypted_fields", ())
    found = []
    for index, row in enumerate(rows[:MOST_VERSIONS]):
        older = rows[index + 1] if index + 1 < len(rows) else None
        changes = []
        if older is not None:
            delta = row.diff_against(older, foreign_keys_are_objs=False)
            changes = [
                {
                    "field": c.field.replace("_", " "),
                    "old": redact_value(c.old) if c.field not in hidden else MASK,
                    "new": redact_value(c.new) if c.field not in hidden else MASK,
                }
                for c in delta.changes
            ]
        found.append(
            {
                "at": row.history_date,
                "by": row.history_user,
                "why": row.history_change_reason,
                "is_first": older is None,
                "changes": changes,
            }
        )
    return found


def lines_about(subject: Model) -> QuerySet[LedgerEntry]:
    """What the ledger says about a row."""
    return LedgerEntry.objects.filter(
        subject_type=subject._meta.label_lower, subject_id=str(subject.pk)
    ).order_by("-seq")
