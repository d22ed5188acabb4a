"""The admin site: one way in, one start page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.decorators import csp
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from unfold.sites import UnfoldAdminSite
from unfold.widgets import UnfoldAdminPasswordWidget

from portal.errors import Refusal
from portal.services import people
from portal.sessions import actor_of

# The theme evaluates expressions and sets styles (ADR 5); only its pages may.
under_theme_policy = csp(settings.ADMIN_CONTENT_SECURITY_POLICY)


class NewPassword(forms.Form):
    """One's own password: the old one, and the new one twice."""

    old = forms.CharField(
        label="Your password now", strip=False, widget=UnfoldAdminPasswordWidget()
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        widget=UnfoldAdminPasswordWidget(),
        help_text="At least 15 characters; a few words that only you would think of.",
    )
    again = forms.CharField(
        label="New password, again", strip=False, widget=UnfoldAdminPasswordWidget()
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("new") != said.get("again"):
            self.add_error("again", "The two are not the same.")
        return said


class PortalAdminSite(UnfoldAdminSite):
    """Unfold's site, with our sign-in and our rules about passwords."""

    enable_nav_sidebar = True
    index_title = "Start"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(getattr(request.user, "roles", ()))

    @method_decorator(under_theme_policy)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        was_in = request.user.is_authenticated
        response = super().login(request, extra_context)
        if request.user.is_authenticated and not was_in:
            people.sign_in(by=actor_of(request))
        return response

    def admin_view(self, view: Callable, cacheable: bool = False) -> Callable:
        inner = under_theme_policy(super().admin_view(view, cacheable))

        @wraps(inner)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            own_pages = {reverse("admin:password_change"), reverse("admin:logout")}
            must_change = getattr(request.user, "must_change_password", False)
            if must_change and request.path not in own_pages:
                return redirect("admin:password_change")
            return inner(request, *args, **kwargs)

        return wrapped

    def password_change(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
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
                    messages.success(request, "Your password is changed.")
                    return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": "Choose your own password",
            "form": form,
        }
        status = 422 if form.errors else 200
        return TemplateResponse(request, "portal/password.html", context, status=status)
