"""The same person through several doors, and two people who must never be taken for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from support.mobile_apps import (
    access_token,
    ask_as_app,
    bearer_settings,
    introspection_settings,
    issuing,
    opaque_token,
)
from support.openid import KEY
from support.service import ORIGIN, USER_ID, Answer, Browser, MakeService, Service

from flask_usher import keys
from flask_usher.providers.accounts import NewAccount
from flask_usher.providers.base import Completion, Identity
from flask_usher.testing import (
    JANE,
    JOHN,
    Client,
    FakeOpenIdProvider,
    Person,
    SigningKey,
)

CUSTOMER = "C-2041"
BY_CUSTOMER = {"user_id": "claim:customer"}
OUR_NAME = {"claims": {"customer": "customer_number"}}
SHOP = Client(
    id="shop", secret="a shop's secret", redirect_uris=(f"{ORIGIN}/usher/oidc/web/callback",)
)
HOST_HEADER = "X-Signed-In-To-The-Host"


@pytest.fixture
def issuer() -> Iterator[FakeOpenIdProvider]:
    with issuing(SHOP) as issuer:
        yield issuer


@pytest.fixture
def other_issuer() -> Iterator[FakeOpenIdProvider]:
    with issuing(SHOP) as issuer:
        issuer.keys = (KEY.renewed(),)
        yield issuer


def oidc_settings(issuer: FakeOpenIdProvider, folder: Path, **changes: Any) -> dict[str, Any]:
    secret = folder / "client-secret"
    if not secret.exists():
        keys.write_private_file(secret, SHOP.secret.encode())
    return {
        "type": "oidc",
        "issuer": issuer.issuer,
        "client_id": SHOP.id,
        "client_secret": str(secret),
        "insecure_loopback": True,
        **changes,
    }


def host_identity() -> Identity | None:
    name = request.headers.get(HOST_HEADER)
    if name is None:
        return None
    claims = {"customer": name}
    return Identity(provider="host", subject="7", signed_in_at=0, claims=claims)


def by_redirect(service: Service, issuer: FakeOpenIdProvider, name: str = "web") -> Browser:
    """Sign in at an OpenID provider as whoever is signed in there."""
    browser = service.browser()
    start = browser.get(f"{service.prefix}/oidc/{name}/start")
    assert start.status_code == 303, start.text
    back = issuer.authorize(start.headers["Location"])
    finish = browser.get(f"{service.prefix}/oidc/{name}/callback", query_string=back)
    assert finish.status_code == 303, finish.text
    return browser


def by_account(service: Service, name: str, claims: Mapping[str, object]) -> Browser:
    """Sign in with an account that has these claims."""
    account = service.provider.accounts.add(
        NewAccount(name=name, password_hash=service.password_hash, claims=claims)
    )
    claimed = Identity(
        provider=service.provider.name,
        subject=account.id,
        signed_in_at=service.clock(),
        epoch=account.epoch,
    )
    browser = service.browser()
    browser.show(service.state.sign_ins.create(Completion(claimed)))
    return browser


def user_id(service: Service, answer: Answer) -> str:
    assert answer.status_code == 200, answer.text
    return str(service.open_token(answer.members["token"])[USER_ID])


def test_one_person_has_one_user_id_through_every_door(
    make_service: MakeService, issuer: FakeOpenIdProvider, tmp_path: Path
) -> None:
    service = make_service(
        app=Flask("host"),
        identify=host_identity,
        token=BY_CUSTOMER,
        providers={
            "local": {"type": "local"},
            "web": oidc_settings(issuer, tmp_path, **OUR_NAME),
            "app": bearer_settings(issuer, **OUR_NAME),
            "host": {"type": "host"},
        },
    )
    issuer.sign_in(Person(subject=JANE.subject, claims={"customer_number": CUSTOMER}))
    token = access_token(issuer, customer_number=CUSTOMER)
    found = {
        "local": by_account(service, "jane", {"customer": CUSTOMER}).user_id(),
        "web": by_redirect(service, issuer).user_id(),
        "app": user_id(service, ask_as_app(service, f"Bearer {token}")),
        "host": user_id(service, service.browser().ask(headers={HOST_HEADER: CUSTOMER})),
    }
    assert found == dict.fromkeys(found, CUSTOMER)
    by = {line["provider"] for line in service.audit_lines() if line["code"] == "issued"}
    assert by == set(found)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(claims, id=f"row83-{id_}")
        for id_, claims in {
            "missing": {},
            "number": {"customer_number": 2041},
            "null": {"customer_number": None},
            "the-name-of-nothing": {"customer_number": "undefined"},
            "256-characters": {"customer_number": "x" * 256},
            "not-the-one-that-is-named": {"customer": CUSTOMER},
        }.items()
    ],
)
def test_who_lacks_the_claim_is_not_known_by_another(
    make_service: MakeService,
    issuer: FakeOpenIdProvider,
    tmp_path: Path,
    claims: Mapping[str, object],
) -> None:
    service = make_service(
        token=BY_CUSTOMER,
        providers={
            "web": oidc_settings(issuer, tmp_path, **OUR_NAME),
            "app": bearer_settings(issuer, **OUR_NAME),
        },
    )
    issuer.sign_in(Person(subject=JANE.subject, claims=claims))
    token = access_token(issuer, **claims)
    for answer in (
        by_redirect(service, issuer).ask(),
        ask_as_app(service, f"Bearer {token}"),
    ):
        assert answer.status_code == 403
        assert answer.members["code"] == "identity-unusable"


@pytest.mark.parametrize("mode", ["subject", "pairwise"])
def test_row_121_without_a_shared_claim_no_two_issuers_name_one_person(
    make_service: MakeService,
    issuer: FakeOpenIdProvider,
    other_issuer: FakeOpenIdProvider,
    tmp_path: Path,
    mode: str,
) -> None:
    token: dict[str, Any] = {"user_id": mode}
    if mode == "pairwise":
        keys.generate_secret(tmp_path / "pairwise-key")
        token["pairwise_key"] = str(tmp_path / "pairwise-key")
    service = make_service(
        token=token,
        providers={
            "web": oidc_settings(issuer, tmp_path),
            "app": bearer_settings(issuer),
            "other": bearer_settings(other_issuer),
            "opaque": introspection_settings(other_issuer, tmp_path),
        },
    )
    # The same subject and the same e-mail address, all of them.
    mail = {"email": "jane@shop.example", "email_verified": True}
    person = Person(subject=JANE.subject, claims=mail)
    for it in (issuer, other_issuer):
        it.sign_in(person)
    found = [
        by_redirect(service, issuer).user_id(),
        *(
            user_id(service, ask_as_app(service, f"Bearer {token}"))
            for token in (
                access_token(issuer, **mail),
                access_token(other_issuer, **mail),
                opaque_token(other_issuer),
            )
        ),
    ]
    assert len(set(found)) == 4


def test_row_121_a_subject_with_a_colon_is_no_other_providers_person(
    make_service: MakeService, issuer: FakeOpenIdProvider, other_issuer: FakeOpenIdProvider
) -> None:
    service = make_service(
        providers={"a": bearer_settings(issuer), "a-b": bearer_settings(other_issuer)}
    )
    first = ask_as_app(service, f"Bearer {access_token(issuer, sub='b:c')}")
    second = ask_as_app(service, f"Bearer {access_token(other_issuer, sub='c')}")
    third = ask_as_app(service, f"Bearer {access_token(other_issuer, sub='a:b:c')}")
    ids = [user_id(service, it) for it in (first, second, third)]
    assert ids == ["a:b:c", "a-b:c", "a-b:a:b:c"]


def test_row_122_a_person_keeps_their_user_id_whatever_else_changes(
    make_service: MakeService, issuer: FakeOpenIdProvider, tmp_path: Path
) -> None:
    providers = {"web": oidc_settings(issuer, tmp_path), "app": bearer_settings(issuer)}
    service = make_service(providers=providers)

    def by_app(service: Service = service, **claims: object) -> str:
        return user_id(service, ask_as_app(service, f"Bearer {access_token(issuer, **claims)}"))

    web, app = by_redirect(service, issuer).user_id(), by_app()
    issuer.sign_in(Person(subject=JANE.subject, claims={"name": "Jane Roe", "email": "x@y.z"}))
    service.clock.advance(3600)
    issuer.clock.advance(3600)  # type: ignore[attr-defined]
    issuer.rotate(SigningKey.generate())
    assert (by_redirect(service, issuer).user_id(), by_app(name="Jane Roe")) == (web, app)
    elsewhere = make_service(providers=providers)
    issuer.clock.now = elsewhere.clock()  # type: ignore[attr-defined]
    assert (by_redirect(elsewhere, issuer).user_id(), by_app(elsewhere)) == (web, app)


def test_row_122_a_name_that_passes_to_somebody_else_takes_nothing_along(
    make_service: MakeService, issuer: FakeOpenIdProvider, tmp_path: Path
) -> None:
    service = make_service(providers={"web": oidc_settings(issuer, tmp_path)})
    names = {"preferred_username": "jane", "email": "jane@shop.example"}
    issuer.sign_in(Person(subject=JANE.subject, claims=names))
    first = by_redirect(service, issuer).user_id()
    issuer.sign_in(Person(subject=JOHN.subject, claims=names))
    assert by_redirect(service, issuer).user_id() != first


def test_a_host_and_an_access_token_at_once_are_too_much(
    make_service: MakeService, issuer: FakeOpenIdProvider
) -> None:
    service = make_service(
        app=Flask("host"),
        identify=host_identity,
        providers={"host": {"type": "host"}, "app": bearer_settings(issuer)},
    )
    good = f"Bearer {access_token(issuer)}"
    answer = ask_as_app(service, good, headers={HOST_HEADER: CUSTOMER})
    assert (answer.status_code, answer.members["code"]) == (400, "ambiguous-credentials")
    assert user_id(service, ask_as_app(service, good)) == f"app:{JANE.subject}"
