"""The admin site: one way in, one start page."""

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from portal import (
    banners,
    kept,
    own_account,
    search,
    signing_in,
    since,
    welcome,
    words,
)
from portal.services import people, second_factors
from portal.sessions import actor_of

# The theme evaluates expressions and sets styles (ADR 5); only its pages may.
under_theme_policy = csp(settings.ADMIN_CONTENT_SECURITY_POLICY)


class PortalAdminSite(UnfoldAdminSite):
    """Unfold's site, with our sign-in and our rules about passwords."""

    enable_nav_sidebar = True
    index_title = "Start"
    login_form = signing_in.SignIn
    login_template = "portal/sign_in.html"

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("login/code/", self.second_step, name="second_step"),
            path("welcome/<int:person_id>/", self.welcome, name="welcome"),
            path(
                "second-factor/",
                self.admin_view(self.second_factor),
                name="second_factor",
            ),
            path("find/", self.admin_view(self.find), name="find"),
            path("since/", self.admin_view(self.since), name="since"),
            path("words/", self.admin_view(self.words), name="words"),
        ]

    def extra_context(
        self, context: dict[str, Any], request: HttpRequest
    ) -> dict[str, Any]:
        """What every page of somebody who is in shows besides."""
        if self.has_permission(request):
            context["banners"] = banners.shown()
        return context

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Every page asks for all models, though it shows our sidebar instead; what
        looks one up by its name (Ctrl-K) gets them."""
        if app_label or request.path == reverse("admin:search"):
            return super().get_app_list(request, app_label)
        return []

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(getattr(request.user, "roles", ()))

    @method_decorator(under_theme_policy)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        was_in = request.user.is_authenticated
        carried = {
            kept.FIELD: request.POST.get(kept.FIELD, ""),
            **(extra_context or {}),
        }
        path = request.GET.get("next", "")
        try:
            response = super().login(request, carried)
        except signing_in.CodeNeeded as first_step:
            answer = signing_in.wait_for_code(request, first_step.person)
            kept.unpack(request, first_step.person, path)
            return answer
        if request.user.is_authenticated and not was_in:
            people.sign_in(by=actor_of(request))
            kept.unpack(request, request.user, path)
        return response

    def _sign_in_again(self, request: HttpRequest) -> HttpResponse:
        """The sign-in page, for a form that was sent after its session had ended."""
        asked = copy(request)
        asked.method = "GET"
        there = urlencode({"next": request.path})
        return self.login(
            asked,
            {
                "app_path": f"{reverse('admin:login')}?{there}",
                kept.FIELD: kept.packed(request),
            },
        )

    @method_decorator([under_theme_policy, never_cache, csrf_protect])
    def second_step(self, request: HttpRequest) -> HttpResponse:
        """The code, after the password."""
        return signing_in.second_step(request, self.each_context(request))

    @method_decorator([under_theme_policy, never_cache, csrf_protect])
    def welcome(self, request: HttpRequest, person_id: int) -> HttpResponse:
        """A password by a one-time link."""
        return welcome.welcome(request, person_id, self.each_context(request))

    def admin_view(self, view: Callable, cacheable: bool = False) -> Callable:
        inner = under_theme_policy(super().admin_view(view, cacheable))

        @wraps(inner)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            is_out = not request.user.is_authenticated
            if is_out and request.method == "POST" and kept.TYPED_BY in request.POST:
                return self._sign_in_again(request)
            first = self._what_comes_first(request)
            if first and request.path not in (reverse(first), reverse("admin:logout")):
                return redirect(first)
            return inner(request, *args, **kwargs)

        return wrapped

    def _what_comes_first(self, request: HttpRequest) -> str:
        """The page that somebody has to go through before any other, if any."""
        if not request.user.is_authenticated:
            return ""
        if request.user.must_change_password:
            return "admin:password_change"
        if second_factors.lacks(request.user):
            return "admin:second_factor"
        return ""

    def password_change(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        return own_account.password(request, self.each_context(request))

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Everybody's own second factor."""
        return own_account.second_factor(request, self.each_context(request))

    def find(self, request: HttpRequest) -> HttpResponse:
        """Looking something up."""
        return search.page(request, self.each_context(request))

    def since(self, request: HttpRequest) -> HttpResponse:
        """What has changed since somebody was last here."""
        return since.page(request, self.each_context(request))

    def words(self, request: HttpRequest) -> HttpResponse:
        """What the words mean."""
        return words.page(request, self.each_context(request))
