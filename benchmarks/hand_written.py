"""The peer in Python: what a careful developer would write with Flask, and no more.

The same database, cookie check, claims and audit line as Usher and as `node/server.mjs`, for
one kind of account. What Flask and CPython cost by themselves is seen here: it is the least
that any backend of this kind can take.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import sqlite3
import threading
import time
from base64 import urlsafe_b64encode
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Response, request

from flask_usher.processors import keep_to_one

DESCRIPTION = "USHER_BENCHMARK_PEER"
"""The variable that names the file which the Node.js peer takes too."""
SIGN_IN = (
    "SELECT provider, subject, identity, signed_in_at, last_seen_at, expires_at"
    " FROM usher_sign_ins WHERE id = ?"
)
NOTE_VISIT = "UPDATE usher_sign_ins SET last_seen_at = ? WHERE id = ?"
ACCOUNT = 'SELECT id, active, epoch, claims, "groups" FROM usher_accounts WHERE id = ?'
COOKIE = re.compile(r"(?:^|;\s*)usher=([A-Za-z0-9_-]{43})(?:;|$)")
CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{0,63}")
MOST_IN_A_SECOND = 9_999_999
OUTER_HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}


class Peer:
    """Answers `POST /usher/token`."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        signing_key = Path(given["signingKey"]).read_bytes()
        recipient_key = Path(given["recipientKey"]).read_bytes()
        self._signing_key: Any = serialization.load_pem_private_key(signing_key, None)
        self._recipient_key: Any = serialization.load_pem_public_key(recipient_key)
        self._oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        secret = Path(given["secretKey"]).read_text().strip().encode()
        self._cookie_key = _derived(secret, b"usher sign-in cookie")
        self._subject_key = _derived(secret, b"usher audit subject")
        self._inner_header = _base64url(_json({"alg": "RS256"}))
        self._outer_header = _base64url(_json(OUTER_HEADER))
        self._audit = os.open(given["auditFile"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._local = threading.local()
        self._counts: Counter[str] = Counter()
        self._second = 0

    def token(self) -> Response:
        """Answer the current request."""
        headers = request.headers
        if headers.get("Origin") != self._given["origin"]:
            return self._refuse(403, "cross-origin")
        if not CLIENT.fullmatch(headers.get("X-Usher-Client", "")):
            return self._refuse(403, "client-header-required")
        if request.get_json(silent=True) != {}:
            return self._refuse(400, "malformed-request")
        person = self._person(headers.get("Cookie", ""))
        if person is None:
            return self._refuse(401, "no-session")
        if self._is_over_limit(person):
            return self._refuse(429, "too-many-requests")
        expires_at = int(time.time()) + self._given["lifetimeSeconds"]
        token = self._mint(person, expires_at)
        self._record("issued", person, token)
        body = {"token": token.decode(), "expires_at": expires_at}
        body["expires_in"] = self._given["lifetimeSeconds"]
        return Response(json.dumps(body), mimetype="application/json")

    def seal(self, response: Response) -> Response:
        """Add the headers that Usher has on every answer."""
        headers = response.headers
        headers["Cache-Control"] = "no-store"
        headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        headers["Referrer-Policy"] = "same-origin"
        headers["Vary"] = "Origin, Cookie"
        headers["X-Content-Type-Options"] = "nosniff"
        if request.headers.get("Origin") == self._given["origin"]:
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Access-Control-Allow-Origin"] = self._given["origin"]
            headers["Access-Control-Expose-Headers"] = "Retry-After"
        return response

    def _refuse(self, status: int, code: str) -> Response:
        self._record(code)
        body = json.dumps({"status": status, "code": code})
        return Response(body, status, mimetype="application/problem+json")

    def _person(self, cookies: str) -> str | None:
        cookie = COOKIE.search(cookies)
        if cookie is None:
            return None
        sign_in_id = hmac.digest(self._cookie_key, cookie[1].encode(), "sha256").hex()
        row = self._database().execute(SIGN_IN, (sign_in_id,)).fetchone()
        if row is None:
            return None
        provider, subject, identity, _, last_seen_at, expires_at = row
        now = time.time()
        if now >= min(last_seen_at + self._given["idleSeconds"], expires_at):
            return None
        if now - last_seen_at >= 60:
            self._database().execute(NOTE_VISIT, (now, sign_in_id))
        version, *_, epoch = json.loads(identity)
        account = self._database().execute(ACCOUNT, (subject,)).fetchone()
        if version != 1 or account is None or not account[1] or account[2] != epoch:
            return None
        json.loads(account[3])
        json.loads(account[4])
        return f"{provider}:{account[0]}"

    def _is_over_limit(self, person: str) -> bool:
        second = int(time.time())
        if second != self._second:
            self._counts.clear()
            self._second = second
        self._counts[person] += 1
        return self._counts[person] > MOST_IN_A_SECOND

    def _mint(self, person: str, expires_at: int) -> bytes:
        claims = {"https://iadvize.com/userId": person, "iss": self._given["issuer"]}
        signed = b".".join(
            (self._inner_header, _base64url(_json(claims | {"exp": expires_at})))
        )
        signature = self._signing_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        inner = b".".join((signed, _base64url(signature)))
        key, nonce = os.urandom(32), os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, inner, self._outer_header)
        wrapped = self._recipient_key.encrypt(key, self._oaep)
        parts = map(_base64url, (wrapped, nonce, sealed[:-16], sealed[-16:]))
        return b".".join((self._outer_header, *parts))

    def _record(self, code: str, person: str | None = None, token: bytes | None = None) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": "token",
            "code": code,
            "support_id": secrets.token_hex(7),
            "address": request.remote_addr,
            "site": request.headers.get("Origin"),
        }
        if person is not None:
            line["provider"] = person.partition(":")[0]
            digest = hmac.digest(self._subject_key, person.encode(), "sha256")
            line["subject"] = digest.hex()[:32]
        if token is not None:
            line["token_sha256"] = hashlib.sha256(token).hexdigest()
        os.write(self._audit, _json(line) + b"\n")

    def _database(self) -> sqlite3.Connection:
        held: sqlite3.Connection | None = getattr(self._local, "held", None)
        if held is None:
            file = self._given["database"]
            held = self._local.held = sqlite3.connect(file, isolation_level=None)
        return held


def create_app() -> Flask:
    """Return the app, for the server."""
    # As the workers of `usher serve` do: it is not what is measured here.
    keep_to_one()
    given = json.loads(Path(os.environ[DESCRIPTION]).read_text())
    peer = Peer(given)
    app = Flask(__name__)
    app.add_url_rule("/usher/token", "token", peer.token, methods=["POST"])
    app.after_request(peer.seal)
    return app


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, b"", purpose).derive(secret)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
