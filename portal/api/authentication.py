"""Who is calling: a service with a token, or a person with a session."""

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from portal.errors import NotAllowed
from portal.models import Actor
from portal.services import actors, second_factors, tokens


class BearerTokens(BaseAuthentication):
    """`Authorization: Bearer <token>`; `request.user` is the token's actor."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return tokens.authenticate(text.strip()), "token"
        except tokens.BadToken as refusal:
            raise AuthenticationFailed(str(refusal), code=refusal.code) from None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="portal"'


class Sessions(SessionAuthentication):
    """A person who is signed in to the admin; unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        if second_factors.lacks(found[0]):
            raise NotAllowed(
                "Your role takes a second factor; enrol one in the admin first.",
                code="SECOND_FACTOR_REQUIRED",
            )
        return actors.for_person(found[0]), None
