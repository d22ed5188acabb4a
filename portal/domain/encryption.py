"""What is secret and has to be used again is stored encrypted (Fernet: AES and HMAC).

The first key encrypts, every key decrypts: a key is rotated by putting a new one in
front of it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from portal.errors import Unavailable


class Unreadable(Unavailable):
    """No key that is known opens this."""

    code = "SECRET_UNREADABLE"


def encrypt(text: str, *, keys: Sequence[str]) -> str:
    """The text for whoever has the first key."""
    return _box(keys).encrypt(text.encode()).decode()


def decrypt(encrypted: str, *, keys: Sequence[str]) -> str:
    """The text again; raises `Unreadable` when no key fits."""
    try:
        return _box(keys).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "A stored secret cannot be read: ENCRYPTION_KEYS has lost its key."
        ) from None


def _box(keys: Sequence[str]) -> MultiFernet:
    """Keys are long random texts of any form; Fernet wants 32 bytes."""
    return MultiFernet(
        [Fernet(urlsafe_b64encode(sha256(key.encode()).digest())) for key in keys]
    )
