"""Pages about oneself: the password, and the second factor."""

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminPasswordWidget

from portal.domain.second_factors import address, spelled
from portal.errors import Refusal
from portal.models import Actor, Person
from portal.proving import code_field, with_password
from portal.services import people, second_factors
from portal.sessions import actor_of

QR_PIXELS = 5  # of one module


class NewPassword(forms.Form):
    """One's own password: the old one, and the new one twice."""

    old = forms.CharField(
        label="Your password now",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters; a few words that only you would think of.",
    )
    again = forms.CharField(
        label="New password, again",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("new") != said.get("again"):
            self.add_error("again", "The two are not the same.")
        return said


class Enrolling(forms.Form):
    """The code that shows that the telephone has the secret."""

    code = code_field("The code that your telephone shows now")


def password(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Choose one's own password; all other sessions end."""
    form = NewPassword(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not request.user.check_password(form.cleaned_data["old"]):
            form.add_error("old", "That is not your password.")
        else:
            try:
                person = people.change_password(
                    request.user.pk,
                    form.cleaned_data["new"],
                    by=actor_of(request),
                    reason="chose a new password",
                )
            except Refusal as refusal:
                form.add_error("new", str(refusal))
            else:
                update_session_auth_hash(request, person)
                messages.success(
                    request, "Your password is changed; other sessions have ended."
                )
                return redirect("admin:index")
    context |= {"title": "Choose your own password", "form": form}
    return _page(request, "portal/password.html", context, form)


@never_cache
def second_factor(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Enrol a second factor, renew its recovery codes, or take it off."""
    context["title"] = "Your second factor"
    if request.user.second_factor_since is None:
        return _enrol(request, context)
    return _enrolled(request, context)


def _enrol(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    person: Person = request.user
    secret = second_factors.begin(person)
    form = with_password(Enrolling, request, code=False)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = second_factors.enrol(
                form.cleaned_data["code"],
                by=form.proven,
                reason="enrolled a second factor",
            )
        except second_factors.WrongCode as refusal:
            form.add_error("code", str(refusal))
        else:
            return _recovery_codes(request, context, codes)
    context |= {
        "form": form,
        "is_demanded": second_factors.is_demanded(person),
        "qr": _drawn(secret, person),
        "secret": spelled(secret),
    }
    return _page(request, "portal/second_factor_enrol.html", context, form)


def _enrolled(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    form = with_password(forms.Form, request)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        proven: Actor = form.proven
        if "renew" in request.POST:
            codes = second_factors.renew_recovery_codes(
                by=proven, reason="renewed the recovery codes"
            )
            return _recovery_codes(request, context, codes)
        person = second_factors.take_off(by=proven, reason="took off the second factor")
        update_session_auth_hash(request, person)
        messages.success(request, "You have no second factor any more.")
        return redirect("admin:second_factor")
    left = request.user.recovery_codes.filter(used_at=None).count()
    context |= {"form": form, "codes_left": left}
    return _page(request, "portal/second_factor.html", context, form)


def _recovery_codes(
    request: HttpRequest, context: dict[str, Any], codes: list[str]
) -> HttpResponse:
    person = Person.objects.get(pk=request.user.pk)
    update_session_auth_hash(request, person)
    context |= {"title": "Your recovery codes", "codes": codes}
    return TemplateResponse(request, "portal/recovery_codes.html", context)


def _drawn(secret: bytes, person: Person) -> SafeString:
    """The address as a QR code: an SVG in the page, so that nothing is loaded."""
    text = address(secret, account=person.get_username(), issuer=second_factors.ISSUER)
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(
        scale=QR_PIXELS, light="#fff", dark="#000", title="QR code of the secret"
    )
    return mark_safe(drawn)  # made of squares here; nobody's text is in it


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], form: forms.Form
) -> HttpResponse:
    status = 422 if form.errors else 200
    return TemplateResponse(request, template, context, status=status)
