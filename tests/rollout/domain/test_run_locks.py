"""The lock of a run root is good for its lease, whoever died with it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain import run_locks

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_lock(**other: object) -> bytes:
    mine = run_locks.lock(pid=7, host="h", reason="test", now=NOW)
    return json.dumps({**mine, **other}).encode()


def test_a_lock_ends_with_its_lease_after_it_was_last_refreshed():
    later = "2026-01-01T12:10:00.000Z"
    assert run_locks.free_at(a_lock(), NOW) == NOW + timedelta(seconds=120)
    assert run_locks.free_at(a_lock(refreshed_at=later), NOW) == NOW + timedelta(
        minutes=12
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        a_lock(refreshed_at="yesterday"),
        a_lock(refreshed_at="2026-01-01T12:00:00"),
        a_lock(refreshed_at=None),
        a_lock(lease_seconds=0),
        a_lock(lease_seconds=-5),
        a_lock(lease_seconds="120"),
        a_lock(lease_seconds=10**12),
        a_lock(lease_seconds=1e400),
    ],
)
def test_a_lock_that_cannot_be_read_counts_from_its_writing(raw):
    assert run_locks.free_at(raw, NOW) == NOW + run_locks.LEASE


def test_only_the_own_lock_is_owned():
    mine = run_locks.lock(pid=7, host="h", reason="test", now=NOW)
    assert run_locks.is_owned(a_lock(), mine)
    assert not run_locks.is_owned(a_lock(owner_id="another"), mine)
    assert not run_locks.is_owned(b"{", mine)
