"""Standard Webhooks 1.0: signed requests, tried for days.

    webhook-id         the same for every attempt; receivers drop what they have seen
    webhook-timestamp  seconds since 1970, of this attempt
    webhook-signature  v1,<base64 of HMAC-SHA-256 over "id.timestamp.body">, by spaces

A secret is `whsec_` and the base64 of its bytes. While it is being rotated, a request
carries one signature by each secret.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from hmac import compare_digest
from hmac import new as hmac

from portal.errors import Invalid

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE = timedelta(minutes=5)
OVERLAP = timedelta(hours=24)  # for how long a secret that was replaced still signs

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

# The ceilings of the waits after each failed attempt, in seconds. A wait is a random
# part of its ceiling (full jitter), on average half of it: fifteen attempts over about
# three days.
WAITS = (
    *(10, 60, 300, 1200, 3600, 7200, 4 * 3600, 8 * 3600),
    *(12 * 3600, 16 * 3600, 20 * 3600, 24 * 3600, 24 * 3600, 24 * 3600),
)
MAX_TRIES = len(WAITS) + 1
LONGEST_WAIT = timedelta(hours=24)  # a receiver cannot ask for more
RESTS = (5, 15, 60, 300)  # how long an endpoint that fails is left alone, in seconds
DISABLE_AFTER = timedelta(days=5)


class Verdict(StrEnum):
    """What an answer means."""

    DELIVERED = "delivered"
    FAILED = "failed"  # tried again
    GONE = "gone"  # it wants nothing any more
    NOBODY = "nobody"  # there is nobody to be told; nothing has failed


class BadSignature(Invalid):
    """This request was not signed by whoever knows the secret, or not just now."""

    code = "SIGNATURE_INVALID"


def spell(secret: bytes) -> str:
    """A secret as it is shown to whoever receives."""
    return PREFIX + b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """The bytes of a secret; raises `Invalid`."""
    try:
        return b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("A secret is whsec_ and base64.", code="SECRET_INVALID") from None


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """One signature, `v1,…`."""
    signed = f"{message_id}.{_seconds(at)}.".encode() + body
    digest = hmac(read_secret(secret), signed, "sha256").digest()
    return f"v1,{b64encode(digest).decode()}"


def headers(
    secrets: Iterable[str], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of a request, signed by every secret."""
    return {
        ID: message_id,
        TIMESTAMP: str(_seconds(at)),
        SIGNATURE: " ".join(signature(each, message_id, at, body) for each in secrets),
    }


def verify(
    secret: str,
    received: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> None:
    """Refuse a request that was not signed with this secret within the tolerance.

    `received` has the headers in lower case. Raises `BadSignature`.
    """
    try:
        message_id, said = received[ID], received[SIGNATURE]
        at = datetime.fromtimestamp(int(received[TIMESTAMP]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        raise BadSignature("The headers of a webhook are missing or wrong.") from None
    if abs(now - at) > tolerance:
        raise BadSignature("This is too old, or from the future.")
    expected = signature(secret, message_id, at, body).encode()
    matches = [compare_digest(expected, each.encode()) for each in said.split(" ")]
    if not any(matches):
        raise BadSignature("No signature is by this secret.")


def verdict_on(status: int) -> Verdict:
    """What a status means; a redirect is never followed, so it is a failure."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == 410 else Verdict.FAILED


def wait_after(
    tries: int, *, chance: float, retry_after: timedelta | None = None
) -> timedelta | None:
    """How long to wait after so many failed tries; None: that was the last one.

    `chance` is uniform in [0, 1). The receiver's own wish counts if it is longer, up to
    a day.
    """
    if tries >= MAX_TRIES:
        return None
    wait = timedelta(seconds=WAITS[tries - 1] * chance)
    return max(wait, min(retry_after or timedelta(0), LONGEST_WAIT))


def rest_after(failures: int, *, retry_after: timedelta | None = None) -> timedelta:
    """How long an endpoint is left alone after so many failures in a row.

    So that one which is slow or away does not hold up what is for others.
    """
    rest = timedelta(seconds=RESTS[min(failures, len(RESTS)) - 1])
    return max(rest, min(retry_after or timedelta(0), LONGEST_WAIT))


def is_given_up(failing_since: datetime, *, now: datetime) -> bool:
    """Whether an endpoint has failed for so long that it is switched off."""
    return now - failing_since >= DISABLE_AFTER


def read_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for, in seconds or as a date; None without a meaning."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), 10**8))
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(at - now, timedelta(0))


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
