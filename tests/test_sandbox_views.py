"""The sandbox over HTTP: its page, its files, the verdicts, and who may post."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.forged_tokens import claims, jwe, jws, token

from flask_usher import create_app, keys, schema
from flask_usher.database import Database
from flask_usher.sandbox.verifier import INVALID_KEY


@dataclass(frozen=True)
class Sandbox:
    client: FlaskClient
    signing_key: keys.PrivateKey
    recipient_key: keys.PrivateKey
    audit: Path

    def post(self, path: str, body: object, **options: Any) -> Any:
        return self.client.post(f"/usher/sandbox/{path}", json=body, **options)


ORIGIN = "http://localhost"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sandbox")
    keys.generate(folder / "signing.pem")
    keys.generate(folder / "recipient.pem")
    keys.generate_secret(folder / "secret")
    database = Database(f"sqlite:///{folder}/usher.db")
    schema.upgrade(database)
    database.close()
    return folder


def settings(folder: Path) -> dict[str, Any]:
    return {
        "public_url": ORIGIN,
        "secret_key": str(folder / "secret"),
        "token": {"signing_key": str(folder / "signing.pem")},
        "database": {"url": f"sqlite:///{folder}/usher.db"},
        "audit": {"file": str(folder / "audit.log")},
        "sandbox": {"recipient_key": str(folder / "recipient.pem"), "session_seconds": 7},
    }


@pytest.fixture
def sandbox(folder: Path) -> Sandbox:
    client = create_app(settings(folder)).test_client()
    return Sandbox(
        client,
        keys.load_private_key(folder / "signing.pem"),
        keys.load_private_key(folder / "recipient.pem"),
        folder / "audit.log",
    )


def test_the_shop_allows_scripts_of_its_own_only(sandbox: Sandbox) -> None:
    response = sandbox.client.get("/usher/sandbox/")
    policy = response.headers["Content-Security-Policy"]
    assert response.status_code == 200
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in response.text
    assert " style=" not in response.text


@pytest.mark.parametrize(
    "path", ["iadvize.js", "static/chat.js", "static/chat.css", "static/shop.js"]
)
def test_scripts_and_styles_are_served(sandbox: Sandbox, path: str) -> None:
    with sandbox.client.get(f"/usher/sandbox/{path}") as response:
        assert response.status_code == 200
        assert response.data


def test_authenticate_answers_with_the_verdict_and_the_opened_token(sandbox: Sandbox) -> None:
    inner = jws(
        claims(iss=ORIGIN, exp=int(time.time()) + 60),
        signing_key=sandbox.signing_key.private_key,
    )
    body = {"token": jwe(inner, recipient=sandbox.recipient_key.public_key)}
    answer = sandbox.post("authenticate", body).json
    assert answer["status"] == "authentication-success"
    assert answer["visitor"] == {"user_id": "local:1", "name": "local:1"}
    assert answer["session_seconds"] == 7
    assert answer["inspection"]["inner_header"] == {"alg": "RS256"}
    assert {check["passed"] for check in answer["inspection"]["checks"]} == {True}


def test_authenticate_refuses_a_bad_token_with_the_checks(sandbox: Sandbox) -> None:
    answer = sandbox.post("authenticate", {"token": token()}).json
    assert answer["status"] == "authentication-failure"
    assert answer["reason"] == INVALID_KEY
    assert "visitor" not in answer


def test_the_token_is_in_no_log_and_no_answer(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    text = token()
    answer = sandbox.post("authenticate", {"token": text})
    assert answer.status_code == 200
    seen = answer.text + caplog.text + "".join(capfd.readouterr())
    if sandbox.audit.exists():
        seen += sandbox.audit.read_text()
    assert text.split(".")[3] not in seen


def test_the_condition_server_error_is_one(sandbox: Sandbox) -> None:
    body = {"token": token(), "conditions": {"answer": "server-error"}}
    assert sandbox.post("authenticate", body).status_code == 500


def test_the_condition_broken_is_no_json(sandbox: Sandbox) -> None:
    answer = sandbox.post(
        "authenticate", {"token": token(), "conditions": {"answer": "broken"}}
    )
    assert (answer.status_code, answer.mimetype) == (200, "text/html")


def test_the_condition_malformed_is_the_documented_reason(sandbox: Sandbox) -> None:
    body = {"token": token(), "conditions": {"answer": "malformed"}}
    assert sandbox.post("authenticate", body).json["reason"] == "malformed token"


def test_only_the_frame_may_be_framed_and_only_by_this_site(sandbox: Sandbox) -> None:
    for path, ancestors in (("", "'none'"), ("boxed", "'none'"), ("frame", "'self'")):
        response = sandbox.client.get(f"/usher/sandbox/{path}")
        policy = response.headers["Content-Security-Policy"]
        assert f"frame-ancestors {ancestors}" in policy


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="no-token"),
        pytest.param(b'{"token":1}', id="token-number"),
        pytest.param(b'{"token":"a","conditions":[]}', id="conditions-array"),
        pytest.param(b'{"token":"a","conditions":{"answer":"x"}}', id="unknown-answer"),
        pytest.param(b'{"token":"a","token":"b"}', id="duplicate"),
        pytest.param(b'{"token":"\\ud800"}', id="surrogate"),
        pytest.param(b'{"token":' + b"[" * 1000 + b"]" * 1000 + b"}", id="deep"),
    ],
)
@pytest.mark.parametrize("path", ["authenticate", "accounts"])
def test_a_malformed_body_is_a_problem(sandbox: Sandbox, raw: bytes, path: str) -> None:
    response = sandbox.client.post(
        f"/usher/sandbox/{path}", data=raw, content_type="application/json"
    )
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["code"] == "malformed-request"


@pytest.mark.parametrize("path", ["authenticate", "accounts"])
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://localhost:8001"])
def test_a_foreign_page_may_post_nothing(sandbox: Sandbox, path: str, origin: str) -> None:
    response = sandbox.post(path, {"name": "jane", "active": True}, headers={"Origin": origin})
    assert response.status_code == 403


def test_without_its_table_in_the_settings_there_is_no_sandbox(folder: Path) -> None:
    without = {name: value for name, value in settings(folder).items() if name != "sandbox"}
    client = create_app(without).test_client()
    assert client.get("/usher/sandbox/").status_code == 404
