from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain import baseline
from rollout.domain.bucketing import bucket, share_of
from rollout.domain.contexts import from_asked
from rollout.domain.flags import (
    NO_WEB,
    FlagSpec,
    FlagType,
    canonical_key,
    for_display,
    stricter,
)
from rollout.domain.targeting import condition

AGENTS = FlagSpec("AGENTS", FlagType.INTEGER, 6, 1, 50)
TIER = FlagSpec("TIER", FlagType.ENUM, "standard", options=("basic", "standard"))
ENDPOINT = FlagSpec("ENDPOINT", FlagType.STRING, None, is_nullable=True)
ROOT = FlagSpec("ROOT", FlagType.PATH, "~/runs")


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (AGENTS, 0),
        (AGENTS, 51),
        (AGENTS, True),
        (AGENTS, "6"),
        (AGENTS, None),
        (AGENTS, 2.5),
        (TIER, "thorough"),
        (TIER, 1),
        (ENDPOINT, "  "),
        (ROOT, "relative/path"),
    ],
)
def test_a_value_that_a_flag_cannot_have_is_refused(spec, value):
    with pytest.raises(Invalid) as refusal:
        spec.check(value)

    assert refusal.value.code == "FLAG_VALUE_INVALID"


@given(st.integers() | st.booleans() | st.text() | st.none() | st.floats())
def test_a_clamped_value_is_always_one_that_the_flag_can_have(value):
    for spec in (AGENTS, TIER, ENDPOINT, ROOT):
        spec.check(spec.clamp(value))


def test_the_baseline_is_valid_and_complete():
    for spec, _ in baseline.FLAGS:
        spec.check(spec.default)

    assert len(baseline.FLAGS) == 12


def test_the_stricter_value_keeps_off_the_web_and_counts_less():
    assert stricter(NO_WEB, False, True) is True
    assert stricter("OTHER", True, False) is False


def test_older_names_are_understood():
    assert canonical_key("PAI_DR_NO_WEB") == NO_WEB
    assert canonical_key(NO_WEB) == NO_WEB


def test_an_address_is_shown_without_its_credentials():
    shown = for_display("https://me:hunter2@example.org/x?sig=abc")

    assert shown == "https://example.org/x?…"


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3 x86 32, written from its description."""
    mask, h = 0xFFFFFFFF, seed
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        k = int.from_bytes(block, "little") * 0xCC9E2D51 & mask
        k = ((k << 15 | k >> 17) & mask) * 0x1B873593 & mask
        h ^= k
        if len(block) == 4:
            h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16


@given(st.text(max_size=40), st.text(max_size=40))
def test_buckets_are_those_of_murmur3(salt, unit):
    try:
        data = f"{salt}:{unit}".encode()
    except UnicodeEncodeError:
        return

    assert bucket(salt, unit) == murmur3(data) % 10_000


def test_a_share_is_in_steps_of_a_hundredth_of_a_percent():
    assert share_of(Decimal("0.01")) == 1
    assert share_of(Decimal("12.34")) == 1234
    assert share_of(100) == 10_000


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"attribute": "team", "operator": "like", "value": "a"},
        {"attribute": "team", "operator": "in", "value": []},
        {"attribute": "team", "operator": "in", "value": "a"},
        {"attribute": "team", "operator": "equals", "value": ["a"]},
        {"attribute": "", "operator": "equals", "value": "a"},
    ],
)
def test_what_is_no_condition_is_refused(raw):
    with pytest.raises(Invalid) as refusal:
        condition(raw)

    assert refusal.value.code == "RULE_INVALID"


def test_an_attribute_that_is_missing_fulfils_nothing():
    for operator, value in (("equals", "a"), ("in", ["a"]), ("not_in", ["a"])):
        raw = {"attribute": "team", "operator": operator, "value": value}
        assert not condition(raw).holds({})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:secret@example.org/x", "https://example.org/x"),
        ("https://example.org/x?key=secret", "https://example.org/x?…"),
        ("https://example.org/x;pw=secret", "https://example.org/x;…"),
        ("see https://me:secret@example.org now", "see https://example.org now"),
        ("//me:secret@example.org", "//example.org"),
        ("https://[oops", "https://[oops"),
        ("~/runs", "~/runs"),
    ],
)
def test_an_address_is_shown_without_its_secrets(value, shown):
    assert for_display(value) == shown


def test_what_is_no_text_has_no_bucket():
    with pytest.raises(UnicodeEncodeError):
        bucket("salt", "\ud800")
    with pytest.raises(Invalid):
        from_asked({"run_id": "r", "targetingKey": "\ud800"})


def test_a_share_is_rounded_to_the_nearest_bucket():
    assert share_of(13.049999999999999) == 1305
