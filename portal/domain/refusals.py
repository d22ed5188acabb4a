"""Every code that a refusal over HTTP can have: what it means, and the way out.

`docs/reference/problems.md` is rendered from this and from the other apps' codes.
"""

from enum import StrEnum
from typing import NamedTuple


class Again(StrEnum):
    """Whether it helps to send the same again."""

    NO = "no"
    YES = "yes"  # the same, with the same Idempotency-Key
    CHANGED = "changed"  # once what it names has been put right


class Known(NamedTuple):
    """One code: with which statuses it comes, what it means, what to do."""

    statuses: tuple[int, ...]
    means: str
    way_out: str
    again: Again


NO, YES, CHANGED = Again.NO, Again.YES, Again.CHANGED

CODES: dict[str, Known] = {
    "MALFORMED": Known(
        (400,), "The request cannot be read.", "Send what `detail` asks for.", CHANGED
    ),
    "IDEMPOTENCY_KEY_REQUIRED": Known(
        (400,),
        "A POST without a usable `Idempotency-Key`.",
        "Send 1 to 255 visible ASCII characters.",
        CHANGED,
    ),
    "NOT_AUTHENTICATED": Known(
        (401,),
        "No token, no session, or one that lets nobody in.",
        "Send `Authorization: Bearer rgp_…`.",
        CHANGED,
    ),
    "TOKEN_MALFORMED": Known(
        (401,), "It is not spelled like a token.", "Look for what cut it off.", CHANGED
    ),
    "TOKEN_INVALID": Known(
        (401,),
        "Nobody knows this token.",
        "Is it of this portal? Ask an administrator for another.",
        CHANGED,
    ),
    "TOKEN_EXPIRED": Known(
        (401,), "Its time is over.", "Ask an administrator for another.", CHANGED
    ),
    "TOKEN_REVOKED": Known(
        (401,), "Somebody has revoked it.", "Ask an administrator for another.", CHANGED
    ),
    "TOKEN_OWNERLESS": Known(
        (401,),
        "Its owner has left.",
        "Ask an administrator for one with another owner.",
        CHANGED,
    ),
    "NOT_ALLOWED": Known(
        (403,),
        "Neither a scope of this token nor a role of this person does this.",
        "`scopes` and `roles` say which would.",
        NO,
    ),
    "WRONG_ROLLOUT": Known(
        (403,),
        "The token is good for another rollout.",
        "Leave `rollout` out, or take the other token.",
        CHANGED,
    ),
    "PERSON_REQUIRED": Known(
        (403,), "A person with a name has to do this.", "Do it in the admin.", NO
    ),
    "SECOND_FACTOR_REQUIRED": Known(
        (403,),
        "The role of this person takes a second factor.",
        "Enrol one in the admin.",
        CHANGED,
    ),
    "ADDRESS_FORBIDDEN": Known(
        (403,),
        "The portal does not speak to this address.",
        "Name a public one, or have the operator allow it.",
        CHANGED,
    ),
    "NOT_FOUND": Known(
        (404,),
        "There is no such thing, or none that this caller may know of.",
        "Look at the path, and at the rollout of the token.",
        CHANGED,
    ),
    "METHOD_NOT_ALLOWED": Known(
        (405,), "This path has no such method.", "`Allow` says which it has.", NO
    ),
    "NOT_ACCEPTABLE": Known(
        (406,),
        "`Accept` names no type that there is.",
        "Accept `application/json`.",
        CHANGED,
    ),
    "CONFLICT": Known(
        (409,),
        "It contradicts what is known.",
        "Read how things are, then decide.",
        NO,
    ),
    "WRONG_MOMENT": Known(
        (409,),
        "Not in the state that the thing is in.",
        "`possible`, where it is given, names what is.",
        NO,
    ),
    "REFUSED": Known(
        (409,), "The rules do not allow this now.", "`detail` says why.", NO
    ),
    "APPROVAL_EXPIRED": Known(
        (409,), "The request for approval is too old.", "Ask anew.", CHANGED
    ),
    "APPROVAL_STALE": Known(
        (409,),
        "What was asked for rests on something that has changed.",
        "Look again and ask anew.",
        CHANGED,
    ),
    "ENDPOINT_DISABLED": Known(
        (409,), "The endpoint is disabled.", "Enable it first.", CHANGED
    ),
    "MAIL_NOT_CONFIGURED": Known(
        (409,),
        "The portal has no mail server.",
        "The operator names one in `EMAIL_URL`.",
        CHANGED,
    ),
    "NOT_SEALED": Known(
        (409, 503),
        "The ledger is not sealed so far yet.",
        "Wait a minute; then look at the sealer.",
        YES,
    ),
    "PRECONDITION_FAILED": Known(
        (412,),
        "What this edits has changed since it was read.",
        "Read it again, then decide; `etag` is the present one.",
        CHANGED,
    ),
    "TOO_LARGE": Known(
        (413,), "The body is larger than its limit.", "Send less; see `limit`.", NO
    ),
    "UNSUPPORTED_MEDIA_TYPE": Known(
        (415,),
        "The body is said to be something that is not read here.",
        "Send one of the types in `detail`.",
        CHANGED,
    ),
    "UNSUPPORTED_CONTENT_ENCODING": Known(
        (415,),
        "The body is compressed.",
        "Send it without `Content-Encoding`.",
        CHANGED,
    ),
    "SCHEMA_VALIDATION_FAILED": Known(
        (422,),
        "It can be read, but says something that it must not.",
        "`errors` points at each thing and says what it can be.",
        CHANGED,
    ),
    "NOT_CANONICAL": Known(
        (422,),
        "It holds values that cannot be kept exactly: integers beyond 2^53, NUL.",
        "`errors` points at them.",
        CHANGED,
    ),
    "IDEMPOTENCY_KEY_REUSED": Known(
        (422,),
        "The key was used for another request.",
        "Another request takes another key.",
        CHANGED,
    ),
    "NO_MOMENT": Known(
        (422,), "It is no moment.", "Write 2026-01-31T12:00:00Z.", CHANGED
    ),
    "TARGET_INVALID": Known(
        (422,),
        "Nothing can be sent to this target.",
        "`detail` says what a target is.",
        CHANGED,
    ),
    "PRECONDITION_REQUIRED": Known(
        (428,),
        "An edit has to say which version it edits.",
        "Send `If-Match` with the `ETag` that you read.",
        CHANGED,
    ),
    "TOO_MANY_REQUESTS": Known(
        (429,), "The budget is used up.", "Wait for `Retry-After` seconds.", YES
    ),
    "INTERNAL_ERROR": Known(
        (500,),
        "The portal has made a mistake.",
        "Try again some times; then tell the operator the `request_id`.",
        YES,
    ),
    "UNAVAILABLE": Known(
        (503,),
        "Something that a safe answer needs is away.",
        "Wait for `Retry-After` seconds. A decision: use the standard workflow.",
        YES,
    ),
    "LEDGER_BUSY": Known(
        (503,),
        "Too many write at once; nothing was changed.",
        "Wait for `Retry-After` seconds.",
        YES,
    ),
    "SECRET_UNREADABLE": Known(
        (503,),
        "A secret was encrypted with a key that the portal does not have.",
        "The operator puts the key back into `ENCRYPTION_KEYS`.",
        CHANGED,
    ),
    "NO_ROOM": Known((507,), "There is no room for it.", "Tell the operator.", CHANGED),
    "STORAGE_FULL": Known(
        (507,),
        "The disk is full; nothing was changed.",
        "Tell the operator; then send it again.",
        YES,
    ),
}
