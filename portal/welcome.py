"""Choosing a password by a one-time link: a first one, or another one."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminPasswordWidget

from portal.errors import Refusal
from portal.models import Person
from portal.services import people

KEY = "one_time_key"  # in the session: no log and no other site reads the address


class ChosenPassword(forms.Form):
    """The password, twice."""

    new = forms.CharField(
        label="Your password",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters; a few words that only you would think of.",
    )
    again = forms.CharField(
        label="Your password, again",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("new") != said.get("again"):
            self.add_error("again", "The two are not the same.")
        return said


def address_of(person: Person) -> str:
    """The one-time link for this person, below `{site}`."""
    path = reverse("admin:welcome", args=[person.pk])
    return "{site}" + f"{path.lstrip('/')}?key={people.one_time_key(person)}"


def welcome(
    request: HttpRequest, person_id: int, context: dict[str, Any]
) -> HttpResponse:
    """Have whoever holds the link choose a password, and sign in with it."""
    if key := request.GET.get("key", ""):
        request.session[KEY] = key[:200]
        return redirect(request.path)
    key = request.session.get(KEY, "")
    person = people.keyholder(person_id, key)
    form = ChosenPassword(request.POST or None)
    if person is not None and request.method == "POST" and form.is_valid():
        try:
            people.choose_password(person_id, key, form.cleaned_data["new"])
        except Refusal as refusal:
            form.add_error("new", str(refusal))
        else:
            request.session.pop(KEY)
            messages.success(request, "Your password is set. Sign in with it.")
            return redirect("admin:login")
    context |= {"title": "Choose your password", "form": form, "person": person}
    status = 422 if form.errors else 200 if person else 404
    return TemplateResponse(request, "portal/welcome.html", context, status=status)
