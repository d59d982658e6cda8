"""`[redis]`: what it takes, and that nobody sees the password."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from limits.storage import RedisStorage, storage_from_string
from support.installations import Installation, faults_of

from flask_usher import configuration
from flask_usher.errors import SettingsError
from flask_usher.extension import build
from flask_usher.limits.redis_counters import RedisCounters

PASSWORD = "hunter2-correct-horse"


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://cache.internal:6380",
        "redis://cache.internal:6379/",
        "redis://cache.internal/15",
        f"redis://:{PASSWORD}@cache.internal/1",
        f"rediss://usher:{PASSWORD}@cache.internal:6379/0",
        "rediss://[2001:db8::1]:6379",
        "unix:///run/redis/socket",
        f"unix://usher:{PASSWORD}@/run/redis/socket?db=2",
    ],
)
def test_addresses_of_a_redis(installation: Installation, url: str) -> None:
    settings = installation.settings(redis={"url": url})
    assert settings.redis is not None
    assert settings.redis.url.get_secret_value() == url
    assert PASSWORD not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://:{PASSWORD}@cache.internal", id="other-scheme"),
        pytest.param(f"redis+sentinel://:{PASSWORD}@cache.internal", id="sentinel"),
        pytest.param(f":{PASSWORD}@cache.internal", id="no-scheme"),
        pytest.param(PASSWORD, id="password-only"),
        pytest.param([PASSWORD], id="list"),
        pytest.param({"password": PASSWORD}, id="table"),
        pytest.param("", id="empty"),
        pytest.param(f"REDISS://:{PASSWORD}@cache.internal", id="large-letters"),
        pytest.param("redis://", id="no-host"),
        pytest.param(f"redis://:{PASSWORD}@", id="no-host-but-a-password"),
        pytest.param(f"redis://cache.internal:{PASSWORD}", id="bad-port"),
        pytest.param("redis://cache.internal:0", id="port-0"),
        pytest.param(f"redis://cache.internal/{PASSWORD}", id="bad-database"),
        pytest.param(f"redis://:{PASSWORD}@cache.internal/0#x", id="fragment"),
        pytest.param(f"redis://:{PASSWORD} x@cache.internal", id="space"),
        pytest.param(f"redis://:{PASSWORD}@cache.internal\n", id="line-break"),
        pytest.param("rediss://cache.internal?ssl_cert_reqs=none", id="unchecked-certificates"),
        pytest.param("redis://cache.internal?socket_timeout=60", id="another-timeout"),
        pytest.param("unix:///run/socket?socket_timeout=60", id="unix-another-timeout"),
        pytest.param("unix://run/socket", id="unix-relative"),
        pytest.param("unix://", id="unix-nowhere"),
    ],
)
def test_what_is_no_address_of_a_redis_is_not_shown(
    installation: Installation, url: Any
) -> None:
    faults = installation.faults(redis={"url": url})
    assert list(faults) == ["redis.url"]
    assert PASSWORD not in str(faults["redis.url"])
    assert "redis://USER:PASSWORD@HOST" in faults["redis.url"].expected


@pytest.mark.parametrize("url", ["redis://cache.internal", "unix:///run/redis/socket"])
def test_certificates_to_trust_are_for_tls_alone(installation: Installation, url: str) -> None:
    file = str(installation.file("ca.pem", ""))
    faults = installation.faults(redis={"url": url, "ca_file": file})
    expected = "a file only with rediss:// in redis.url: without TLS there is no certificate"
    assert list(faults) == ["redis.ca_file"]
    assert faults["redis.ca_file"].found == repr(file)
    assert faults["redis.ca_file"].expected == expected
    settings = installation.settings(redis={"url": "rediss://cache.internal", "ca_file": file})
    assert settings.redis is not None
    assert str(settings.redis.ca_file) == file


def test_beside_a_wrong_address_certificates_are_no_fault(installation: Installation) -> None:
    file = str(installation.file("ca.pem", ""))
    assert list(installation.faults(redis={"url": "", "ca_file": file})) == ["redis.url"]


def test_without_an_address_there_is_no_table(installation: Installation) -> None:
    assert list(installation.faults(redis={})) == ["redis.url"]
    assert installation.settings().redis is None


def test_the_address_may_come_from_the_environment(installation: Installation) -> None:
    url = f"redis://:{PASSWORD}@cache.internal"
    settings = configuration.load(installation.mapping(), {"USHER__REDIS__URL": url})
    assert settings.redis is not None
    assert settings.redis.url.get_secret_value() == url
    faults = faults_of(installation.mapping(), USHER__REDIS__URL=url + "/x")
    assert PASSWORD not in str(faults["redis.url"])


def test_a_missing_library_is_a_fault_that_names_the_remedy(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "flask_usher.limits.redis_counters", raising=False)
    monkeypatch.delitem(sys.modules, "flask_usher.limits.redis_client", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    settings = installation.settings(redis={"url": "redis://127.0.0.1:9"})
    with pytest.raises(SettingsError, match=r"flask-usher\[redis\]"):
        build(settings)


def test_without_redis_its_library_is_not_loaded(installation: Installation) -> None:
    program = (
        "import sys, flask_usher; flask_usher.create_app(sys.argv[1]);"
        "sys.exit('redis' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(installation.toml())]
    assert subprocess.run(command, check=False).returncode == 0


def test_what_others_store_with_the_same_library_goes_where_it_did() -> None:
    assert RedisCounters.__base__ is RedisStorage
    assert type(storage_from_string("redis://127.0.0.1:9")) is RedisStorage


@pytest.mark.parametrize(("seconds", "is_good"), [(1, True), (900, True), (901, False)])
def test_row_24_no_lock_outlasts_a_quarter_of_an_hour(
    installation: Installation, seconds: int, is_good: bool
) -> None:
    rate = f"10 per {seconds} seconds"
    faults = installation.faults(limits={"sign_in_failures_per_account": rate})
    assert list(faults) == ([] if is_good else ["limits.sign_in_failures_per_account"])
