"""Who is told of what: webhooks, chat and e-mail."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.notifications import EndpointKind, EndpointState, Severity
from portal.domain.roles import May
from portal.domain.webhooks import OVERLAP
from portal.models import Actor, Endpoint
from portal.services import endpoints, notifications

TAKES = {
    EndpointKind.WEBHOOK: "a webhook: JSON, signed (Standard Webhooks)",
    EndpointKind.SLACK: "chat: what Slack and those like it take",
    EndpointKind.EMAIL: "e-mail to one address",
    EndpointKind.APPROVERS: "e-mail to whoever can confirm what was asked for",
}
WEIGHS = {
    Severity.INFO: "everything",
    Severity.WARNING: "warnings and what is critical",
    Severity.CRITICAL: "only what is critical",
}


class FilterForm(ReasonForm):
    """Which events an endpoint wants."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    events = forms.CharField(
        initial="*",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="By spaces or lines: *, a family (stage.*), or single events.",
    )
    rollout = forms.SlugField(
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Only what is about this rollout. Empty: every one that is live.",
    )
    at_least = forms.ChoiceField(
        label="How much it has to matter",
        choices=[(str(each), says) for each, says in WEIGHS.items()],
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pointers = {
            f"/{name}": name for name in ("name", "target", "events", "rollout")
        }


class NewEndpointForm(FilterForm):
    """Whom to tell, and of what."""

    kind = forms.ChoiceField(
        choices=[(str(each), says) for each, says in TAKES.items()],
        widget=UnfoldAdminSelectWidget(),
    )
    target = forms.CharField(
        label="Address",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="A URL that begins with https://, or an e-mail address. Kept "
        "encrypted; not given where whoever can confirm is told.",
    )
    field_order = ["name", "kind", "target", "events", "rollout", "at_least", "reason"]


class EditEndpointForm(FilterForm):
    """What is to be different."""

    target = forms.CharField(
        label="New address",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: as it is.",
    )
    field_order = ["name", "target", "events", "rollout", "at_least", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.subject is not None:
            self.initial |= {
                "name": self.subject.name,
                "events": " ".join(self.subject.events),
                "rollout": self.subject.rollout,
                "at_least": self.subject.at_least,
            }


def _filter_of(said: dict[str, Any]) -> dict[str, Any]:
    """The filter of a form, as the acts take it."""
    return {
        "events": said["events"].replace(",", " ").split(),
        "rollout": said["rollout"],
        "at_least": Severity(said["at_least"]),
    }


def _create(_: None, actor: Actor, said: dict[str, Any]) -> str:
    made = endpoints.create(
        said["name"],
        EndpointKind(said["kind"]),
        target=said["target"],
        by=actor,
        reason=said["reason"],
        **_filter_of(said),
    )
    secret = f" Its secret is {made.secret} (shown only now)." if made.secret else ""
    return f"{made.endpoint} is told from now on.{secret}"


def _edit(endpoint: Endpoint, actor: Actor, said: dict[str, Any]) -> str:
    endpoints.edit(
        endpoint.pk,
        name=said["name"],
        target=said["target"] or None,
        by=actor,
        reason=said["reason"],
        **_filter_of(said),
    )
    return "This is how it is told from now on."


def _rotate(endpoint: Endpoint, actor: Actor, said: dict[str, Any]) -> str:
    made = endpoints.rotate_secret(endpoint.pk, by=actor, reason=said["reason"])
    return f"The new secret is {made.secret} (shown only now)."


def _disable(endpoint: Endpoint, actor: Actor, said: dict[str, Any]) -> str:
    endpoints.disable(endpoint.pk, by=actor, reason=said["reason"])
    return "It is told nothing more."


def _enable(endpoint: Endpoint, actor: Actor, said: dict[str, Any]) -> str:
    endpoints.enable(endpoint.pk, by=actor, reason=said["reason"])
    return "It is told of what happens from now on."


def _test(endpoint: Endpoint, actor: Actor, said: dict[str, Any]) -> str:
    sent = endpoints.test(endpoint.pk, by=actor, reason=said["reason"])
    return f"A test is under way as {sent.uuid}; see Deliveries."


def _events(_: Any) -> list[str]:
    known = ", ".join(notifications.names())
    return [
        f"Events are: {known}.",
        "What is sent names the event, its subject, who did it and why; secrets in it "
        "are made unreadable.",
    ]


def _is_off(endpoint: Endpoint, actor: Actor) -> bool:
    return endpoint.state != EndpointState.ACTIVE


@admin.register(Endpoint)
class EndpointAdmin(GovernedAdmin):
    """Somebody who is told of events."""

    list_display = [
        "name",
        "kind",
        "shown",
        "state",
        "events",
        "rollout",
        "at_least",
        "failing_since",
        "because",
    ]
    list_filter = ["state", "kind"]
    search_fields = ["name", "shown"]
    empty_says = "Nobody is told of anything yet."
    fields = [
        "name",
        "kind",
        "shown",
        "state",
        "because",
        "events",
        "rollout",
        "at_least",
        "created_at",
        "failing_since",
        "failures",
        "rests_until",
        "old_secret_until",
    ]
    acts = (
        Act(
            name="create",
            title="Tell somebody",
            may=May.MANAGE_ENDPOINTS,
            perform=_create,
            form=NewEndpointForm,
            is_on_list=True,
            effects=_events,
        ),
        Act(
            name="test",
            title="Test it",
            may=May.MANAGE_ENDPOINTS,
            perform=_test,
            hidden=_is_off,
            effects=lambda endpoint: ["It gets a message that means nothing."],
        ),
        Act(
            name="edit",
            title="Edit",
            may=May.MANAGE_ENDPOINTS,
            perform=_edit,
            form=EditEndpointForm,
            effects=_events,
        ),
        Act(
            name="rotate_secret",
            title="New secret",
            may=May.MANAGE_ENDPOINTS,
            perform=_rotate,
            hidden=lambda endpoint, actor: endpoint.kind != EndpointKind.WEBHOOK,
            effects=lambda endpoint: [
                "The new secret is shown once.",
                f"For another {OVERLAP.total_seconds() / 3600:.0f} hours the secret of "
                "now signs as well; the one before it does not any more.",
            ],
        ),
        Act(
            name="disable",
            title="Disable",
            may=May.MANAGE_ENDPOINTS,
            perform=_disable,
            is_dangerous=True,
            hidden=lambda endpoint, actor: endpoint.state == EndpointState.DISABLED,
            effects=lambda endpoint: [
                "It is told nothing more.",
                "What waits for it is dropped; it can be delivered again later.",
            ],
        ),
        Act(
            name="enable",
            title="Enable",
            may=May.MANAGE_ENDPOINTS,
            perform=_enable,
            hidden=lambda endpoint, actor: endpoint.state == EndpointState.ACTIVE,
            effects=lambda endpoint: [
                "It is told of what happens from now on.",
                "What was dropped meanwhile stays dropped, unless it is delivered "
                "again.",
            ],
        ),
    )
