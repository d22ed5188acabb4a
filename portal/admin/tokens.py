"""API tokens: made once, shown once."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal import clock
from portal.admin.acts import Act, ReasonForm, ShownOnce
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import SCOPE_GRANTS, May, Scope
from portal.models import Actor, ApiToken, Person
from portal.services import tokens

SOON = timedelta(days=7)
ROLLOUTS: list[Callable[[], Iterable[str]]] = []  # the keys of what there is; apps add


def _scope_in_words(scope: Scope) -> str:
    """A scope with what it lets a service do."""
    acts = (act.replace("_", " ") for act in sorted(SCOPE_GRANTS[scope]))
    return f"{scope}: {', '.join(acts)}"


class TokenForm(ReasonForm):
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    owner = forms.ModelChoiceField(
        Person.objects.filter(is_active=True),
        empty_label="Choose somebody",
        widget=UnfoldAdminSelectWidget(),
        help_text="Who answers for what it does.",
    )
    rollout = forms.SlugField(
        widget=UnfoldAdminTextInputWidget(), help_text="Good for this rollout only."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, _scope_in_words(scope)) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=tokens.LONGEST_LIFE.days,
        initial=tokens.DEFAULT_LIFE.days,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Until it expires.",
    )
    field_order = ["name", "owner", "rollout", "scopes", "days", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("rollout", next(iter(_rollouts()), ""))

    def clean_rollout(self) -> str:
        key, known = self.cleaned_data["rollout"], _rollouts()
        if known and key not in known:
            raise forms.ValidationError(
                f"There is no rollout {key!r}; there is {', '.join(known)}."
            )
        return key


def _rollouts() -> list[str]:
    return [key for source in ROLLOUTS for key in source()]


def _token_shown(made: tokens.NewToken) -> ShownOnce:
    token = made.token
    return ShownOnce(
        f"The token {token.name}",
        made.text,
        (
            f"Good for {token.rollout or 'every rollout'}, until "
            f"{token.expires_at:%Y-%m-%d %H:%M} UTC; {token.owner} answers for it.",
            f"Scopes: {', '.join(token.scopes)}.",
            "A service sends it as: Authorization: Bearer …",
        ),
    )


def _create_token(_: None, actor: Actor, said: dict[str, Any]) -> ShownOnce:
    made = tokens.create(
        said["name"],
        owner=said["owner"],
        scopes=said["scopes"],
        by=actor,
        reason=said["reason"],
        rollout=said["rollout"],
        life=timedelta(days=said["days"]),
    )
    return _token_shown(made)


def _rotate_token(token: ApiToken, actor: Actor, said: dict[str, Any]) -> ShownOnce:
    made = tokens.rotate(token.pk, by=actor, reason=said["reason"])
    return _token_shown(made)


def _revoke_token(token: ApiToken, actor: Actor, said: dict[str, Any]) -> str:
    tokens.revoke(token.pk, by=actor, reason=said["reason"])
    return f"{token} lets nobody in any more."


@admin.register(ApiToken)
class ApiTokenAdmin(GovernedAdmin):
    """What services show to be let in."""

    list_display = [
        "name",
        "state",
        "shown",
        "owner",
        "rollout",
        "scopes",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]
    list_filter = ["rollout"]
    search_fields = ["name", "shown", "owner__username"]
    list_select_related = ["owner"]
    empty_says = (
        "Nobody but people is let in. A service is with a token: make one here."
    )
    fields = [
        "name",
        "state",
        "shown",
        "owner",
        "rollout",
        "lets",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "replaces",
        "replaced_with",
    ]
    readonly_fields = ["state", "lets", "replaced_with"]
    acts = (
        Act(
            name="create",
            title="Make a token",
            may=May.MANAGE_ACCESS,
            perform=_create_token,
            form=TokenForm,
            is_on_list=True,
            effects=lambda _: ["The token is shown once; only its hash is kept."],
        ),
        Act(
            name="rotate",
            title="Make a successor",
            may=May.MANAGE_ACCESS,
            perform=_rotate_token,
            hidden=lambda token, actor: token.revoked_at is not None,
            effects=lambda token: [
                "The successor has the same scopes.",
                "The old token works for another 24 hours at most: time to put the "
                "successor in its place.",
            ],
        ),
        Act(
            name="revoke",
            title="Revoke",
            may=May.MANAGE_ACCESS,
            perform=_revoke_token,
            is_dangerous=True,
            hidden=lambda token, actor: token.revoked_at is not None,
            effects=lambda token: ["It lets nobody in from the next request on."],
        ),
    )

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        now = clock.now()
        if token.revoked_at is not None:
            said = "✗ revoked"
        elif not token.owner.is_active:
            said = "✗ its owner has left"
        elif token.expires_at <= now:
            said = "✗ expired"
        elif token.expires_at - now <= SOON:
            said = "■ good, ends soon"
        else:
            said = "✓ good"
        return format_html('<span class="nowrap">{}</span>', said)

    @admin.display(description="lets a service")
    def lets(self, token: ApiToken) -> str:
        return "; ".join(_scope_in_words(Scope(name)) for name in token.scopes)

    @admin.display(description="replaced by")
    def replaced_with(self, token: ApiToken) -> str:
        return ", ".join(map(str, token.replaced_by.all())) or "nothing"
