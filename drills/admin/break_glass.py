"""Break-glass: asked for on the page of an incident, ended and reviewed here."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from drills.domain.break_glass import LONGEST, REVIEW_WITHIN, SAYS, USUAL, Precaution
from drills.domain.incidents import Kind
from drills.models import BreakGlass, Incident
from drills.services import break_glass
from portal import clock
from portal.admin.acts import Act, ReasonForm
from portal.admin.approvals import Explained, explain
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May
from portal.models import Actor, Approval

NEVER = (
    "Never passed over: the switch, a freeze, the evidence, the drills, who is on "
    "call, failures that nobody has looked at. A plan that goes on by itself waits."
)


class BreakForm(ReasonForm):
    """What to pass over, and for how long."""

    precautions = forms.MultipleChoiceField(
        label="Go on although",
        choices=[(str(each), says) for each, says in SAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Say what is to be passed over."},
    )
    minutes = forms.IntegerField(
        label="For how many minutes",
        min_value=1,
        max_value=int(LONGEST.total_seconds() / 60),
        initial=int(USUAL.total_seconds() / 60),
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    field_order = ["precautions", "minutes", "reason"]


class ReviewForm(ReasonForm):
    """Whether it was right."""

    finding = forms.CharField(
        label="What you have found",
        max_length=4000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="Was it an emergency? What was done meanwhile? What has to change?",
        error_messages={"required": "Say what you have found."},
    )
    field_order = ["finding", "reason"]


def _ask(incident: Incident, actor: Actor, said: dict[str, Any]) -> str:
    break_glass.request_breaking(
        incident.pk,
        said["precautions"],
        timedelta(minutes=said["minutes"]),
        by=actor,
        reason=said["reason"],
    )
    return "Asked for; another person confirms it under Approvals within an hour."


def _end(broken: BreakGlass, actor: Actor, said: dict[str, Any]) -> str:
    break_glass.end(broken.pk, by=actor, reason=said["reason"])
    return "Every precaution counts again."


def _review(broken: BreakGlass, actor: Actor, said: dict[str, Any]) -> str:
    break_glass.review(broken.pk, said["finding"], by=actor, reason=said["reason"])
    return "Reviewed."


def _consequences() -> list[str]:
    hours = int(REVIEW_WITHIN.total_seconds() / 3600)
    return [
        "A promotion still takes two people and the evidence of its stage.",
        NEVER,
        f"A third person reviews it within {hours} hours. While that review is late, "
        "nothing is exposed to more.",
    ]


def _told(approval: Approval) -> list[str]:
    words = [SAYS[Precaution(each)] for each in approval.payload["precautions"]]
    return [
        f"For {approval.payload['minutes']} minutes a stage can be promoted although "
        f"{' and '.join(words)}.",
        *_consequences(),
    ]


explain(break_glass.BREAK, Explained(_told))

INCIDENT_ACT = Act(
    name="break_glass",
    title="Ask to break the glass",
    may=May.REQUEST_EXPOSURE,
    perform=_ask,
    form=BreakForm,
    is_dangerous=True,
    hidden=lambda incident, actor: incident.is_over or incident.kind != Kind.REAL,
    effects=lambda incident: [
        "Nothing changes until another person has confirmed it, within an hour.",
        *_consequences(),
    ],
)


@admin.register(BreakGlass)
class BreakGlassAdmin(GovernedAdmin):
    """Precautions that two people have passed over, and what a third says of it."""

    list_display = [
        "__str__",
        "state",
        "incident",
        "asked_by",
        "confirmed_by",
        "begun_at",
        "expires_at",
        "review",
    ]
    list_filter = [("reviewed_at", admin.EmptyFieldListFilter), "rollout"]
    search_fields = ["reason", "finding", "asked_by__username"]
    list_select_related = ["incident", "asked_by", "confirmed_by", "reviewed_by"]
    empty_says = (
        "No glass was ever broken. It is asked for on the page of an incident; towards "
        "safety nobody needs it."
    )
    fields = [
        "state",
        "incident",
        "precautions",
        "reason",
        "asked_by",
        "confirmed_by",
        "begun_at",
        "expires_at",
        "ended_at",
        "ended_by",
        "review",
        "reviewed_by",
        "reviewed_at",
        "finding",
    ]
    readonly_fields = ["state", "review"]
    acts = (
        Act(
            name="end",
            title="End it now",
            may=May.HOLD,
            perform=_end,
            hidden=lambda broken, actor: not break_glass.is_in_force(broken),
            effects=lambda broken: ["Every precaution counts again, at once."],
        ),
        Act(
            name="review",
            title="Review",
            may=May.WORK_INCIDENT,
            perform=_review,
            form=ReviewForm,
            hidden=lambda broken, actor: (
                broken.reviewed_at is not None
                or break_glass.is_in_force(broken)
                or actor.person_behind is None
                or actor.person_behind.pk
                in (broken.asked_by_id, broken.confirmed_by_id)
            ),
            effects=lambda broken: [
                f"{broken.asked_by} and {broken.confirmed_by} broke it: "
                f"{broken.reason}",
                f"It stands in the timeline of {broken.incident}; its task is done.",
            ],
        ),
    )

    @admin.display(description="state")
    def state(self, broken: BreakGlass) -> str:
        said = "■ in force" if break_glass.is_in_force(broken) else "over"
        return format_html('<span class="nowrap">{}</span>', said)

    @admin.display(description="review")
    def review(self, broken: BreakGlass) -> str:
        if broken.reviewed_by is not None:
            return f"✓ by {broken.reviewed_by}"
        late = broken.review_due_at <= clock.now()
        due = f"{broken.review_due_at:%Y-%m-%d %H:%M} UTC"
        return f"✗ late, was due {due}" if late else f"due {due}"
