"""Forms that ask again who somebody is: the password, and a code where there is one."""

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from portal.models import Actor
from portal.services.reauthentication import WrongPassword, prove
from portal.services.second_factors import WrongCode

IN_PERSON = "What you do here counts as your word, so it takes you in person."


def code_field(label: str) -> forms.CharField:
    """Where a code of the second factor is typed, or a recovery code."""
    return forms.CharField(
        label=label,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "spellcheck": "false"}
        ),
        help_text="Six digits from your telephone, each good once; or a recovery code.",
        error_messages={"required": "Type the code that your telephone shows."},
    )


def with_password(
    form: type[forms.Form], request: HttpRequest, *, code: bool | None = None
) -> type[forms.Form]:
    """The form with the signed-in person's password, and a code if they have a second
    factor (or as `code` says); `proven` is the person as an actor that has shown both.
    """
    asks_code = request.user.second_factor_since is not None if code is None else code

    class WithPassword(form):
        password = forms.CharField(
            label="Your password, again",
            widget=UnfoldAdminPasswordWidget(
                attrs={"autocomplete": "current-password"}
            ),
            strip=False,
            help_text=IN_PERSON,
        )
        if asks_code:
            code = code_field("A code of your second factor")

        proven: Actor

        def clean(self) -> dict[str, Any]:
            said = super().clean() or self.cleaned_data
            if self.errors:  # a code is good once: not for a form that has to come back
                return said
            try:
                self.proven = prove(
                    request,
                    request.user,
                    password=said["password"],
                    code=said.get("code", ""),
                )
            except WrongPassword as refusal:
                self.add_error("password", str(refusal))
            except WrongCode as refusal:
                self.add_error("code", str(refusal))
            return said

    return WithPassword
