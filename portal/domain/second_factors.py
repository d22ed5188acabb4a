"""The second factor: codes from a telephone (RFC 6238), and codes for a lost one.

A code is good for the half minute that it is made for and for one on either side, as
clocks differ, and only once. Recovery codes are long random texts, so that nobody
needs to be slowed down who guesses at them.
"""

from base64 import b32encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from portal.domain.roles import Role

STEP_S = 30
LENGTH = 6
TOLERANCE = 1  # steps before and after
SECRET_BYTES = 20  # what RFC 4226 recommends, and every app on a telephone takes
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
FREE_MISTAKES = 4
LONGEST_WAIT = timedelta(minutes=15)


def _codes(secret: bytes) -> TOTP:
    return TOTP(secret, LENGTH, SHA1(), STEP_S)  # what the apps know


def address(secret: bytes, *, account: str, issuer: str) -> str:
    """What an app reads from the QR code, as an `otpauth:` address."""
    return _codes(secret).get_provisioning_uri(account, issuer)


def spelled(secret: bytes) -> str:
    """The secret for whoever types it instead, in groups of four."""
    return _grouped(b32encode(secret).decode().rstrip("="), " ")


def code_at(secret: bytes, moment: datetime) -> str:
    """The code that an app shows at that moment."""
    return _codes(secret).generate(int(moment.timestamp())).decode()


def step_of(code: str, *, secret: bytes, now: datetime, after: int) -> int | None:
    """The step that a code is for, if it is one of now and later than `after`."""
    typed = "".join(code.split())
    current = int(now.timestamp()) // STEP_S
    found = None
    for step in range(current - TOLERANCE, current + TOLERANCE + 1):
        right = _codes(secret).generate(step * STEP_S).decode()
        if compare_digest(right.encode(), typed.encode()) and step > after:
            found = step
    return found


def waits_until(failures: int, failed_at: datetime | None) -> datetime | None:
    """Until when no code is looked at; None when one may be tried now or ever.

    A few mistakes are free; then every further one doubles the wait.
    """
    if failed_at is None or failures <= FREE_MISTAKES:
        return None
    exponent = min(failures - FREE_MISTAKES, 10)
    return failed_at + min(timedelta(seconds=2**exponent), LONGEST_WAIT)


def spell_recovery(random: bytes) -> str:
    """A recovery code for these random bytes, such as `ABCD-EFGH-IJKL-MNOP`."""
    return _grouped(b32encode(random).decode().rstrip("="), "-")


def typed_recovery(text: str) -> str:
    """A recovery code as it was shown, however it was typed."""
    letters = "".join(letter for letter in text.upper() if letter.isalnum())
    return _grouped(letters, "-")


def is_recovery(text: str) -> bool:
    """Whether somebody has typed a recovery code, and not one from a telephone."""
    return len("".join(text.split())) > LENGTH


def is_demanded(held: Iterable[Role], *, of: Sequence[str]) -> bool:
    """Whether somebody with these roles has to have a second factor."""
    return bool(set(map(str, held)) & set(of))


def _grouped(letters: str, separator: str) -> str:
    return separator.join(letters[at : at + 4] for at in range(0, len(letters), 4))
