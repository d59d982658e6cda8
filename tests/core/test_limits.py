"""Limits: what counts as one address, and each worker's part."""

from __future__ import annotations

import pytest
from support.threads import together

from flask_usher.errors import TooManyRequests
from flask_usher.limit_storage import SMALLEST_SWEEP, CounterStorage
from flask_usher.limits import Limit, Limits, address_key
from flask_usher.settings import LimitSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def granted(limit: Limit, key: str, tries: int = 100) -> int:
    """Count until the limit refuses; return how often it did not."""
    for number in range(tries):
        try:
            limit.count(key)
        except TooManyRequests:
            return number
    return tries


@pytest.mark.parametrize(
    ("rate", "workers", "part"),
    [
        ("10 per 300 seconds", 1, 10),
        ("10 per 300 seconds", 2, 5),
        ("10 per 300 seconds", 3, 4),
        ("10 per 300 seconds", 64, 1),
        ("1 per 1 seconds", 1, 1),
        ("1 per 1 seconds", 1024, 1),
    ],
)
def test_row_166_each_worker_grants_its_part(
    clock: Clock, rate: str, workers: int, part: int
) -> None:
    limit = Limit("tokens", rate, workers, clock)
    assert granted(limit, "jane") == part
    assert granted(limit, "sam") == part


def test_a_window_ends(clock: Clock) -> None:
    limit = Limit("tokens", "2 per 60 seconds", 1, clock)
    assert granted(limit, "jane") == 2
    with pytest.raises(TooManyRequests) as error:
        limit.count("jane")
    assert error.value.retry_after == 60
    clock.now += 59.5
    with pytest.raises(TooManyRequests) as error:
        limit.count("jane")
    assert error.value.retry_after == 1
    clock.now += 0.5
    assert granted(limit, "jane") == 2


@pytest.mark.parametrize("change", [-3600, -86400, 3600, 86400])
def test_row_126_a_clock_that_jumps_locks_nobody_out_for_longer(
    clock: Clock, change: int
) -> None:
    limit = Limit("tokens", "2 per 60 seconds", 1, clock)
    assert granted(limit, "jane") == 2
    clock.now += change
    assert granted(limit, "jane") == 2


def test_a_try_counts_only_when_it_fails(clock: Clock) -> None:
    limit = Limit("account", "2 per 60 seconds", 1, clock)
    for _ in range(5):
        with limit.trying("jane", ValueError):
            pass
    for _ in range(5):
        with pytest.raises(KeyError), limit.trying("jane", ValueError):
            raise KeyError
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"), limit.trying("jane", ValueError):
            raise ValueError("wrong")
    with pytest.raises(TooManyRequests), limit.trying("jane", ValueError):
        pytest.fail("the limit let it pass")


def test_threads_together_get_no_more_than_the_limit(clock: Clock) -> None:
    limit = Limit("tokens", "50 per 60 seconds", 1, clock)
    assert sum(together(8, lambda _number: granted(limit, "jane", 20))) == 50


def test_one_limit_does_not_count_for_another(clock: Clock) -> None:
    limits = Limits(LimitSettings(tokens_per_person="1 per 60 seconds"), clock)
    assert granted(limits.tokens_per_person, "local:1") == 1
    assert granted(limits.tokens_per_person, "local:2") == 1
    assert granted(limits.failures_per_account, "local:1") == 10
    assert granted(limits.sign_ins, "", 2000) == 1000


@pytest.mark.parametrize("key", ["", "a/b", "a b", "\ud800", "é", "x" * 9999, "a\n", "%", "{}"])
def test_any_text_may_be_a_key(clock: Clock, key: str) -> None:
    limit = Limit("tokens", "2 per 60 seconds", 1, clock)
    assert granted(limit, key) == 2
    assert granted(limit, key + "2") == 2


def test_row_96_counters_that_have_expired_take_no_memory(clock: Clock) -> None:
    storage = CounterStorage(clock)
    for number in range(20 * SMALLEST_SWEEP):
        clock.now += 1
        storage.incr(str(number), 60)
    assert storage.reset() <= 2 * SMALLEST_SWEEP


def test_counters_that_are_alive_are_kept(clock: Clock) -> None:
    storage = CounterStorage(clock)
    for number in range(5 * SMALLEST_SWEEP):
        storage.incr(str(number), 60)
    assert all(storage.get(str(number)) == 1 for number in range(5 * SMALLEST_SWEEP))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("::FFFF:192.0.2.1%eth0", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:DB8:0001:0002::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("fe80::2%eth1", "fe80::/64"),
        ("::1", "::/64"),
        ("command line", "command line"),
        ("", ""),
    ],
)
def test_row_158_what_counts_as_one_address(address: str, key: str) -> None:
    assert address_key(address) == key
