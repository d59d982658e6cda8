"""What the service counts for Prometheus: few labels, all of them known beforehand."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import sqlalchemy as sa
from parts import prometheus_program
from prometheus_client import generate_latest
from support.key_ceremony import Hosts, fingerprint, status, step
from support.openid_service import OpenIdService
from support.redis_server import RedisServer
from support.service import MakeService, Service

from flask_usher import workers
from flask_usher.key_rotation.ring import FRESH_SECONDS
from flask_usher.metrics import registry_of
from flask_usher.metrics.meters import COUNTERS, HISTOGRAMS
from flask_usher.outcomes.tables import Meter, counts
from flask_usher.testing import Endpoint, HangUp

NOBODY = {"code": "nobody", "refuse_when": "true"}


def exposed(service: Service) -> str:
    """Return all that Prometheus gets."""
    assert service.state.outcomes.save()
    return generate_latest(registry_of(service.state)).decode()


def samples(service: Service) -> dict[str, float]:
    lines = (it for it in exposed(service).splitlines() if not it.startswith("#"))
    return {name: float(value) for name, value in (it.rsplit(" ", 1) for it in lines)}


def test_requests_are_counted_by_route_and_status(make_service: MakeService) -> None:
    service = make_service()
    browser = service.signed_in()
    assert [browser.ask().status_code for _ in range(3)] == [200] * 3
    service.browser().ask()
    browser.get("/usher/health/live")
    found = samples(service)
    assert found['usher_requests_total{route="/token",status="2xx"}'] == 3
    assert found['usher_requests_total{route="/token",status="4xx"}'] == 1
    assert found['usher_requests_total{route="/health/live",status="2xx"}'] == 1
    assert found['usher_request_duration_seconds_count{route="/token"}'] == 4
    assert found['usher_request_duration_seconds_bucket{le="10.0",route="/token"}'] == 4
    assert found['usher_request_duration_seconds_sum{route="/token"}'] > 0
    assert found['usher_tokens_refused_total{code="no-session"}'] == 1


def test_stages_and_the_database_are_timed(make_service: MakeService) -> None:
    service = make_service()
    service.signed_in().ask()
    service.browser().ask()
    found = samples(service)
    for stage, times in (("recognise", 2), ("policy", 2), ("mint", 1), ("audit", 2)):
        assert found[f'usher_stage_duration_seconds_count{{stage="{stage}"}}'] == times
    calls = 'usher_dependency_duration_seconds_count{dependency="database",provider=""}'
    assert found[calls] >= 2


def test_sign_ins_are_counted_by_provider_and_code(make_service: MakeService) -> None:
    service = make_service()
    service.add_account()
    browser = service.browser()
    browser.sign_in(password="not the password")
    browser.sign_in()
    browser.get("/usher/oidc/made-up/callback")
    found = samples(service)
    assert found['usher_sign_ins_total{provider="local"}'] == 1
    failures = "usher_sign_in_failures_total"
    assert found[f'{failures}{{code="sign-in-failed",provider="local"}}'] == 1
    assert found[f'{failures}{{code="not-found",provider="other"}}'] == 1


def test_strangers_make_no_further_labels(make_service: MakeService) -> None:
    service = make_service()
    browser = service.browser()

    def of_everything(name: str) -> int:
        browser.get(f"/usher/{name}")
        browser.get(f"/usher/oidc/{name}/start")
        browser.get(f"/usher/oidc/{name}/callback", query_string={"state": name})
        browser.get(f"/usher/static/{name}")
        browser.open(f"/usher/{name}", method="BREW")
        browser.ask(headers={"Origin": f"https://{name}.test"})
        browser.sign_in(name, password="not the password")
        exposed(service)
        labels = sa.select(counts.c.event, counts.c.label).where(counts.c.start == 0)
        with service.state.database.reading() as connection:
            rows = connection.execute(labels).all()
        # How long things took falls into one class or another.
        return len({(event, label.rpartition(" ")[0]) for event, label in rows})

    first = of_everything("one")
    assert [of_everything(f"another-{number}") for number in range(10)] == [first] * 10
    assert "another" not in exposed(service)
    assert "one" not in {it.split('"')[1] for it in samples(service) if '"' in it}


def test_up_alone_is_left_without_a_database(make_service: MakeService) -> None:
    service = make_service()
    service.state.database.close()
    Path(service.config["database"]["url"].removeprefix("sqlite:///")).unlink()
    lines = generate_latest(registry_of(service.state)).decode().splitlines()
    assert [it for it in lines if not it.startswith("#")] == ["usher_up 0.0"]


def test_lost_audit_lines_are_counted(make_service: MakeService, tmp_path: Path) -> None:
    service = make_service(audit={"file": str(tmp_path / "none" / "audit.log")})
    assert samples(service)["usher_audit_lines_lost_total"] == 0
    service.browser().ask()
    assert samples(service)["usher_audit_lines_lost_total"] == 1


@pytest.mark.redis
def test_limits_that_are_counted_alone(
    make_service: MakeService, redis_server: RedisServer
) -> None:
    service = make_service(redis={"url": redis_server.url})
    browser = service.signed_in()
    browser.ask()
    found = samples(service)
    redis = '{dependency="redis",provider=""}'
    assert found[f"usher_dependency_duration_seconds_count{redis}"] >= 1
    assert found["usher_limits_counted_alone_total"] == 0
    redis_server.kill()
    browser.ask()
    found = samples(service)
    assert found[f"usher_dependency_failures_total{redis}"] == 1
    assert found["usher_limits_counted_alone_total"] >= 1


def test_calls_to_an_identity_provider(shop: OpenIdService) -> None:
    def provider() -> tuple[float, float]:
        found = samples(shop.service)
        labels = '{dependency="provider",provider="id"}'
        return (
            found.get(f"usher_dependency_duration_seconds_count{labels}", 0),
            found.get(f"usher_dependency_failures_total{labels}", 0),
        )

    calls, failures = provider()
    shop.signed_in()
    assert provider()[0] > calls
    calls, failures = provider()
    shop.fail_at(Endpoint.TOKEN, HangUp())
    shop.browser().sign_in_elsewhere()
    assert provider() == (calls + 1, failures + 1)


def test_a_faulty_policy_is_counted(make_service: MakeService, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("rules = []")
    service = make_service(policy={"file": str(file)})
    file.write_text("rules = 1")
    until = time.monotonic() + 10
    while samples(service)["usher_policy_reload_failures_total"] == 0:
        assert time.monotonic() < until
        service.browser().ask()
        time.sleep(0.1)
    assert samples(service)["usher_policy_reload_failures_total"] == 1


def test_workers_and_what_they_disagree_on(make_service: MakeService) -> None:
    service = make_service()
    host = socket.gethostname()
    sole = f'usher_workers{{host="{host}",release="{version("flask-usher")}"}}'
    disagree = 'usher_workers_disagree{on="policy"}'
    assert sole not in samples(service)
    service.state.presence.announce()
    found = samples(service)
    assert (found[sole], found[disagree]) == (1, 0)
    other = make_service(database=service.config["database"], policy={"rules": [NOBODY]})
    other.state.presence.announce()
    with service.state.database.writing() as connection:
        changed_at = workers.table.c.changed_at
        long_ago = changed_at - workers.ROLL_OUT_SECONDS
        connection.execute(workers.table.update().values(changed_at=long_ago))
    found = samples(service)
    assert (found[sole], found[disagree]) == (2, 1)


def test_a_pause_shows(make_service: MakeService) -> None:
    service = make_service()
    assert samples(service)["usher_paused"] == 0
    service.state.admission.pauses.pause("")
    assert samples(service)["usher_paused"] == 1


def test_the_age_of_the_signing_key(make_service: MakeService) -> None:
    service = make_service()
    (key,) = service.state.settings.token.signing_key
    found = samples(service)["usher_signing_key_created_timestamp_seconds"]
    assert found == pytest.approx(os.stat(key.source).st_mtime)


def test_a_key_is_as_old_as_it_was_when_another_one_is_staged(hosts: Hosts) -> None:
    (file, other) = hosts.files("signing", "other")
    os.utime(file, (1e9, 1e9))
    name = "usher_signing_key_created_timestamp_seconds"
    assert samples(hosts.first)[name] == 1e9
    step(hosts.first, "stage", other)
    assert samples(hosts.first)[name] == 1e9
    entry = next(it for it in status(hosts.first) if it["state"] == "current")
    assert (entry["confirmed_at"], entry["switched_at"]) == (None, None)
    step(hosts.first, "confirm", fingerprint("other"))
    step(hosts.first, "switch")
    time.sleep(FRESH_SECONDS)
    assert samples(hosts.first)[name] == pytest.approx(time.time(), abs=60)


@pytest.mark.prometheus
def test_prometheus_has_nothing_to_say_against_names_and_types(
    make_service: MakeService,
) -> None:
    service = make_service()
    service.signed_in().ask()
    service.browser().ask()
    program = prometheus_program("promtool")
    assert program is not None
    told = subprocess.run(
        [program, "check", "metrics"],
        input=exposed(service).encode(),
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


def test_every_meter_is_told() -> None:
    assert COUNTERS.keys() | HISTOGRAMS.keys() == set(Meter)
