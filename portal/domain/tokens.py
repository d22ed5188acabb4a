"""How API tokens are spelled: `rgp_<32 characters><6 check digits>`.

The prefix lets scanners find a leaked token, the check digits tell a typing error
from a revoked token without asking the database.
"""

from hmac import new as hmac
from zlib import crc32

PREFIX = "rgp_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH = 32
CHECK_LENGTH = 6
SHOWN_LENGTH = len(PREFIX) + 6


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return digits


def spell(secret: bytes) -> str:
    """The token for 23 random bytes (184 bits, which 32 letters hold)."""
    body = _base62(int.from_bytes(secret, "big"), SECRET_LENGTH)
    return PREFIX + body + _base62(crc32(body.encode()), CHECK_LENGTH)


def is_well_formed(token: str) -> bool:
    """Whether this can be a token at all: prefix, alphabet, length, check digits."""
    body = token[len(PREFIX) : -CHECK_LENGTH]
    return (
        token.startswith(PREFIX)
        and len(body) == SECRET_LENGTH
        and all(letter in ALPHABET for letter in body)
        and token[-CHECK_LENGTH:] == _base62(crc32(body.encode()), CHECK_LENGTH)
    )


def keyed_hash(token: str, *, key: bytes) -> str:
    """What is stored instead of the token: HMAC-SHA-256, hexadecimal."""
    return hmac(key, token.encode(), "sha256").hexdigest()


def shown(token: str) -> str:
    """The part that may be shown and logged."""
    return token[:SHOWN_LENGTH]
