"""Sticky percentages: the same unit lands in the same bucket, always.

`bucket = murmur3_x86_32(utf8("{salt}:{unit}"), seed) mod 10000`: steps of 0.01 %.
The salt is fixed when a rollout is created, so that a cohort stays the same through
pause, rollback and resume, and widening drops nobody.
"""

from decimal import Decimal

import mmh3

BUCKETS = 10_000
COVERAGE_SEED = 0
VARIANT_SEED = 0x5EED


def bucket(salt: str, unit: str, seed: int = COVERAGE_SEED) -> int:
    """The bucket of a unit, from 0 to 9999; `UnicodeEncodeError` if it is no text."""
    # mmh3 crashes on a text that has no UTF-8, so it never gets one.
    return mmh3.hash(f"{salt}:{unit}".encode(), seed, False) % BUCKETS


def share_of(percentage: Decimal | float | int) -> int:
    """How many buckets a percentage takes: `bucket < share` is in."""
    return round(Decimal(str(percentage)) * (BUCKETS // 100))


def percentage_of(share: int) -> int | float:
    """The percentage that takes so many buckets, as short as it can be written."""
    percentage = share * 100 / BUCKETS
    return int(percentage) if percentage.is_integer() else percentage
