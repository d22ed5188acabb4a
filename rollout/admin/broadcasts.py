"""Asking the same of all open runs of a scope."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal.admin.acts import Act, Done, ReasonForm, Shown
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor
from rollout.admin.directives import EFFECTS, TITLES
from rollout.domain.directives import DirectiveKind
from rollout.domain.runs import RunStage
from rollout.models import Broadcast, Rollout
from rollout.services import broadcasts

MOST_COUNTED = 100_000


class ScopeForm(ReasonForm):
    kind = forms.ChoiceField(
        label="Ask them to",
        choices=[(str(kind), TITLES[kind]) for kind in DirectiveKind],
        widget=UnfoldAdminSelectWidget(),
    )
    team = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Only the runs of this team; empty: of all teams.",
    )
    stage = forms.ChoiceField(
        label="Run stage",
        required=False,
        choices=[("", "any"), *((str(stage), str(stage)) for stage in RunStage)],
        widget=UnfoldAdminSelectWidget(),
        help_text="Only the runs that are in this stage of their own.",
    )
    field_order = ["kind", "team", "stage", "reason"]


def _scope(said: dict[str, Any]) -> dict[str, str]:
    return {name: said[name] for name in ("team", "stage") if said[name]}


def _foresee(rollout: Rollout, actor: Actor, said: dict[str, Any]) -> Shown:
    scope = _scope(said)
    meant = broadcasts.runs_in(rollout, scope)[:MOST_COUNTED].count()
    kind = DirectiveKind(said["kind"])
    data = {"meant": meant, "title": TITLES[kind], "effects": EFFECTS[kind]}
    # Not the number: runs come and go while somebody reads.
    mark = f"{kind} {sorted(scope.items())} {meant > 0}"
    return Shown("rollout/broadcast.html", data, mark)


def _ask_all(rollout: Rollout, actor: Actor, said: dict[str, Any]) -> Done:
    broadcast, issued = broadcasts.ask_all(
        rollout.key, said["kind"], _scope(said), by=actor, reason=said["reason"]
    )
    rest = "" if broadcast.done_at else " The others are asked by and by."
    return Done(f"{len(issued)} runs are asked: {broadcast.kind}.{rest}")


ROLLOUT_ACTS = (
    Act(
        name="ask_all",
        title="Ask all runs",
        may=May.DIRECT_RUN,
        perform=_ask_all,
        form=ScopeForm,
        is_dangerous=True,
        foresee=_foresee,
        effects=lambda rollout: [
            "Runs that are open when you confirm are asked; later ones are not.",
            "Many runs are asked in batches, so that nobody else has to wait.",
        ],
        done_as="Ask them",
    ),
)


@admin.register(Broadcast)
class BroadcastAdmin(GovernedAdmin):
    """Directives to all runs of a scope, and how far they have come."""

    list_display = [
        "__str__",
        "rollout",
        "directed",
        "asked_by",
        "asked_at",
        "done_at",
    ]
    list_filter = ["kind", "rollout"]
    search_fields = ["reason"]
    empty_says = (
        "Runs were never asked all at once. That is done on the page of the rollout: "
        "Ask all runs."
    )
    list_select_related = ["rollout", "asked_by"]
