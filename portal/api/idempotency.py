"""The same key and the same body: one effect, and the first answer again."""

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from portal.domain.canonical import digest
from portal.errors import Invalid, Malformed
from portal.models import IdempotencyKey
from portal.services import durability

HEADER = "Idempotency-Key"
ACCEPTABLE = re.compile(r"[\x21-\x7e]{1,255}\Z")

_INSERT = """
INSERT INTO portal_idempotencykey
    (actor_id, key, request_digest, headers, body, created_at)
VALUES (%s, %s, %s, '{}', '', now())
ON CONFLICT (actor_id, key) DO NOTHING RETURNING id
"""


def idempotent(
    handler: Callable[..., Response] | None = None,
    *,
    is_replayed: bool = True,
    forgets: tuple[str, ...] = (),
) -> Any:
    """Make a POST take an `Idempotency-Key`.

    The key is inserted in the transaction of the effect: two requests at once have
    one effect, and a refusal leaves no key behind. With `is_replayed=False` a
    repetition is carried out again instead of answered from memory: for acts that
    are idempotent themselves and must look at the switch first (decision 5). What it
    `forgets` of an answer is shown once and stored nowhere.
    """
    if handler is None:
        return lambda inner: idempotent(inner, is_replayed=is_replayed, forgets=forgets)

    @wraps(handler)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = _key_of(request)
        parts = [request.method, request.get_full_path()]
        asked = digest("\n".join(parts).encode() + b"\n" + request.body)
        with transaction.atomic():
            row_id = claim(request.user.pk, key, asked)
            if row_id is not None:
                response = handler(view, request, *args, **kwargs)
                if is_replayed:
                    _remember(row_id, response, forgets)
                return response
            # Whoever sent it first may still be waiting for the disk.
            durability.flush_at_commit()
            known = IdempotencyKey.objects.get(actor=request.user, key=key)
            if known.request_digest != asked:
                raise Invalid(
                    f"This {HEADER} was used for another request.",
                    code="IDEMPOTENCY_KEY_REUSED",
                )
            if not is_replayed:
                return handler(view, request, *args, **kwargs)
            return _replay(known)

    wrapped.takes_idempotency_key = True
    return wrapped


def _key_of(request: Request) -> str:
    key = request.headers.get(HEADER, "")
    if not ACCEPTABLE.match(key):
        raise Malformed(
            f"This needs an {HEADER} header: 1 to 255 visible ASCII characters that "
            "are yours alone, and the same when you try again.",
            code="IDEMPOTENCY_KEY_REQUIRED",
        )
    return key


def claim(actor_id: int, key: str, asked: str) -> int | None:
    """Use a key up, in the caller's transaction; None if it has been used before."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [actor_id, key, asked])
        row = cursor.fetchone()
    return row[0] if row else None


def is_used(actor_id: int, key: str) -> bool:
    """Whether the key has been used before."""
    return IdempotencyKey.objects.filter(actor_id=actor_id, key=key).exists()


def _remember(row_id: int, response: Response, forgets: tuple[str, ...]) -> None:
    data = response.data
    if forgets:
        data = {key: None if key in forgets else data[key] for key in data}
    IdempotencyKey.objects.filter(pk=row_id).update(
        status=response.status_code,
        headers=dict(response.headers),
        body=json.dumps(data, default=str).encode(),
    )


def _replay(known: IdempotencyKey) -> Response:
    return Response(
        json.loads(bytes(known.body)),
        status=known.status,
        headers={**known.headers, "Idempotency-Replayed": "true"},
    )
