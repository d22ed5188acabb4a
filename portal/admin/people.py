"""People, their roles and their tokens."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal.admin.acts import Act, ReasonForm
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import May, Role, Scope
from portal.models import Actor, ApiToken, Person, RoleGrant
from portal.services import people, tokens


class InviteForm(ReasonForm):
    username = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget())
    full_name = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget()
    )
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget())
    field_order = ["username", "full_name", "email", "reason"]


class RoleForm(ReasonForm):
    role = forms.ChoiceField(
        choices=[(role.value, role.value) for role in Role],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["role", "reason"]


def _invite(_: None, actor: Actor, said: dict[str, Any]) -> str:
    password = people.new_one_time_password()
    person = people.invite(
        said["username"],
        by=actor,
        reason=said["reason"],
        full_name=said["full_name"],
        email=said["email"],
        password=password,
    )
    return f"{person} can sign in once with the password {password} (shown only now)."


def _reset(person: Person, actor: Actor, said: dict[str, Any]) -> str:
    password = people.new_one_time_password()
    people.change_password(person.pk, password, by=actor, reason=said["reason"])
    return f"{person} can sign in once with the password {password} (shown only now)."


def _deactivate(person: Person, actor: Actor, said: dict[str, Any]) -> str:
    people.deactivate(person.pk, by=actor, reason=said["reason"])
    return f"{person} is locked out."


def _request_role(person: Person, actor: Actor, said: dict[str, Any]) -> str:
    people.request_role(person.pk, Role(said["role"]), by=actor, reason=said["reason"])
    return (
        f"Asked that {person} becomes {said['role']}; "
        "another administrator or an architect confirms it."
    )


def _revoke_role(grant: RoleGrant, actor: Actor, said: dict[str, Any]) -> str:
    people.revoke_role(
        grant.person_id, Role(grant.role), by=actor, reason=said["reason"]
    )
    return f"{grant.person} is {grant.role} no more."


@admin.register(Person)
class PersonAdmin(GovernedAdmin):
    """Who can sign in."""

    list_display = ["username", "full_name", "held_roles", "is_active", "date_joined"]
    list_filter = ["is_active", "role_grants__role"]
    search_fields = ["username", "full_name", "email"]
    fields = [
        "username",
        "full_name",
        "email",
        "held_roles",
        "is_active",
        "must_change_password",
        "time_zone",
        "date_joined",
    ]
    readonly_fields = ["held_roles"]
    acts = (
        Act(
            name="invite",
            title="Invite a person",
            may=May.MANAGE_ACCESS,
            perform=_invite,
            form=InviteForm,
            is_on_list=True,
            effects=lambda _: [
                "They get a password for one sign-in, and no role yet.",
                "Roles are granted by two people.",
            ],
        ),
        Act(
            name="request_role",
            title="Ask for a role",
            may=May.MANAGE_ACCESS,
            perform=_request_role,
            form=RoleForm,
            hidden=lambda person, actor: person == actor.person_behind,
            effects=lambda person: [
                f"{person} gets the role once a second person has confirmed it.",
                "A role younger than 24 hours cannot sign a gate.",
            ],
        ),
        Act(
            name="reset_password",
            title="New one-time password",
            may=May.MANAGE_ACCESS,
            perform=_reset,
            effects=lambda person: [f"{person} is signed out everywhere."],
        ),
        Act(
            name="deactivate",
            title="Deactivate",
            may=May.MANAGE_ACCESS,
            perform=_deactivate,
            is_dangerous=True,
            hidden=lambda person, actor: (
                not person.is_active or person == actor.person_behind
            ),
            effects=lambda person: [
                f"{person} and all tokens that {person} owns are locked out at once.",
                "Everything that they did keeps their name.",
            ],
        ),
    )

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("role_grants")

    @admin.display(description="roles")
    def held_roles(self, person: Person) -> str:
        held = [g.role for g in person.role_grants.all() if g.revoked_at is None]
        return ", ".join(sorted(held)) or "none"


@admin.register(RoleGrant)
class RoleGrantAdmin(GovernedAdmin):
    """Which roles people hold, and who gave them."""

    list_display = ["person", "role", "granted_at", "granted_by", "revoked_at"]
    list_filter = ["role", "at_installation"]
    search_fields = ["person__username", "person__full_name"]
    list_select_related = ["person", "granted_by"]
    acts = (
        Act(
            name="revoke",
            title="Revoke this role",
            may=May.MANAGE_ACCESS,
            perform=_revoke_role,
            is_dangerous=True,
            hidden=lambda grant, actor: grant.revoked_at is not None,
            effects=lambda grant: [
                f"{grant.person} is {grant.role} no more, from their next click on."
            ],
        ),
    )


class TokenForm(ReasonForm):
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    owner = forms.ModelChoiceField(
        Person.objects.filter(is_active=True),
        widget=UnfoldAdminSelectWidget(),
        help_text="Who answers for what it does.",
    )
    rollout = forms.SlugField(
        widget=UnfoldAdminTextInputWidget(), help_text="Good for this rollout only."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
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


def _create_token(_: None, actor: Actor, said: dict[str, Any]) -> str:
    made = tokens.create(
        said["name"],
        owner=said["owner"],
        scopes=said["scopes"],
        by=actor,
        reason=said["reason"],
        rollout=said["rollout"],
        life=timedelta(days=said["days"]),
    )
    return f"The token is {made.text} (shown only now)."


def _rotate_token(token: ApiToken, actor: Actor, said: dict[str, Any]) -> str:
    made = tokens.rotate(token.pk, by=actor, reason=said["reason"])
    return f"The successor is {made.text} (shown only now)."


def _revoke_token(token: ApiToken, actor: Actor, said: dict[str, Any]) -> str:
    tokens.revoke(token.pk, by=actor, reason=said["reason"])
    return f"{token} lets nobody in any more."


@admin.register(ApiToken)
class ApiTokenAdmin(GovernedAdmin):
    """What services show to be let in."""

    list_display = [
        "name",
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
    exclude = ["keyed_hash"]
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
                "The old token works for another 24 hours at most.",
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
