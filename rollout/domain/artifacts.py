"""Names of artifacts, and digests as HTTP spells them."""

import re
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from portal.errors import Invalid, Malformed

LONGEST_PATH = 500
LONGEST_PART = 200

_DIGEST_FIELD = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?=,|$)")


def safe_path(path: str, *, longest: int = LONGEST_PATH) -> str:
    """`path`, if it names a file inside the run's own folder.

    Raises `Invalid` (UNSAFE_PATH) for absolute paths, `..`, backslashes, control
    characters, empty parts, and what is too long, no UTF-8, or not in Unicode's
    composed form.
    """
    parts = path.split("/")
    trouble = None
    if not path:
        trouble = "it is empty"
    elif len(path) > longest or any(len(part) > LONGEST_PART for part in parts):
        trouble = "it is too long"
    elif path.startswith("/") or re.match(r"[A-Za-z]:", path):
        trouble = "it is absolute"
    elif "\\" in path:
        trouble = "it holds a backslash"
    elif any(part in ("", ".", "..") for part in parts):
        trouble = "it holds an empty part, `.` or `..`"
    elif any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in path):
        trouble = "it holds a character that cannot be seen"
    elif "\ufffd" in path:
        trouble = "it is no UTF-8"
    elif unicodedata.normalize("NFC", path) != path:
        trouble = "it is not in Unicode's composed form (NFC)"
    if trouble:
        raise Invalid(
            f"This is no name for an artifact: {trouble}.",
            code="UNSAFE_PATH",
            errors=[{"pointer": "", "detail": trouble}],
        )
    return path


def digest_from_field(field: str) -> str:
    """The digest in a `Content-Digest` field (RFC 9530), as `sha256:<hex>`."""
    match = _DIGEST_FIELD.search(field)
    if match is None:
        raise Malformed(
            "Content-Digest has to be sha-256=:<base64 of 32 bytes>: (RFC 9530).",
            code="DIGEST_MALFORMED",
        )
    try:
        return f"sha256:{b64decode(match[1], validate=True).hex()}"
    except NotBase64:
        raise Malformed(
            "Content-Digest does not hold base64.", code="DIGEST_MALFORMED"
        ) from None


def field_from_digest(digest: str) -> str:
    """The `Content-Digest` field for a digest."""
    raw = bytes.fromhex(digest.removeprefix("sha256:"))
    return f"sha-256=:{b64encode(raw).decode()}:"
