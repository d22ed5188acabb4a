"""Acts in the admin: a button, a page that says what will happen, and a reason.

An admin class lists its acts; each gets a URL under the object (or under the list,
for acts that make something), a confirmation page and one service call. A form that is
sent twice is carried out once; one that rests on what has changed since is refused,
with what has changed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import eq
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextareaWidget

from portal import kept
from portal.api import idempotency
from portal.domain.approvals import ApprovalState
from portal.domain.canonical import digest
from portal.domain.roles import May
from portal.errors import Refusal
from portal.models import Actor, Approval
from portal.proving import with_password
from portal.services.access import may
from portal.sessions import actor_of

TWICE = "This form had been sent already; nothing was done a second time."


class ReasonForm(forms.Form):
    """Every act says why; the reason is in the ledger for ever.

    A form knows the object that its act is done to. `pointers` says which field stands
    for which place of the document that it makes, so that errors stand beside it.
    """

    template = "portal/fields.html"

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=2000,
        help_text="Kept for ever, together with your name and the time.",
        error_messages={"required": "Say why; one sentence is enough."},
    )

    def __init__(self, *args: Any, subject: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subject = subject
        self.pointers: dict[str, str] = {}

    def refuse(self, refusal: Refusal) -> None:
        """Say no, and what can be done instead; what is about one field, beside it."""
        errors = refusal.facts.get("errors")
        self.add_error(None, str(refusal))
        possible = refusal.facts.get("possible")
        if isinstance(possible, list) and possible:
            named = "; ".join(str(each).replace("_", " ") for each in possible)
            self.add_error(None, f"Possible now: {named}.")
        for error in errors if isinstance(errors, list) else []:
            place, rest = self._place_of(error["pointer"])
            said = f"{rest} {error['detail']}".strip()
            if place is not None or len(errors) > 1:
                self.add_error(place, f"{said[0].upper()}{said[1:]}.")

    def _place_of(self, pointer: str) -> tuple[str | None, str]:
        """The field that a pointer leads into, and the rest of the pointer."""
        known = [p for p in self.pointers if f"{pointer}/".startswith(f"{p}/")]
        if not known:
            return None, pointer
        longest = max(known, key=len)
        return self.pointers[longest], pointer[len(longest) :]


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a confirmation page; `mark` names exactly what it shows."""

    template: str
    data: dict[str, Any]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What to say after an act, and where to go on, if not to its object."""

    says: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """A secret that is on the page after an act, and never to be had again."""

    title: str
    secret: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a form rests on: its `mark` now, and what has changed `since` a mark."""

    mark: Callable[[Any], str]
    since: Callable[[Any, str], Shown]
    is_same: Callable[[str, str], bool] = eq


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act on an object of an admin class, or on the class itself.

    `perform(object, actor, data)` calls the service and returns what to say
    afterwards, or an answer of its own, a download; `effects(object)` are sentences
    that say beforehand what will happen;
    `hidden(object)` is true when the act makes no sense now; `about(object)` is shown
    where the act is confirmed. With `foresee` the act is
    carried out only after a page has shown what exactly it would do, and only if it
    still would; what was foreseen is in the data as `foreseen`. `done_as` is what the
    last button says, where that is not the title; while `barred(object)` there is no
    button, only what is shown. With `at_once` the button itself
    does it, with that as the reason: for what leads towards safety, where a second
    page would only cost time.
    """

    name: str
    title: str
    may: May
    perform: Callable[
        [Any, Actor, dict[str, Any]], str | Done | ShownOnce | HttpResponseBase
    ]
    effects: Callable[[Any], Iterable[str]] = lambda subject: ()
    hidden: Callable[[Any, Actor], bool] = lambda subject, actor: False
    form: type[ReasonForm] = ReasonForm
    is_dangerous: bool = False
    needs_password: bool = False
    is_on_list: bool = False
    about: Callable[[Any], Shown] | None = None
    barred: Callable[[Any], bool] = lambda subject: False
    foresee: Callable[[Any, Actor, dict[str, Any]], Shown] | None = None
    basis: Basis | None = None
    done_as: str = ""
    at_once: str = ""


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

            view.needs = act.may  # for links that lead here
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
                "name": act.name,
                "title": act.title,
                "url": self._act_url(act, subject),
                "is_dangerous": act.is_dangerous,
                "at_once": act.at_once,
                "once": uuid4().hex,
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
        buttons, waiting = [], []
        if subject is not None:
            buttons = self.act_buttons(request, subject)
            waiting = Approval.objects.filter(
                subject_type=subject._meta.label_lower,
                subject_id=str(subject.pk),
                state=ApprovalState.PENDING,
            ).select_related("requester")
        context = {
            **(extra_context or {}),
            "act_buttons": buttons,
            "waiting": waiting,
        }
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
        actor = actor_of(request)
        if not may(actor, act.may):
            raise PermissionDenied
        subject = None
        if not act.is_on_list:
            subject = self.get_object(request, pk)
            if subject is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, pk)
        proves = act.needs_password and not _only_looks(act, request)
        form_class = with_password(act.form, request) if proves else act.form
        if request.method != "POST":
            form = form_class(subject=subject)
            kept.put_back(request, form)
            return self._ask(request, act, subject, form)
        if idempotency.is_used(actor.pk, _key_of(request)):
            return self._done(request, subject, Done(TWICE))
        form = form_class(request.POST, request.FILES, subject=subject)
        rested_on = request.POST.get("rests_on", "")
        if act.basis and not act.basis.is_same(rested_on, act.basis.mark(subject)):
            return self._ask(
                request, act, subject, form, since=act.basis.since(subject, rested_on)
            )
        foreseen = None
        if form.is_valid():
            if proves:
                actor = form.proven
            try:
                if act.foresee:
                    foreseen = act.foresee(subject, actor, form.cleaned_data)
                if foreseen is None or request.POST.get("shown") == foreseen.mark:
                    said = {**form.cleaned_data, "foreseen": foreseen}
                    return self._carry_out(request, act, subject, actor, said)
            except Refusal as refusal:
                form.refuse(refusal)
        elif act.foresee and proves and not set(form.errors) - _proof_names(form, act):
            try:
                foreseen = act.foresee(subject, actor, form.cleaned_data)
                return self._ask_again(request, act, subject, form, foreseen)
            except Refusal as refusal:
                form.refuse(refusal)
        return self._ask(request, act, subject, form, foreseen=foreseen)

    def _ask_again(
        self,
        request: HttpRequest,
        act: Act,
        subject: Any,
        form: forms.Form,
        foreseen: Shown,
    ) -> HttpResponse:
        """Only the proof was no good: show the same again, with why beside it."""
        said = act.form(request.POST, request.FILES, subject=subject)
        names = _proof_names(form, act)
        proof = [field for field in form if field.name in names]
        return self._ask(request, act, subject, said, foreseen=foreseen, proof=proof)

    def _carry_out(
        self,
        request: HttpRequest,
        act: Act,
        subject: Any,
        actor: Actor,
        said: dict[str, Any],
    ) -> HttpResponse:
        """Do it, once: the form's own key is used up in the same transaction."""
        with transaction.atomic():
            is_first = "once" not in request.POST or idempotency.claim(
                actor.pk, _key_of(request), digest(request.path.encode())
            )
            done = act.perform(subject, actor, said) if is_first else TWICE
        if isinstance(done, HttpResponseBase):
            return done
        if isinstance(done, ShownOnce):
            return self._show_once(request, subject, done)
        return self._done(
            request, subject, done if isinstance(done, Done) else Done(done)
        )

    def _done(self, request: HttpRequest, subject: Any, done: Done) -> HttpResponse:
        messages.success(
            request,
            format_html(
                '{} <a href="{}">See the ledger.</a>',
                done.says,
                reverse("admin:portal_ledgerentry_changelist"),
            ),
        )
        if done.at:
            return HttpResponseRedirect(done.at)
        return HttpResponseRedirect(self._where_from(subject))

    def _show_once(
        self, request: HttpRequest, subject: Any, shown: ShownOnce
    ) -> HttpResponse:
        """The secret, in an answer that nobody stores; sent again, it is not there."""
        context = {
            **self.admin_site.each_context(request),
            "title": shown.title,
            "opts": self.opts,
            "subject": subject,
            "shown": shown,
            "secret": shown.secret.replace("{site}", request.build_absolute_uri("/")),
            "back": self._where_from(subject),
        }
        response = TemplateResponse(request, "portal/shown_once.html", context)
        add_never_cache_headers(response)
        return response

    def _where_from(self, subject: Any | None) -> str:
        """The page whose button led to an act."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if subject is None:
            return reverse(f"{name}_changelist")
        return reverse(f"{name}_change", args=[subject.pk])

    def _ask(
        self,
        request: HttpRequest,
        act: Act,
        subject: Any,
        form: forms.Form,
        *,
        since: Shown | None = None,
        foreseen: Shown | None = None,
        proof: list[forms.BoundField] | None = None,
    ) -> HttpResponse:
        is_refused = since is not None or bool(form.errors)
        shown = request.POST.get("shown")
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "opts": self.opts,
            "act": act,
            "looks_first": act.foresee is not None,
            "subject": subject,
            "effects": list(act.effects(subject)),
            "form": form,
            "back": self._where_from(subject),
            "once": request.POST.get("once") or uuid4().hex,
            "rests_on": act.basis.mark(subject) if act.basis else "",
            "about": act.about(subject) if act.about else None,
            "is_barred": act.barred(subject),
            "since": since,
            "foreseen": None if is_refused else foreseen,
            "proof": proof or (_proof(act, request, subject) if foreseen else []),
            "is_other": foreseen is not None
            and shown not in (None, "", foreseen.mark)
            and not is_refused,
        }
        status = 422 if is_refused or proof else 200
        return TemplateResponse(request, "portal/act.html", context, status=status)


def _only_looks(act: Act, request: HttpRequest) -> bool:
    """Whether this is the step before anything is done; it takes no proof."""
    return act.foresee is not None and "shown" not in request.POST


def _proof(act: Act, request: HttpRequest, subject: Any) -> list[forms.BoundField]:
    """The fields by which somebody proves who they are, beside the last button."""
    if not act.needs_password:
        return []
    form = with_password(act.form, request)(subject=subject)
    names = _proof_names(form, act)
    return [field for field in form if field.name in names]


def _proof_names(form: forms.Form, act: Act) -> set[str]:
    return set(form.fields) - set(act.form(subject=form.subject).fields)


def _key_of(request: HttpRequest) -> str:
    return f"form:{request.POST.get('once', '')[:100]}"
