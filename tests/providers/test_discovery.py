"""Metadata are those of the issuer in the settings, and lead nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.openid import DirectHttp, at_once, fake
from support.threads import together

from flask_usher.providers.base import ProviderUnavailable
from flask_usher.providers.discovery import Discovery, Metadata
from flask_usher.testing import (
    Behaviour,
    Clock,
    Endpoint,
    FakeOpenIdProvider,
    HangUp,
    Reply,
)

DOWN = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> FakeOpenIdProvider:
    return fake(clock=clock)


def discovery(provider: FakeOpenIdProvider, **changes: Any) -> Discovery:
    given: dict[str, Any] = {"algorithms": ("RS256",), "background": at_once, **changes}
    issuer = given.pop("issuer", provider.issuer)
    return Discovery(DirectHttp(provider), issuer, clock=provider.clock, **given)


def refused(provider: FakeOpenIdProvider, **metadata: Any) -> None:
    provider.behaviour = Behaviour(metadata=metadata)
    with pytest.raises(ProviderUnavailable):
        discovery(provider).metadata()


def test_metadata_are_found_where_they_belong_rp_discovery_openid_configuration(
    provider: FakeOpenIdProvider,
) -> None:
    found = discovery(provider)
    assert found.metadata() == Metadata(
        authorization_endpoint="https://id.example/authorize",
        token_endpoint="https://id.example/token",
        jwks_uri="https://id.example/keys",
        userinfo_endpoint="https://id.example/userinfo",
        end_session_endpoint="https://id.example/end-session",
        introspection_endpoint="https://id.example/introspect",
        names_itself=True,
    )
    (request,) = provider.requests
    assert request.path == "/.well-known/openid-configuration"


@pytest.mark.parametrize("issuer", ["https://id.example/realms/shop", "https://id.example/a/"])
def test_an_issuer_with_a_path_is_looked_up_below_it(issuer: str) -> None:
    provider = fake(issuer=issuer.rstrip("/"))
    provider.behaviour = Behaviour(metadata={"issuer": issuer})
    assert discovery(provider, issuer=issuer).metadata()


OTHER_ISSUERS = {
    "other": "https://other.example",
    "slash": "https://id.example/",
    "case": "https://ID.example",
    "http": "http://id.example",
    "port": "https://id.example:443",
    "list": ["https://id.example"],
    "null": None,
    "missing": ...,
}


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(value, id=f"row62-{name}-rp-discovery-issuer-not-matching-config")
        for name, value in OTHER_ISSUERS.items()
    ],
)
def test_row_62_metadata_of_another_issuer_are_refused(
    provider: FakeOpenIdProvider, issuer: object, caplog: pytest.LogCaptureFixture
) -> None:
    refused(provider, issuer=issuer)
    assert "those of another issuer" in caplog.text
    assert "other.example" not in caplog.text


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_what_is_needed_must_be_there(provider: FakeOpenIdProvider, name: str) -> None:
    refused(provider, **{name: ...})


@pytest.mark.parametrize("name", ["userinfo_endpoint", "end_session_endpoint"])
def test_the_rest_may_be_missing(provider: FakeOpenIdProvider, name: str) -> None:
    provider.behaviour = Behaviour(metadata={name: ...})
    assert getattr(discovery(provider).metadata(), name) is None


WHERE_NOTHING_MAY_LEAD = {
    "row62-http": "http://id.example/x",
    "row62-foreign-host": "https://evil.example/x",
    "row62-longer-host": "https://id.example.evil.example/x",
    "row62-subdomain": "https://a.id.example/x",
    "row63-metadata-service": "http://169.254.169.254/latest",
    "row63-metadata-service-by-https": "https://169.254.169.254/latest",
    "row63-localhost": "https://localhost/x",
    "row63-loopback": "http://127.0.0.1/x",
    "row63-file": "file:///etc/passwd",
    "row63-gopher": "gopher://id.example/x",
    "row63-user": "https://id.example@evil.example/x",
    "row63-backslash": "https://evil.example\\@id.example/x",
    "row63-fragment": "https://id.example/x#y",
    "row63-relative": "/x",
    "row63-line-break": "https://id.example/x\r\ny",
    "row63-number": 5,
    "row63-null": None,
    "row63-list": ["https://id.example/x"],
}


@pytest.mark.parametrize(
    "url", [pytest.param(v, id=k) for k, v in WHERE_NOTHING_MAY_LEAD.items()]
)
@pytest.mark.parametrize(
    "name",
    [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
        "introspection_endpoint",
    ],
)
def test_an_endpoint_elsewhere_is_refused_as_a_whole(
    provider: FakeOpenIdProvider, name: str, url: object, caplog: pytest.LogCaptureFixture
) -> None:
    refused(provider, **{name: url})
    (record,) = (it for it in caplog.records if it.levelno == logging.ERROR)
    assert name in record.getMessage()


@pytest.mark.parametrize("host", ["keys.example", "keys.example:8443"])
def test_a_host_in_the_settings_may_have_endpoints(
    provider: FakeOpenIdProvider, host: str
) -> None:
    uri = "https://keys.example:8443/keys"
    provider.behaviour = Behaviour(metadata={"jwks_uri": uri})
    found = discovery(provider, endpoint_hosts=(host,)).metadata()
    assert found.jwks_uri == uri


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"response_types_supported": ["id_token"]}, id="no-code-flow"),
        pytest.param({"response_types_supported": []}, id="no-response-type"),
        pytest.param({"response_types_supported": None}, id="response-types-null"),
        pytest.param({"response_types_supported": 5}, id="response-types-number"),
        pytest.param({"id_token_signing_alg_values_supported": ["ES256"]}, id="other-alg"),
        pytest.param({"id_token_signing_alg_values_supported": []}, id="no-alg"),
        pytest.param({"id_token_signing_alg_values_supported": None}, id="algs-null"),
        pytest.param({"id_token_signing_alg_values_supported": [["RS256"]]}, id="algs-nested"),
        pytest.param({"id_token_signing_alg_values_supported": "RS256"}, id="algs-text"),
    ],
)
def test_a_provider_that_does_not_fit_the_settings_is_refused(
    provider: FakeOpenIdProvider, metadata: dict[str, Any]
) -> None:
    refused(provider, **metadata)


@pytest.mark.parametrize("promise", [True, False, "true", 1, ...])
def test_only_a_plain_promise_to_send_iss_counts(
    provider: FakeOpenIdProvider, promise: object
) -> None:
    name = "authorization_response_iss_parameter_supported"
    provider.behaviour = Behaviour(metadata={name: promise})
    assert discovery(provider).metadata().names_itself is (promise is True)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HangUp(), id="hang-up"),
        pytest.param(Reply(404), id="404"),
        pytest.param(Reply(200, b"<html>"), id="html"),
        pytest.param(Reply(200, b"[]"), id="list"),
        pytest.param(
            Reply(200, b'{"issuer": "https://id.example", "issuer": 1}'), id="doubled"
        ),
    ],
)
def test_without_metadata_the_provider_is_unavailable(
    provider: FakeOpenIdProvider, answer: Any
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.DISCOVERY: answer})
    found = discovery(provider)
    with pytest.raises(ProviderUnavailable):
        found.metadata()
    assert not found.is_ready()


def test_row_177_nothing_is_asked_before_it_is_needed_and_then_not_too_often(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    provider.behaviour = DOWN
    found = discovery(provider)
    assert not provider.requests
    for _ in range(30):
        with pytest.raises(ProviderUnavailable):
            found.metadata()
        clock.advance(1)
    assert provider.count(Endpoint.DISCOVERY) == 3
    provider.behaviour = Behaviour()
    assert found.metadata()
    assert found.is_ready()


def test_metadata_are_kept_for_a_day_while_the_provider_is_down(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    found = discovery(provider)
    first = found.metadata()
    provider.behaviour = DOWN
    for _ in range(23):
        clock.advance(3600)
        assert found.metadata() == first
    assert not found.is_ready()
    clock.advance(3600)
    with pytest.raises(ProviderUnavailable):
        found.metadata()


def test_metadata_that_turn_bad_do_not_replace_good_ones(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    found = discovery(provider)
    first = found.metadata()
    provider.behaviour = Behaviour(metadata={"token_endpoint": "https://evil.example/token"})
    clock.advance(3600)
    assert found.metadata() == first
    assert provider.count(Endpoint.DISCOVERY) == 2


def test_many_at_once_cause_one_look(provider: FakeOpenIdProvider) -> None:
    found = discovery(provider)
    together(16, lambda number: found.metadata())
    assert provider.count(Endpoint.DISCOVERY) == 1
