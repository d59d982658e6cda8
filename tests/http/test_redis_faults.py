"""Redis forgets or is slow: limits suffer from it, and who is signed in never does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.redis_server import RedisServer
from support.service import MakeService, Service
from support.tcp_proxy import TcpProxy, tcp_proxy

from flask_usher.limits.shared_counters import RETRY_SECONDS

pytestmark = pytest.mark.redis
LIMITS = {"workers": 2, "tokens_per_person": "5 per 600 seconds"}


@pytest.fixture
def network(redis_server: RedisServer) -> Iterator[TcpProxy]:
    with tcp_proxy(redis_server.socket) as proxy:
        yield proxy


@pytest.fixture
def shop(make_service: MakeService, network: TcpProxy) -> Service:
    return make_service(redis={"url": f"redis://127.0.0.1:{network.port}"}, limits=LIMITS)


def test_row_167_who_is_forgotten_is_limited_anew_and_nobody_else(
    shop: Service, redis_server: RedisServer
) -> None:
    jane, sam = shop.signed_in("jane"), shop.signed_in("sam")
    assert [jane.ask().status_code for _ in range(6)] == [200] * 5 + [429]
    # What eviction does to a key, it does here to all.
    redis_server.command("FLUSHALL")
    assert sam.user_id() == shop.user_id_of("sam")
    assert jane.user_id() == shop.user_id_of("jane")
    assert [jane.ask().status_code for _ in range(5)] == [200] * 4 + [429]
    assert shop.browser().ask().status_code == 401


def test_row_167_one_that_evicts(shop: Service, redis_server: RedisServer) -> None:
    browsers = {name: shop.signed_in(name) for name in ("jane", "sam", "kim")}
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    for number in range(20):
        redis_server.command("SET", f"other:{number}", "x" * 65536)
    redis_server.command("CONFIG", "SET", "maxmemory", "1mb")
    for name, browser in browsers.items():
        assert browser.user_id() == shop.user_id_of(name)
    assert redis_server.command("INFO", "stats")["evicted_keys"] > 0


@pytest.mark.parametrize("fault", ["row166-5-seconds-late", "row166-silent"])
def test_a_slow_one_is_left_alone(shop: Service, network: TcpProxy, fault: str) -> None:
    jane = shop.signed_in("jane")
    assert jane.ask().status_code == 200
    accepted = network.accepted
    if fault == "row166-silent":
        network.fall_silent()
    else:
        network.delay = 5
    assert [jane.ask().status_code for _ in range(6)] == [200] * 5 + [429]
    assert jane.cookie()
    assert network.accepted <= accepted + 1
    network.speak()
    network.delay = 0
    shop.clock.advance(RETRY_SECONDS)
    # It knows of the one before, and of none that was counted elsewhere.
    assert [jane.ask().status_code for _ in range(5)] == [200] * 4 + [429]
