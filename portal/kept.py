"""What was typed into a form whose session had ended: kept until its writer is back.

Nothing is stored for a stranger: the sign-in page itself carries what was typed, and
only whoever signs in there, and had opened the form, finds it in their session.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, QueryDict

from portal.models import Person

FIELD = "kept"  # of the sign-in form, and of the session after it
TYPED_BY = "typed_by"  # of the form: who had opened it
MOST_CHARACTERS = 200_000
# Secrets, and what belongs to one sending of a form.
NOT_KEPT = ("password", "code", "csrfmiddlewaretoken", "once", "shown", "rests_on")


def packed(request: HttpRequest) -> str:
    """What a form says that came too late; empty if that is too much to carry."""
    said = request.POST.copy()
    for name in NOT_KEPT:
        said.pop(name, None)
    text = said.urlencode()
    return text if len(text) <= MOST_CHARACTERS else ""


def unpack(request: HttpRequest, person: Person, path: str) -> None:
    """Keep what the sign-in page carried for a form, if it is this person's."""
    text = request.POST.get(FIELD, "")
    if len(text) > MOST_CHARACTERS:
        return
    if QueryDict(text).get(TYPED_BY) == str(person.pk):
        request.session[FIELD] = {"path": path, "text": text}


def put_back(request: HttpRequest, form: forms.Form) -> None:
    """Fill a form that is shown with what was typed into it before, once."""
    held: dict[str, Any] = request.session.get(FIELD) or {}
    if held.get("path") != request.path:
        return
    del request.session[FIELD]
    said = QueryDict(held["text"])
    for name, field in form.fields.items():
        if name not in NOT_KEPT:
            form.initial[name] = field.widget.value_from_datadict(said, {}, name)
    messages.warning(
        request,
        "You had been signed out before you sent this. Nothing was done; what you "
        "typed is here again. Look at it, and send it.",
    )
