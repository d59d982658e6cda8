"""Limits: what counts as one address, each process's part, and what is counted on none."""

from __future__ import annotations

import pytest
from support.threads import together

from flask_usher.errors import TooManyRequests
from flask_usher.limits import Limits
from flask_usher.limits.counters import Quota
from flask_usher.limits.limits import address_key
from flask_usher.limits.memory_counters import SMALLEST_SWEEP, MemoryCounters
from flask_usher.settings import LimitSettings
from flask_usher.testing import Clock

START = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def counters(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock)


def granted(counters: MemoryCounters, quota: Quota, key: str = "jane", tries: int = 100) -> int:
    """Count until the quota is used up; return how often it was not."""
    for number in range(tries):
        if not counters.take([quota.tally(key)]).granted:
            return number
    return tries


@pytest.mark.parametrize(
    ("rate", "processes", "part"),
    [
        ("10 per 300 seconds", 1, 10),
        ("10 per 300 seconds", 2, 5),
        ("10 per 300 seconds", 3, 4),
        ("10 per 300 seconds", 64, 1),
        ("1 per 1 seconds", 1, 1),
        ("1 per 1 seconds", 1024, 1),
    ],
)
def test_row_166_each_process_grants_its_part(
    counters: MemoryCounters, rate: str, processes: int, part: int
) -> None:
    quota = Quota.of("tokens", rate, processes)
    assert granted(counters, quota, "jane") == part
    assert granted(counters, quota, "sam") == part


def test_a_window_ends(counters: MemoryCounters, clock: Clock) -> None:
    quota = Quota.of("tokens", "2 per 60 seconds", 1)
    assert granted(counters, quota) == 2
    clock.advance(59.5)
    taken = counters.take([quota.tally("jane")])
    assert not taken.granted
    assert taken.windows == [(0, 0.5)]
    clock.advance(0.5)
    assert granted(counters, quota) == 2


def test_what_is_left_and_until_when(counters: MemoryCounters, clock: Clock) -> None:
    quota = Quota.of("tokens", "3 per 60 seconds", 1)
    assert counters.take([quota.tally("jane")]) == (True, [(2, 60.0)])
    clock.advance(10)
    assert counters.take([quota.tally("jane")]) == (True, [(1, 50.0)])
    assert counters.take([quota.tally("sam")]) == (True, [(2, 60.0)])


@pytest.mark.parametrize("change", [-3600, -86400, 3600, 86400])
def test_row_126_a_clock_that_jumps_locks_nobody_out_for_longer(
    counters: MemoryCounters, clock: Clock, change: int
) -> None:
    quota = Quota.of("tokens", "2 per 60 seconds", 1)
    assert granted(counters, quota) == 2
    clock.advance(change)
    assert granted(counters, quota) == 2


def test_what_one_quota_refuses_is_not_counted_on_another(counters: MemoryCounters) -> None:
    person = Quota.of("person", "2 per 60 seconds", 1).tally("jane")
    address = Quota.of("address", "5 per 60 seconds", 1)
    for _ in range(50):
        counters.take([person, address.tally("192.0.2.1")])
    assert granted(counters, address, "192.0.2.1") == 3


def test_what_is_given_back_does_not_count(counters: MemoryCounters) -> None:
    quota = Quota.of("account", "2 per 60 seconds", 1)
    for _ in range(9):
        assert counters.take([quota.tally("jane")]).granted
        counters.give_back([quota.tally("jane")])
    assert granted(counters, quota) == 2


def test_what_is_given_back_too_late_is_no_credit(
    counters: MemoryCounters, clock: Clock
) -> None:
    quota = Quota.of("account", "2 per 60 seconds", 1)
    assert granted(counters, quota) == 2
    clock.advance(61)
    counters.give_back([quota.tally("jane")] * 2)
    assert granted(counters, quota) == 2


def test_threads_together_get_no_more_than_the_limit(counters: MemoryCounters) -> None:
    quota = Quota.of("tokens", "50 per 60 seconds", 1)
    assert sum(together(8, lambda _number: granted(counters, quota, tries=20))) == 50


@pytest.mark.parametrize("key", ["", "a/b", "a b", "\ud800", "é", "x" * 9999, "a\n", "%", "{}"])
def test_any_text_may_be_a_key(counters: MemoryCounters, key: str) -> None:
    quota = Quota.of("tokens", "2 per 60 seconds", 1)
    assert granted(counters, quota, key) == 2
    assert granted(counters, quota, key + "2") == 2


