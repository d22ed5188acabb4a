"""Signing in: the password, then a code where there is a second factor."""

import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.forms import AuthenticationForm

from portal.models import Person
from portal.proving import code_field
from portal.services import people, second_factors
from portal.sessions import actor_of

HALF_WAY = "signing_in"  # whose password was right, for as long as they look for a code
HALF_WAY_S = 300


class CodeNeeded(Exception):
    """The password was right, and there is a second factor; not an answer yet."""

    def __init__(self, person: Person) -> None:
        super().__init__(str(person))
        self.person = person


class SignIn(AuthenticationForm):
    """The first step; whoever has a second factor is not in after it."""

    def confirm_login_allowed(self, user: Person) -> None:
        super().confirm_login_allowed(user)
        if user.second_factor_since is not None:
            raise CodeNeeded(user)


class SecondStep(forms.Form):
    """The second step."""

    code = code_field("The code that your telephone shows")


def wait_for_code(request: HttpRequest, person: Person) -> HttpResponse:
    """Remember in the session whose password was right, and ask for the code."""
    request.session.cycle_key()
    request.session[HALF_WAY] = {
        "person": person.pk,
        "rests_on": person.get_session_auth_hash(),
        "until": time.time() + HALF_WAY_S,
        "next": request.POST.get("next") or request.GET.get("next", ""),
    }
    return redirect("admin:second_step")


def second_step(request: HttpRequest, context: dict[str, Any]) -> HttpResponseBase:
    """Ask for the code, and let in whoever has it."""
    half_way = request.session.get(HALF_WAY)
    person = half_way and _still_half_way(half_way)
    if not person:
        request.session.pop(HALF_WAY, None)
        messages.info(request, "That took too long; begin with your password again.")
        return redirect("admin:login")
    form = SecondStep(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            second_factors.check(person.pk, form.cleaned_data["code"])
        except second_factors.WrongCode as refusal:
            form.add_error("code", str(refusal))
        else:
            del request.session[HALF_WAY]
            login(request, person, settings.AUTHENTICATION_BACKENDS[-1])
            people.sign_in(by=actor_of(request), reason="signed in with a code")
            return redirect(_where_to(request, half_way["next"]))
    context |= {"title": "Second step", "form": form}
    return TemplateResponse(
        request,
        "portal/second_step.html",
        context,
        status=422 if form.errors else 200,
    )


def _still_half_way(half_way: dict[str, Any]) -> Person | None:
    """The person, unless it took too long or the password was changed meanwhile."""
    if time.time() > half_way["until"]:
        return None
    person = Person.objects.filter(pk=half_way["person"], is_active=True).first()
    if person is None or person.get_session_auth_hash() != half_way["rests_on"]:
        return None
    return person


def _where_to(request: HttpRequest, wanted: str) -> str:
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if wanted and is_ours else "admin:index"
