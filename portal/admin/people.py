"""People and their roles."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal import clock
from portal.admin.acts import Act, ReasonForm, ShownOnce
from portal.admin.approvals import Explained, explain, takes_two
from portal.admin.governed import GovernedAdmin
from portal.domain.roles import GRANTS, May, Role
from portal.models import Actor, Approval, Person, RoleGrant
from portal.services import people, second_factors
from portal.welcome import address_of


class InviteForm(ReasonForm):
    username = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget())
    full_name = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget()
    )
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget())
    field_order = ["username", "full_name", "email", "reason"]


class CorrectForm(ReasonForm):
    full_name = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget()
    )
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget())
    field_order = ["full_name", "email", "reason"]

    def __init__(self, *args: Any, subject: Person, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.fields["full_name"].initial = subject.full_name
        self.fields["email"].initial = subject.email


class RoleForm(ReasonForm):
    role = forms.ChoiceField(
        choices=[(role.value, role.value) for role in Role],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["role", "reason"]


def _link(person: Person) -> ShownOnce:
    return ShownOnce(
        f"A one-time link for {person}",
        address_of(person),
        (
            f"Give it to {person} in person, or by a way that nobody else reads.",
            "It lets them choose a password once, within a day.",
            "Another link ends this one as soon as a password was chosen or reset.",
        ),
    )


def _invite(_: None, actor: Actor, said: dict[str, Any]) -> ShownOnce:
    person = people.invite(
        said["username"],
        by=actor,
        reason=said["reason"],
        full_name=said["full_name"],
        email=said["email"],
    )
    return _link(person)


def _granting(approval: Approval) -> list[str]:
    role = Role(approval.payload["role"])
    acts = ", ".join(sorted(str(each).replace("_", " ") for each in GRANTS[role]))
    return [f"{approval.subject_name} gets the role {role}: {acts}."]


explain(people.GRANT_ROLE, Explained(_granting))


def _reset(person: Person, actor: Actor, said: dict[str, Any]) -> ShownOnce:
    return _link(people.reset_password(person.pk, by=actor, reason=said["reason"]))


def _correct(person: Person, actor: Actor, said: dict[str, Any]) -> str:
    people.correct(
        person.pk,
        full_name=said["full_name"],
        email=said["email"],
        by=actor,
        reason=said["reason"],
    )
    return "Put right; what was written before keeps the name of its time."


def _remove_factor(person: Person, actor: Actor, said: dict[str, Any]) -> str:
    second_factors.remove(person.pk, by=actor, reason=said["reason"])
    return f"{person} signs in with the password alone, and can enrol again."


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


def _is_gone_or_oneself(person: Person, actor: Actor) -> bool:
    return not person.is_active or person == actor.person_behind


# Roles are granted by two people, and by nothing else.
admin.site.unregister(Group)


@admin.register(Person)
class PersonAdmin(GovernedAdmin):
    """Who can sign in."""

    list_display = [
        "username",
        "full_name",
        "held_roles",
        "signs",
        "has_second_factor",
        "is_active",
        "date_joined",
    ]
    list_filter = [
        "is_active",
        "role_grants__role",
        ("second_factor_since", admin.EmptyFieldListFilter),
    ]
    search_fields = ["username", "full_name", "email"]
    empty_says = (
        "Nobody is here. The first administrator is made on the host: manage.py "
        "create_person."
    )
    fields = [
        "username",
        "full_name",
        "email",
        "roles_in_full",
        "may_do",
        "asked_for",
        "is_active",
        "second_factor_since",
        "credentials_reset_at",
        "must_change_password",
        "time_zone",
        "date_joined",
    ]
    readonly_fields = ["roles_in_full", "may_do", "asked_for"]
    help_texts = {  # in the place of those that come with Django
        "username": "What they sign in with; it never changes.",
        "is_active": "Who has left is deactivated; what they did keeps their name.",
    }
    acts = (
        Act(
            name="invite",
            title="Invite a person",
            may=May.MANAGE_ACCESS,
            perform=_invite,
            form=InviteForm,
            is_on_list=True,
            effects=lambda _: [
                "You get a link for them, good once and for a day; they choose their "
                "password by it.",
                "They have no role yet.",
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
                *takes_two(people.GRANT_ROLE, person),
                "A role younger than 24 hours cannot sign a gate.",
            ],
        ),
        Act(
            name="reset_password",
            title="Reset the password",
            may=May.MANAGE_ACCESS,
            perform=_reset,
            hidden=_is_gone_or_oneself,
            effects=lambda person: [
                f"{person} is signed out everywhere, and the password lets nobody in.",
                "You get a link for them, good once and for a day.",
                f"{person} signs nothing for a day.",
            ],
        ),
        Act(
            name="remove_second_factor",
            title="Take the second factor off",
            may=May.MANAGE_ACCESS,
            perform=_remove_factor,
            needs_password=True,
            is_dangerous=True,
            hidden=lambda person, actor: (
                person.second_factor_since is None or person == actor.person_behind
            ),
            effects=lambda person: [
                "For whoever has lost telephone and recovery codes: make sure that it "
                f"is {person} who asks.",
                "The password alone lets them in until they enrol again.",
                f"{person} signs nothing for a day.",
            ],
        ),
        Act(
            name="correct",
            title="Put name or e-mail right",
            may=May.MANAGE_ACCESS,
            perform=_correct,
            form=CorrectForm,
            effects=lambda person: [
                "The ledger keeps the name that was written with each line."
            ],
        ),
        Act(
            name="deactivate",
            title="Deactivate",
            may=May.MANAGE_ACCESS,
            perform=_deactivate,
            is_dangerous=True,
            hidden=_is_gone_or_oneself,
            effects=lambda person: [
                f"{person} and all tokens that {person} owns are locked out at once.",
                "Everything that they did keeps their name.",
            ],
        ),
    )

    def get_urls(self) -> list:
        who_may = path(
            "who-may/", self.admin_site.admin_view(self.who_may), name="who_may"
        )
        return [who_may, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        return super().get_queryset(request).prefetch_related("role_grants")

    def who_may(self, request: HttpRequest) -> HttpResponse:
        """Who may do what: every act, the roles that may, and who holds them."""
        held: dict[Role, list[Person]] = {role: [] for role in Role}
        for grant in RoleGrant.objects.filter(
            revoked_at=None, person__is_active=True
        ).select_related("person"):
            held[Role(grant.role)].append(grant.person)
        context = {
            **self.admin_site.each_context(request),
            "title": "Who may do what",
            "opts": self.opts,
            "roles": list(held.items()),
            "rows": [
                (str(act).replace("_", " "), [act in GRANTS[role] for role in Role])
                for act in May
            ],
        }
        return TemplateResponse(request, "portal/who_may.html", context)

    def get_form(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> type[forms.Form]:
        return super().get_form(request, *args, **kwargs, help_texts=self.help_texts)

    @admin.display(description="roles")
    def held_roles(self, person: Person) -> str:
        return ", ".join(sorted(grant.role for grant in _held(person))) or "none"

    @admin.display(description="signs")
    def signs(self, person: Person) -> str:
        """From when on their newest role counts for a signature."""
        waits = [people.signs_from(grant) for grant in _held(person)]
        if not waits or max(waits) <= clock.now():
            return "now" if waits else "never: no role"
        return f"all roles from {max(waits):%Y-%m-%d %H:%M} UTC"

    @admin.display(description="second factor", boolean=True)
    def has_second_factor(self, person: Person) -> bool:
        return person.second_factor_since is not None

    @admin.display(description="roles")
    def roles_in_full(self, person: Person) -> SafeString:
        lines = [_told(grant) for grant in _held(person)]
        return _lines(lines, "none: this person reads nothing")

    @admin.display(description="may")
    def may_do(self, person: Person) -> str:
        if not person.is_active:
            return "nothing: locked out"
        acts = frozenset[May]().union(*(GRANTS[role] for role in person.roles))
        said = [str(act).replace("_", " ") for act in May if act in acts]
        return ", ".join(said) or "nothing"

    @admin.display(description="asked for")
    def asked_for(self, person: Person) -> SafeString:
        pending = Approval.objects.filter(
            act=people.GRANT_ROLE, subject_id=str(person.pk), state="pending"
        ).select_related("requester")
        return (
            format_html_join(
                "",
                '<p><a href="{}">the role {}</a>, asked for by {}</p>',
                (
                    (
                        reverse("admin:portal_approval_change", args=[each.pk]),
                        each.payload["role"],
                        each.requester,
                    )
                    for each in pending
                ),
            )
            or "nothing"
        )


def _held(person: Person) -> list[RoleGrant]:
    found = [grant for grant in person.role_grants.all() if grant.revoked_at is None]
    for grant in found:
        grant.person = person
    return found


def _told(grant: RoleGrant) -> str:
    """A role, since when, from whom, and from when on it signs."""
    who = "set at the installation"
    if not grant.at_installation:
        who = f"given by {grant.granted_by}, confirmed by {grant.confirmed_by}"
    says = f"{grant.role} since {grant.granted_at:%Y-%m-%d %H:%M} UTC, {who}"
    signs = people.signs_from(grant)
    if signs > clock.now():
        says += f"; signs from {signs:%Y-%m-%d %H:%M} UTC on"
    return says


def _lines(lines: list[str], otherwise: str) -> SafeString | str:
    return format_html_join("", "<p>{}</p>", ((each,) for each in lines)) or otherwise


@admin.register(RoleGrant)
class RoleGrantAdmin(GovernedAdmin):
    """Which roles people hold, and who gave them."""

    list_display = ["person", "role", "granted_at", "granted_by", "revoked_at"]
    list_filter = ["role", "at_installation"]
    search_fields = ["person__username", "person__full_name"]
    empty_says = "Nobody holds a role. Ask for one on the page of a person."
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
