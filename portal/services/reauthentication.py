"""Who they are, again: the password, and a code where there is a second factor."""

from django.contrib.auth import authenticate
from django.http import HttpRequest

from portal.errors import NotAllowed
from portal.models import Actor, Authentication, Person
from portal.services import second_factors
from portal.services.actors import for_person


class WrongPassword(NotAllowed):
    """This is not the password of whoever is signed in."""

    code = "PASSWORD_WRONG"


def prove(
    request: HttpRequest, person: Person, *, password: str, code: str = ""
) -> Actor:
    """The person as an actor who has just shown to be it; for one act.

    Every act that needs `require_password` is given this actor. Raises `WrongPassword`
    and `second_factors.WrongCode`; wrong ones count against a lockout from here, and
    are remembered, so the caller has not begun a transaction.
    """
    # Through Django's backends, so that wrong ones count as at the sign-in.
    found = authenticate(request, username=person.get_username(), password=password)
    if found is None or found.pk != person.pk:
        raise WrongPassword("That is not your password.")
    proven_by = Authentication.PASSWORD
    if found.second_factor_since is not None:
        second_factors.check(found.pk, code)
        proven_by = Authentication.PASSWORD_AND_CODE
    return for_person(found, authenticated_by=proven_by)
