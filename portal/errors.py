"""The one family of "no": raised where a rule is, given a shape where an edge is.

A refusal's message is safe to show to whoever asked. Its `code` is stable and
documented; its `facts` are plain JSON values that say more.
"""

from http import HTTPStatus


class Refusal(Exception):
    """The rules do not allow this, now."""

    code = "REFUSED"

    def __init__(
        self, message: str, *, code: str | None = None, **facts: object
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.facts = facts


class Malformed(Refusal):
    """What was sent cannot be read at all."""

    code = "MALFORMED"


class Invalid(Refusal):
    """What was sent can be read, but says something that it must not.

    `errors` is a list of `{"pointer": <JSON Pointer>, "detail": <sentence>}`.
    """

    code = "SCHEMA_VALIDATION_FAILED"


class TooLarge(Refusal):
    """What was sent is larger than its limit."""

    code = "TOO_LARGE"


class Unsupported(Refusal):
    """What was sent is in a form that is not read here."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class NotAllowed(Refusal):
    """Whoever asked may not do this; somebody else may."""

    code = "NOT_ALLOWED"


class NotFound(Refusal):
    """There is no such thing, or none that this caller may know of."""

    code = "NOT_FOUND"


class WrongMoment(Refusal):
    """Not in the state that the thing is in; `possible` names what is."""

    code = "WRONG_MOMENT"


class Conflict(Refusal):
    """What was sent contradicts what is already known."""

    code = "CONFLICT"


class PreconditionRequired(Refusal):
    """An edit must say which version it edits."""

    code = "PRECONDITION_REQUIRED"


class PreconditionFailed(Refusal):
    """The version that this edits is no longer the newest."""

    code = "PRECONDITION_FAILED"


class Unavailable(Refusal):
    """Something that is needed for a safe answer is away; try again soon."""

    code = "UNAVAILABLE"


class NoRoom(Refusal):
    """There is no room for it: the disk is full, or a quota is used up."""

    code = "NO_ROOM"


def problem(
    status: HTTPStatus, *, code: str, detail: str, path: str, request_id: str
) -> dict[str, object]:
    """The members of a problem document (RFC 9457), wherever it is made."""
    return {
        "type": f"/api/docs#problem-{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": path,
        "code": code,
        "request_id": request_id,
    }
