"""The sandbox over HTTP: the demo shop, the tag, and the server that the tag asks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from flask import Blueprint, Response, render_template, request, url_for

from flask_usher.providers.account_names import UnusableName
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.strict_json import NotStrictJson, strict_object

from ..errors import Code, Rejected
from ..key_rotation import Purpose
from ..key_rotation.records import records
from ..keys import parse_public_key
from ..settings import SandboxSettings
from ..state import State, current_state
from ..views.problems import answer_errors
from ..views.session import load_visitor
from .verifier import Conditions, Verdict, verify

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

FRAME_POLICY = PAGE_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")

blueprint = Blueprint(
    "usher_sandbox", __name__, static_folder="static", template_folder="templates"
)
answer_errors(blueprint)


@blueprint.get("/")
def shop() -> Response:
    """Show the demo shop."""
    return _shop(is_boxed=False)


@blueprint.get("/boxed")
def boxed_shop() -> Response:
    """Show the demo shop with the tag in an iframe, as with iAdvize's boxed-tag."""
    return _shop(is_boxed=True)


@blueprint.get("/frame")
def frame() -> Response:
    """Show the page in that iframe."""
    page = render_template("usher_sandbox/frame.html")
    return Response(page, headers={"Content-Security-Policy": FRAME_POLICY})


def _shop(*, is_boxed: bool) -> Response:
    settings = current_state().settings
    page = render_template(
        "usher_sandbox/shop.html",
        is_boxed=is_boxed,
        stylesheet=url_for("usher.static", filename="usher.css"),
        client=url_for("usher.static", filename="usher.js"),
        sign_in_url=url_for("usher.sign_in_page"),
        issuer=settings.issuer,
        session_seconds=_sandbox_settings().session_seconds,
    )
    return Response(page, headers={"Content-Security-Policy": PAGE_POLICY})


@blueprint.get("/iadvize.js")
def tag() -> Response:
    """Send the stand-in for iAdvize's tag."""
    return blueprint.send_static_file("iadvize.js")


@blueprint.post("/authenticate")
def authenticate() -> Response:
    """Judge a token, as iAdvize's server does for its tag. The token is not logged."""
    state = current_state()
    body = _body()
    token, given = body.get("token"), body.get("conditions", {})
    if not isinstance(token, str) or not isinstance(given, dict):
        raise Rejected(Code.MALFORMED_REQUEST)
    conditions = Conditions.read(given)
    if conditions.answer == "server-error":
        return Response(status=500)
    if conditions.answer == "broken":
        return Response("<!doctype html><title>Busy</title>", mimetype="text/html")
    verdicts = [
        verify(
            token,
            conditions,
            recipient_key=_sandbox_settings().recipient_key.private_key,
            signing_key=key,
            issuer=state.settings.issuer,
            now=state.clock(),
        )
        for key in _confirmed_keys(state)
    ]
    verified = (it for it in verdicts if "signature" not in it.inspection.failed)
    return _json(_answer(token, next(verified, verdicts[0])))


@blueprint.get("/visitor")
def visitor() -> Response:
    """Say who is signed in, for the demo page; a brand's page knows that by itself."""
    signed_in = load_visitor()
    if signed_in is None:
        return _json({"signed_in": False})
    claims = signed_in.identity.claims
    account = str(claims.get("preferred_username", ""))
    names = (claims.get("given_name"), claims.get("family_name"))
    name = " ".join(str(part) for part in names if part) or account
    return _json({"signed_in": True, "account": account, "name": name})


@blueprint.post("/accounts")
def change_account() -> Response:
    """Enable or disable an account: `{"name": "jane", "active": false}`."""
    body = _body()
    name, active = body.get("name"), body.get("active")
    if not isinstance(name, str) or not isinstance(active, bool):
        raise Rejected(Code.MALFORMED_REQUEST)
    if not any(_set_active(provider, name, active) for provider in _local_providers()):
        raise Rejected(Code.NOT_FOUND)
    return Response(status=204)


def _confirmed_keys(state: State) -> tuple[RSAPublicKey, ...]:
    """Return the public keys that iAdvize would have: those that it was sent and confirmed."""
    with state.database.reading() as connection:
        known = records(connection, Purpose.SIGNING)
    if not known:
        return (state.settings.token.signing_key[0].public_key,)
    return tuple(
        parse_public_key(it.fingerprint, it.public_key.encode()).public_key
        for it in known
        if it.confirmed_at is not None and it.retired_at is None
    )


def _body() -> dict[str, Any]:
    try:
        return strict_object(request.get_data(cache=False))
    except NotStrictJson as error:
        raise Rejected(Code.MALFORMED_REQUEST) from error


def _local_providers() -> list[LocalProvider]:
    providers = current_state().providers.values()
    return [provider for provider in providers if isinstance(provider, LocalProvider)]


def _set_active(provider: LocalProvider, name: str, active: bool) -> bool:
    try:
        account = provider.accounts.by_name(name)
    except UnusableName:
        return False
    return account is not None and provider.accounts.set_active(account.id, active)


def _answer(token: str, verdict: Verdict) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": "authentication-failure" if verdict.reason else "authentication-success",
        "session_seconds": _sandbox_settings().session_seconds,
        "inspection": asdict(verdict.inspection),
        # The audit log names a token by the same hash.
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
    }
    if verdict.reason:
        return answer | {"reason": verdict.reason, "code": verdict.code}
    return answer | {"visitor": verdict.visitor}


def _sandbox_settings() -> SandboxSettings:
    settings = current_state().settings.sandbox
    if settings is None:
        raise Rejected(Code.NOT_FOUND)
    return settings


def _json(value: object) -> Response:
    return Response(json.dumps(value), mimetype="application/json")
