"""What `usher doctor` says of OpenID providers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from support.examinations import examined
from support.openid_provider import StartOpenIdProvider
from support.openid_service import CLIENT_ID, CLIENT_SECRET, OpenIdService, OpenIdWorkshop
from support.service import ORIGIN, MakeService

from flask_usher.findings import Finding
from flask_usher.keys import write_private_file
from flask_usher.testing import Behaviour, Endpoint
from flask_usher.testing.http_exchange import Drip, HangUp, Reply, json_reply

SOUND = ("discovery", "clock", "metadata", "keys", "redirect URI", "client")
BACK = f"{ORIGIN}/usher/oidc/id/callback"


def look(shop: OpenIdService) -> dict[str, Finding]:
    found = examined(shop.service.environment)
    assert CLIENT_SECRET not in found.printed
    return found.families["Identity providers"]


@pytest.fixture
def shop(openid: OpenIdWorkshop) -> OpenIdService:
    return openid.make()


def test_a_provider_that_knows_us(shop: OpenIdService) -> None:
    found = look(shop)
    assert "id provider" not in found, found["id provider"].found
    assert {name: it.verdict for name, it in found.items()} == {
        f"id {it}": "ok" for it in SOUND
    }
    assert found["id redirect URI"].found == f"{BACK} is registered there"
    assert found["id client"].found == "is known, by client_secret_basic"


@pytest.mark.node
def test_a_real_provider_that_knows_us(
    start_openid_provider: StartOpenIdProvider, make_service: MakeService, tmp_path: Path
) -> None:
    client = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [BACK],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
    }
    provider = start_openid_provider([client])
    write_private_file(tmp_path / "secret", CLIENT_SECRET.encode())
    table = {
        "type": "oidc",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": str(tmp_path / "secret"),
        "insecure_loopback": True,
    }
    service = make_service(providers={"id": table})
    found = examined(service.environment).families["Identity providers"]
    assert {name: it.verdict for name, it in found.items()} == {
        f"id {it}": "ok" for it in SOUND
    }
    for key, value, check in (
        ("client_secret", "another-secret-of-ours", "id client"),
        ("client_id", "somebody-else", "id redirect URI"),
    ):
        if key == "client_secret":
            write_private_file(tmp_path / "other", value.encode())
            value = str(tmp_path / "other")
        changed = make_service(providers={"id": table | {key: value}})
        bad = examined(changed.environment).families["Identity providers"]
        assert bad[check].verdict == "fault", bad


BROKEN: list[Any] = [
    pytest.param(
        {"answers": {Endpoint.DISCOVERY: Reply(500)}},
        "provider",
        "127.0.0.1 answered 500",
        "Look at issuer,",
        id="discovery-500",
    ),
    pytest.param(
        {"answers": {Endpoint.DISCOVERY: HangUp()}},
        "provider",
        "127.0.0.1: ConnectionError",
        "Look at issuer,",
        id="discovery-hangs-up",
    ),
    pytest.param(
        {"metadata": {"issuer": "https://id.example/"}},
        "issuer",
        "it calls itself https://id.example/; the settings say",
        "write what it calls itself into providers.id.issuer",
        id="another-issuer",
    ),
    pytest.param(
        {"metadata": {"token_endpoint": "https://elsewhere.example/token"}},
        "provider",
        "unusable metadata: token_endpoint is on a host that endpoint_hosts does not name",
        "Add that host to endpoint_hosts",
        id="foreign-endpoint",
    ),
    pytest.param(
        {"metadata": {"id_token_signing_alg_values_supported": ["ES256"]}},
        "provider",
        "unusable metadata: none of the algorithms in the settings",
        "Compare issuer and algorithms",
        id="algorithms",
    ),
    pytest.param(
        {"key_set": {"keys": []}},
        "keys",
        "none of use for RS256",
        "providers.id.algorithms",
        id="no-keys",
    ),
    pytest.param(
        {"answers": {Endpoint.AUTHORIZATION: Reply(400)}},
        "redirect URI",
        f"answers 400 to client_id and {BACK}",
        "Register exactly that address at the provider; check providers.id.client_id, "
        "public_url and url_prefix.",
        id="redirect-uri",
    ),
    pytest.param(
        {"answers": {Endpoint.TOKEN: json_reply({"error": "invalid_client"}, 401)}},
        "client",
        "is refused, by client_secret_basic",
        "Take the secret or key for providers.id from the provider again",
        id="client-secret-rotated",
    ),
]


@pytest.mark.parametrize(("behaviour", "check", "told", "remedy"), BROKEN)
def test_a_provider_that_does_not(
    shop: OpenIdService, behaviour: Mapping[str, Any], check: str, told: str, remedy: str
) -> None:
    shop.behave(Behaviour(**behaviour))
    bad = {name: it for name, it in look(shop).items() if it.verdict == "fault"}
    assert list(bad) == [f"id {check}"]
    assert bad[f"id {check}"].found.startswith(told)
    assert remedy in bad[f"id {check}"].remedy
    assert bad[f"id {check}"].why


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0, "ok"), (10, "warning"), (-10, "warning"), (60, "fault")]
)
def test_clocks_that_differ(
    shop: OpenIdService, monkeypatch: pytest.MonkeyPatch, ahead: int, verdict: str
) -> None:
    def date(timestamp: float | None = None, **_: Any) -> str:
        import time

        return formatdate(time.time() + ahead, usegmt=True)

    monkeypatch.setattr("email.utils.formatdate", date)
    clock = look(shop)["id clock"]
    assert clock.verdict == verdict
    assert ("ahead of" in clock.found) == (ahead > 0)


@pytest.mark.slow
def test_a_provider_that_does_not_end_is_not_waited_for(
    openid: OpenIdWorkshop,
) -> None:
    shop = openid.make()
    shop.behave(Behaviour(answers={Endpoint.DISCOVERY: Drip(b" ")}))
    assert look(shop)["id provider"].verdict == "fault"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({}, {}), ({"introspection_endpoint": ...}, {"apps introspection": "fault"})],
)
def test_a_provider_of_access_tokens(
    openid: OpenIdWorkshop, tmp_path: Path, metadata: dict[str, Any], expected: dict[str, str]
) -> None:
    shop = openid.make()
    shop.behave(Behaviour(metadata=metadata))
    table = {
        "type": "bearer",
        "issuer": shop.fake.issuer,
        "audience": "https://chat.shop.example",
        "clients": ["app"],
        "introspection_client_id": CLIENT_ID,
        "introspection_client_secret": str(tmp_path / "client-secret"),
        "insecure_loopback": True,
    }
    found = look(openid.make(shop.fake, providers={"apps": table}))
    apps = {name: it.verdict for name, it in found.items() if name.startswith("apps ")}
    checks = ("discovery", "clock", "metadata", "keys", "introspection")
    assert apps == {f"apps {it}": "ok" for it in checks} | expected


def test_other_providers_have_nothing_to_ask(make_service: MakeService) -> None:
    found = examined(make_service().environment).families["Identity providers"]
    assert found["local"].found == 'type "local": nothing to ask over the network'
