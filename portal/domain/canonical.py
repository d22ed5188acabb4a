"""One spelling for every JSON value, so that equal things have equal digests.

The spelling is RFC 8785 (JSON Canonicalization Scheme).
"""

from hashlib import sha256
from typing import Any

import rfc8785

from portal.errors import Invalid


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Raises `Invalid` for what has no canonical form: integers beyond ±(2^53 - 1),
    NaN, infinities and lone surrogates.
    """
    try:
        return rfc8785.dumps(value)  # type-checked by the library itself
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise Invalid(
            f"This has no canonical JSON form: {error}.", code="NOT_CANONICAL"
        ) from None


def digest(data: bytes) -> str:
    """`sha256:` and the 64 hexadecimal digits of the SHA-256 of `data`."""
    return f"sha256:{sha256(data).hexdigest()}"


def digest_of(value: Any) -> str:
    """The digest of a JSON value, whatever the order of its keys."""
    return digest(canonical(value))