def test_row_96_counters_that_have_expired_take_no_memory(
    counters: MemoryCounters, clock: Clock
) -> None:
    quota = Quota.of("tokens", "5 per 60 seconds", 1)
    for number in range(20 * SMALLEST_SWEEP):
        clock.advance(1)
        counters.take([quota.tally(str(number))])
    assert len(counters) <= 2 * SMALLEST_SWEEP


def test_counters_that_are_alive_are_kept(counters: MemoryCounters) -> None:
    tallies = [Quota.of("tokens", "1 per 60 seconds", 1).tally(str(it)) for it in range(5000)]
    assert all(counters.take([it]).granted for it in tallies)
    assert not any(counters.take([it]).granted for it in tallies)


@pytest.fixture
def limits(counters: MemoryCounters) -> Limits:
    settings = LimitSettings(
        tokens_per_person="3 per 60 seconds",
        tokens_per_address="5 per 30 seconds",
        sign_in_failures_per_account="2 per 60 seconds",
        sign_in_failures_per_address="3 per 60 seconds",
        sign_ins="20 per 60 seconds",
    )
    return Limits(settings, counters)


def test_row_13_the_person_who_floods_does_not_use_up_the_address(limits: Limits) -> None:
    for _ in range(3):
        limits.token("local:1", "192.0.2.1").demand()
    for _ in range(99):
        standing = limits.token("local:1", "192.0.2.1")
        assert (standing.window.left, standing.retry_after) == (0, 60)
        with pytest.raises(TooManyRequests):
            standing.demand()
    limits.token("local:2", "192.0.2.1").demand()
    limits.token("local:3", "192.0.2.1").demand()


def test_an_address_has_a_limit_of_its_own(limits: Limits) -> None:
    for number in range(5):
        limits.token(f"local:{number}", "192.0.2.1").demand()
    with pytest.raises(TooManyRequests) as error:
        limits.token("local:9", "192.0.2.1")
    assert error.value.retry_after == 30
    limits.token("local:9", "192.0.2.2").demand()


def test_a_try_to_sign_in_counts_only_when_it_fails(limits: Limits) -> None:
    for _ in range(5):
        with limits.sign_in("jane", "192.0.2.1", ValueError):
            pass
    for _ in range(5):
        with pytest.raises(KeyError), limits.sign_in("jane", "192.0.2.1", ValueError):
            raise KeyError
    for _ in range(2):
        with (
            pytest.raises(ValueError, match="wrong"),
            limits.sign_in("jane", "192.0.2.1", ValueError),
        ):
            raise ValueError("wrong")
    with pytest.raises(TooManyRequests), limits.sign_in("jane", "192.0.2.2", ValueError):
        pytest.fail("the limit let it pass")


def fail_to_sign_in(limits: Limits, account: str, address: str) -> bool:
    """Tell whether the try was let through; it fails."""
    try:
        with limits.sign_in(account, address, ValueError):
            raise ValueError
    except ValueError:
        return True
    except TooManyRequests:
        return False


def test_row_23_ten_thousand_addresses_against_one_account(counters: MemoryCounters) -> None:
    limits = Limits(LimitSettings(), counters)
    networks = [f"10.0.{number // 250}.{number % 250}" for number in range(10_000)]
    assert sum(fail_to_sign_in(limits, "jane", address) for address in networks) == 10
    assert fail_to_sign_in(limits, "sam", networks[0])


def test_row_23_one_address_against_ten_thousand_accounts(counters: MemoryCounters) -> None:
    limits = Limits(LimitSettings(), counters)
    names = [f"name-{number}" for number in range(10_000)]
    assert sum(fail_to_sign_in(limits, name, "192.0.2.1") for name in names) == 10
    assert fail_to_sign_in(limits, names[-1], "192.0.2.2")


def test_row_22_the_1001st_try_of_all_together(counters: MemoryCounters) -> None:
    limits = Limits(LimitSettings(), counters)
    tries = [
        (f"name-{number}", f"10.0.{number // 250}.{number % 250}") for number in range(1001)
    ]
    assert [fail_to_sign_in(limits, *it) for it in tries] == [True] * 1000 + [False]


def test_row_22_all_tries_to_sign_in_count_together(limits: Limits) -> None:
    for number in range(20):
        with limits.sign_in(f"name-{number}", f"192.0.2.{number}", ValueError):
            pass
    with pytest.raises(TooManyRequests), limits.sign_in("jane", "192.0.2.99", ValueError):
        pytest.fail("the limit let it pass")


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
