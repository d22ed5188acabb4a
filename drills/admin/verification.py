"""Verification runs: asked for here, defined in a file on the worker's host only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from drills.models import VerificationHost, VerificationRun
from drills.services import verification
from portal.admin.acts import Act, Done, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from portal.streams import stream_url
from rollout.admin.fields import RolloutField

STATES = {None: ("…", "running"), True: ("✓", "passed"), False: ("✗", "failed")}


class VerificationForm(ReasonForm):
    """For which rollout."""

    rollout = RolloutField()
    field_order = ["rollout", "reason"]


def _start(_: None, actor: Actor, said: dict[str, Any]) -> Done:
    run = verification.start(said["rollout"].key, by=actor, reason=said["reason"])
    return Done(
        f"{run} has been asked for; a worker carries it out.",
        at=reverse("admin:drills_verificationrun_change", args=[run.pk]),
    )


def _effects(_: None) -> list[str]:
    hosts = list(VerificationHost.objects.all()[:20])
    if not hosts:
        return ["No drills worker has said yet what its verification file holds."]
    said = []
    for host in hosts:
        names = ", ".join(check["name"] for check in host.checks)
        said.append(f"{host}: {host.error or f'{names} ({host.sandbox})'}")
    return [
        "A drills worker carries out every check of the file on its host, one after "
        "the other, and keeps what each said.",
        *said,
        "If one fails, no stage of the rollout moves on until a run has passed.",
    ]


@admin.register(VerificationRun)
class VerificationRunAdmin(GovernedAdmin):
    """What was verified, when, and what each command said."""

    list_display = ["id", "state", "rollout", "says", "asked_by", "asked_at"]
    list_display_links = ["id", "state"]
    list_filter = ["rollout", "verdict__has_passed"]
    search_fields = ["=id", "reason", "verdict__says"]
    list_select_related = ["rollout", "asked_by", "verdict"]
    change_form_template = "drills/verification.html"
    empty_says = "Nothing was verified so far. Run the verification with the button."
    acts = (
        Act(
            name="start",
            title="Run the verification",
            may=May.RUN_VERIFICATION,
            perform=_start,
            form=VerificationForm,
            is_on_list=True,
            effects=_effects,
        ),
    )

    @admin.display(description="state")
    def state(self, run: VerificationRun) -> str:
        verdict = getattr(run, "verdict", None)
        mark, word = STATES[verdict.has_passed if verdict else None]
        return format_html('<span class="nowrap">{} {}</span>', mark, word)

    @admin.display(description="says")
    def says(self, run: VerificationRun) -> str:
        return getattr(getattr(run, "verdict", None), "says", "")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        shown = _page_of(run) if run else {}
        context = {
            **(extra_context or {}),
            **shown,
            "stream_url": stream_url(request),
        }
        return super().change_view(request, object_id, form_url, context)


def _page_of(run: VerificationRun) -> dict[str, Any]:
    verdict = getattr(run, "verdict", None)
    planned = {each["name"]: each for each in verdict.suite} if verdict else {}
    results = [
        {"result": each, "check": planned.get(each.name)} for each in run.results.all()
    ]
    missing = set(planned) - {each["result"].name for each in results}
    mark, word = STATES[verdict.has_passed if verdict else None]
    return {
        "run": run,
        "verdict": verdict,
        "state": f"{mark} {word}",
        "results": results,
        "missing": sorted(missing),
    }


@admin.register(VerificationHost)
class VerificationHostAdmin(GovernedAdmin):
    """What each host of drills workers has in its verification file."""

    list_display = ["name", "error", "sandbox", "digest", "looked_at"]
    list_filter = ["sandbox"]
    search_fields = ["name", "=digest", "error"]
    empty_says = "No drills worker has looked at its verification file yet."
