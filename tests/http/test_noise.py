"""Requests made up at random: none is an error of ours, and none gets what is not its own."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from support.service import MakeService, Service
from werkzeug.test import run_wsgi_app

REQUESTS = 1500
BITS = [
    *("", "", "\0", "\xff", "\u00e9", "\ud800", "\U0001f600", "\u2028", "\x7f", "\r\n", "\t"),
    *("%", "%00", "%2f", "..", "/", "\\", ";", ",", "=", '"', "'", "<x>", "{}", "[]", "null"),
    *("-1", "1e9", " ", "a" * 300),
]
PATHS = [
    *["token"] * 6,
    "sign-in",
    "sign-out",
    "session",
    "health/live",
    "health/ready",
    "static/x",
]
BODIES = [*["{}"] * 4, "username=a&password=b", "--x\r\n"]
TYPES = [
    *["application/json"] * 3,
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
]
METHODS = ["GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT"]
CHANGED = [
    *("HTTP_ORIGIN", "HTTP_HOST", "HTTP_COOKIE", "HTTP_X_USHER_CLIENT", "HTTP_SEC_FETCH_SITE"),
    *("HTTP_SEC_FETCH_MODE", "HTTP_ACCEPT", "HTTP_AUTHORIZATION", "HTTP_RANGE", "HTTP_REFERER"),
    *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_TRANSFER_ENCODING", "CONTENT_TYPE"),
    *("CONTENT_LENGTH", "QUERY_STRING", "PATH_INFO", "SCRIPT_NAME", "REMOTE_ADDR"),
    *("SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "REQUEST_METHOD"),
]


def noise(dice: random.Random) -> str:
    """Return a few bits of text, as a WSGI server hands them on."""
    text = "".join(dice.choices(BITS, k=dice.randint(0, 4)))
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def made_up(dice: random.Random, cookie: str) -> dict[str, Any]:
    """Return the environment of a request that is right but for a few things."""
    body = dice.choice([*BODIES, noise(dice)]).encode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": dice.choice(
            ["GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT"]
        ),
        "PATH_INFO": "/usher/" + dice.choice(PATHS),
        "QUERY_STRING": dice.choice(["", "", "", "next=" + noise(dice)]),
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": f"192.0.2.{dice.randint(0, 255)}",
        "HTTP_HOST": "shop.example",
        "HTTP_COOKIE": dice.choice([cookie, "__Host-usher-form=" + noise(dice)]),
        "HTTP_X_USHER_CLIENT": "noise/1",
        "CONTENT_TYPE": dice.choice(TYPES),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    if dice.random() < 0.3:
        environ["wsgi.input_terminated"] = True
    for name in dice.sample(CHANGED, dice.randint(0, 2)):
        prefix = "/usher/" if name == "PATH_INFO" else ""
        environ[name] = prefix + noise(dice)
    return environ


@pytest.fixture
def noisy(make_service: MakeService) -> Service:
    return make_service(limits={"tokens_per_person": "9999 per 60 seconds"})


def test_requests_made_up_at_random(noisy: Service) -> None:
    dice = random.Random(20)
    tokens = 0
    for number in range(REQUESTS):
        # Some of the requests sign out.
        if number % 20 == 0:
            cookie = f"{noisy.cookie_name}={noisy.signed_in('jane').cookie()}"
        environ = made_up(dice, cookie)
        given = dict(environ)
        chunks, status, headers = run_wsgi_app(noisy.app, environ, buffered=True)
        body = b"".join(chunks)
        assert int(status[:3]) < 500, given
        for name, value in headers:
            assert value.isascii(), (name, given)
            assert value.isprintable(), (name, given)
        if b'"token": "' in body:
            tokens += 1
            assert given["HTTP_COOKIE"] == cookie
            assert given["REQUEST_METHOD"] == "POST"
            assert given["CONTENT_TYPE"] == "application/json"
    assert tokens == len(noisy.issued()) > 10
