import random
import statistics
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain import webhooks
from portal.domain.webhooks import BadSignature, Verdict
from portal.errors import Invalid

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
BODY = b'{"type":"switch.engaged"}'
OLD, NEW = (webhooks.spell(bytes([number]) * 32) for number in (1, 2))


def signed(*secrets: str, at: datetime = NOW) -> dict[str, str]:
    return webhooks.headers(secrets or [NEW], "msg-1", at, BODY)


def test_the_signature_is_that_of_the_specifications_example():
    """The example of the reference implementations."""
    at = datetime.fromtimestamp(1614265330, UTC)

    said = webhooks.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        at,
        b'{"test": 2432232314}',
    )

    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_whoever_has_the_secret_can_tell_that_it_is_ours():
    webhooks.verify(NEW, signed(), BODY, now=NOW)


def test_while_a_secret_is_rotated_both_are_good():
    received = signed(NEW, OLD)

    webhooks.verify(NEW, received, BODY, now=NOW)
    webhooks.verify(OLD, received, BODY, now=NOW)


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_what_is_too_old_or_too_new_is_refused(late):
    with pytest.raises(BadSignature):
        webhooks.verify(NEW, signed(), BODY, now=NOW + late)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg-2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-signature": ""},
        {"webhook-signature": "v1a,abc"},
        {"webhook-signature": "v1,ünïcödé"},
    ],
    ids=str,
)
def test_what_was_changed_on_the_way_is_refused(change):
    with pytest.raises(BadSignature):
        webhooks.verify(NEW, signed() | change, BODY, now=NOW)


def test_another_body_or_another_secret_is_refused():
    with pytest.raises(BadSignature):
        webhooks.verify(NEW, signed(), BODY + b" ", now=NOW)
    with pytest.raises(BadSignature):
        webhooks.verify(OLD, signed(), BODY, now=NOW)
    with pytest.raises(BadSignature):
        webhooks.verify(NEW, {}, BODY, now=NOW)


def test_a_secret_that_is_none_is_refused():
    with pytest.raises(Invalid):
        webhooks.read_secret("whsec_?")


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200))
def test_every_secret_is_read_back_and_signs_every_body(secret, body):
    spelled = webhooks.spell(secret)

    assert webhooks.read_secret(spelled) == secret
    received = webhooks.headers([spelled], "id", NOW, body)
    webhooks.verify(spelled, received, body, now=NOW)


def test_it_is_tried_for_about_three_days_and_at_least_ten_times():
    rng = random.Random(7)

    def one_life() -> tuple[int, float]:
        tries, total = 1, timedelta(0)
        while wait := webhooks.wait_after(tries, chance=rng.random()):
            tries, total = tries + 1, total + wait
        return tries, total / timedelta(days=1)

    lives = [one_life() for _ in range(2000)]

    assert {tries for tries, _ in lives} == {webhooks.MAX_TRIES}
    assert webhooks.MAX_TRIES >= 10
    days = sorted(days for _, days in lives)
    assert 2.5 < statistics.mean(days) < 3.2
    assert days[20] > 1.2  # 99 of 100
    assert days[-20] < 4.5


@given(st.integers(1, webhooks.MAX_TRIES - 1), st.floats(0, 0.999))
def test_a_wait_is_a_random_part_of_its_ceiling(tries, chance):
    wait = webhooks.wait_after(tries, chance=chance)

    assert wait <= timedelta(seconds=webhooks.WAITS[tries - 1])


def test_what_the_receiver_asks_for_counts_up_to_a_day():
    hour, week = timedelta(hours=1), timedelta(days=7)

    assert webhooks.wait_after(1, chance=0.5, retry_after=hour) == hour
    assert webhooks.wait_after(1, chance=0.5, retry_after=week) == timedelta(days=1)
    assert webhooks.rest_after(1, retry_after=hour) == hour


def test_an_endpoint_that_goes_on_failing_is_left_alone_for_longer():
    rests = [webhooks.rest_after(failures) for failures in range(1, 9)]

    assert rests == sorted(rests)
    assert rests[-1] == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("120", timedelta(minutes=2)),
        (" 0 ", timedelta(0)),
        ("9" * 400, timedelta(seconds=10**8)),
        ("Tue, 01 Jan 2030 12:01:00 GMT", timedelta(minutes=1)),
        ("Mon, 31 Dec 2029 12:00:00 GMT", timedelta(0)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("Tue, 99 Jan 2030 12:01:00 GMT", None),
    ],
    ids=str,
)
def test_retry_after_is_a_number_of_seconds_or_a_date(said, meant):
    assert webhooks.read_retry_after(said, now=NOW) == meant


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (302, Verdict.FAILED),
        (404, Verdict.FAILED),
        (410, Verdict.GONE),
        (500, Verdict.FAILED),
    ],
)
def test_what_a_status_means(status, verdict):
    assert webhooks.verdict_on(status) == verdict
