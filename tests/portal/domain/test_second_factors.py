from datetime import UTC, datetime, timedelta

import pytest

from portal.domain.roles import Role
from portal.domain.second_factors import (
    FREE_MISTAKES,
    LONGEST_WAIT,
    STEP_S,
    address,
    code_at,
    is_demanded,
    is_recovery,
    spell_recovery,
    spelled,
    step_of,
    typed_recovery,
    waits_until,
)

SECRET = b"12345678901234567890"  # of RFC 6238
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [  # RFC 6238, appendix B, the last six digits
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds, code):
    assert code_at(SECRET, at(seconds)) == code
    assert step_of(code, secret=SECRET, now=at(seconds), after=0) == seconds // STEP_S


@pytest.mark.parametrize(
    ("late", "is_right"),
    [(-61, False), (-30, True), (0, True), (30, True), (61, False)],
)
def test_clocks_may_differ_by_half_a_minute(late, is_right):
    code = code_at(SECRET, NOON)

    found = step_of(code, secret=SECRET, now=NOON + timedelta(seconds=late), after=0)

    assert (found is not None) == is_right


def test_a_code_is_good_once_and_so_is_an_earlier_one():
    used = step_of(code_at(SECRET, NOON), secret=SECRET, now=NOON, after=0)
    earlier = code_at(SECRET, NOON - timedelta(seconds=STEP_S))
    later = code_at(SECRET, NOON + timedelta(seconds=STEP_S))

    for code, is_right in ((code_at(SECRET, NOON), False), (earlier, False)):
        found = step_of(code, secret=SECRET, now=NOON, after=used)
        assert (found is not None) == is_right
    assert step_of(later, secret=SECRET, now=NOON, after=used) == used + 1


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "0" * 7, "١٢٣٤٥٦", "-00001"])
def test_what_is_no_code_is_wrong(typed):
    assert step_of(typed, secret=SECRET, now=NOON, after=0) is None


def test_a_code_may_be_typed_in_two_halves():
    code = code_at(SECRET, NOON)

    assert step_of(f" {code[:3]} {code[3:]} ", secret=SECRET, now=NOON, after=0)


def test_every_mistake_after_a_few_doubles_the_wait_up_to_its_end():
    waits = [waits_until(n, NOON) for n in range(FREE_MISTAKES + 30)]

    assert waits[: FREE_MISTAKES + 1] == [None] * (FREE_MISTAKES + 1)
    seconds = [(until - NOON).total_seconds() for until in waits[FREE_MISTAKES + 1 :]]
    assert seconds[:4] == [2, 4, 8, 16]
    assert seconds[-1] == LONGEST_WAIT.total_seconds()


def test_a_recovery_code_is_the_same_however_it_is_typed():
    code = spell_recovery(bytes(range(10)))

    assert code == "AAAQ-EAYE-AUDA-OCAJ"
    assert typed_recovery(" aaaq eaye\tauda-ocaj ") == code
    assert is_recovery(code)
    assert not is_recovery("123 456")


def test_a_telephone_reads_the_secret_or_it_is_typed():
    uri = address(SECRET, account="ann@example", issuer="The Portal")

    assert uri.startswith("otpauth://totp/The%20Portal:ann%40example?")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in uri
    assert spelled(SECRET) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_roles_demand_it_as_the_settings_say():
    assert is_demanded({Role.QA, Role.ENGINEER}, of=["qa"])
    assert not is_demanded({Role.ENGINEER}, of=["qa"])
    assert not is_demanded({Role.QA}, of=[])
