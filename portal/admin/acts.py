"""Acts in the admin: a button, a page that says what will happen, and a reason.

An admin class lists its acts; each gets a URL under the object (or under the list,
for acts that make something), a confirmation page and one service call.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
)

from portal.domain.roles import May
from portal.errors import Refusal
from portal.models import Actor, Authentication
from portal.services.access import may
from portal.services.actors import for_person
from portal.sessions import actor_of


class ReasonForm(forms.Form):
    """Every act says why; the reason is in the ledger for ever."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=2000,
        help_text="Kept for ever, together with your name and the time.",
        error_messages={"required": "Say why; one sentence is enough."},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act on an object of an admin class, or on the class itself.

    `perform(object, actor, data)` calls the service and returns what to say
    afterwards; `effects(object)` are sentences that say beforehand what will happen;
    `hidden(object)` is true when the act makes no sense now.
    """

    name: str
    title: str
    may: May
    perform: Callable[[Any, Actor, dict[str, Any]], str]
    effects: Callable[[Any], Iterable[str]] = lambda subject: ()
    hidden: Callable[[Any, Actor], bool] = lambda subject, actor: False
    form: type[ReasonForm] = ReasonForm
    is_dangerous: bool = False
    needs_password: bool = False
    is_on_list: bool = False


class ActsMixin:
    """Gives an admin class its acts: URLs, buttons and confirmation pages."""

    acts: tuple[Act, ...] = ()
    change_form_outer_before_template = "portal/act_buttons.html"
    list_before_template = "portal/list_act_buttons.html"

    def get_urls(self) -> list:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = []
        for act in self.acts:
            route = f"act/{act.name}/" if act.is_on_list else f"<pk>/act/{act.name}/"

            def view(
                request: HttpRequest, pk: str | None = None, *, act: Act = act
            ) -> HttpResponse:
                return self._act_view(request, act, pk)

            own.append(
                path(route, self.admin_site.admin_view(view), name=f"{name}_{act.name}")
            )
        return own + super().get_urls()

    def act_buttons(
        self, request: HttpRequest, subject: Any | None = None
    ) -> list[dict[str, Any]]:
        """The acts that this user may do here and now."""
        actor = actor_of(request)
        return [
            {
                "title": act.title,
                "url": self._act_url(act, subject),
                "is_dangerous": act.is_dangerous,
            }
            for act in self.acts
            if act.is_on_list == (subject is None)
            and may(actor, act.may)
            and not (subject is not None and act.hidden(subject, actor))
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        subject = self.get_object(request, object_id)
        buttons = self.act_buttons(request, subject) if subject is not None else []
        context = {**(extra_context or {}), "act_buttons": buttons}
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "act_buttons": self.act_buttons(request)}
        return super().changelist_view(request, context)

    def _act_url(self, act: Act, subject: Any | None) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{act.name}"
        return reverse(name, args=[] if subject is None else [subject.pk])

    def _act_view(self, request: HttpRequest, act: Act, pk: str | None) -> HttpResponse:
        subject = None
        if not act.is_on_list:
            subject = self.get_object(request, pk)
            if subject is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, pk)
        actor = actor_of(request)
        if not may(actor, act.may):
            raise PermissionDenied
        form_class = (
            _with_password(act.form, request) if act.needs_password else act.form
        )
        form = form_class(request.POST or None)
        if request.method == "POST" and form.is_valid():
            if act.needs_password:
                actor = for_person(
                    request.user, authenticated_by=Authentication.PASSWORD
                )
            try:
                said = act.perform(subject, actor, form.cleaned_data)
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._done(request, subject, said)
        return self._ask(request, act, subject, form)

    def _done(self, request: HttpRequest, subject: Any, said: str) -> HttpResponse:
        messages.success(
            request,
            format_html(
                '{} <a href="{}">See the ledger.</a>',
                said,
                reverse("admin:portal_ledgerentry_changelist"),
            ),
        )
        if subject is None:
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(reverse(name))
        return HttpResponseRedirect(self._object_url(subject))

    def _object_url(self, subject: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[subject.pk])

    def _ask(
        self, request: HttpRequest, act: Act, subject: Any, form: forms.Form
    ) -> HttpResponse:
        back = self._object_url(subject) if subject is not None else ".."
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "opts": self.opts,
            "act": act,
            "subject": subject,
            "effects": list(act.effects(subject)),
            "form": form,
            "back": back,
        }
        status = 200 if not form.errors else 422
        return TemplateResponse(request, "portal/act.html", context, status=status)


def _with_password(form: type[ReasonForm], request: HttpRequest) -> type[ReasonForm]:
    """The form with the signed-in person's password, asked for again."""

    class WithPassword(form):
        password = forms.CharField(
            label="Your password, again",
            widget=UnfoldAdminPasswordWidget(
                attrs={"autocomplete": "current-password"}
            ),
            strip=False,
            help_text="This opens Option C to somebody, so it takes you in person.",
        )

        def clean_password(self) -> str:
            password = self.cleaned_data["password"]
            # Through Django's backends, so that wrong ones count against a lockout.
            found = authenticate(
                request, username=request.user.get_username(), password=password
            )
            if found is None or found.pk != request.user.pk:
                raise forms.ValidationError("That is not your password.")
            return password

    return WithPassword
