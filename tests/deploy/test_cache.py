"""A cache in front that keeps all it may: nobody gets what was meant for somebody else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from support.nginx import running, server
from support.server import free_port
from support.service import USER_ID
from support.site import FORWARDED_HTTPS, Site, everything, status

from flask_usher.script_files import ScriptFile

pytestmark = [pytest.mark.nginx, pytest.mark.slow]

# What the cache of a site is made to do that knows nothing of Usher: keep everything, POST
# too, for ten minutes, whoever asks.
EAGER = """
location / {{
    proxy_pass http://unix:{socket};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_cache kept;
    proxy_cache_key $request_method$request_uri;
    proxy_cache_methods GET HEAD POST;
    proxy_cache_valid any 10m;
    proxy_cache_use_stale error timeout updating;
    proxy_cache_lock on;
    add_header X-Cache $upstream_cache_status always;
}}
"""


@pytest.fixture(scope="module")
def cache(live: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx with a cache in front of the service."""
    folder, port = tmp_path_factory.mktemp("cache"), free_port()
    zone = f"proxy_cache_path {folder}/kept keys_zone=kept:1m;\n"
    with running(folder, port, zone, server(port, EAGER.format(socket=live.socket))):
        yield port


def send(live: Site, port: int, path: bytes, cookie: str, method: bytes) -> tuple[bytes, bytes]:
    """Ask the cache; return head and body."""
    request = live.request(path, FORWARDED_HTTPS, method=method, cookie=cookie)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param(b"POST", b"/usher/token", id="row9-token"),
        pytest.param(b"GET", b"/usher/session", id="row9-session"),
        pytest.param(b"GET", b"/usher/sign-in", id="row9-sign-in"),
        pytest.param(b"GET", b"/usher/token", id="row9-refusal"),
        pytest.param(b"GET", b"/usher/nowhere", id="row9-nowhere"),
        pytest.param(b"GET", b"/usher/health/ready", id="row9-health"),
    ],
)
def test_no_answer_is_kept(live: Site, cache: int, method: bytes, path: bytes) -> None:
    sam = live.service.signed_in("sam").cookie() or ""
    for cookie in (live.cookie, sam, "x", live.cookie):
        head, _ = send(live, cache, path, cookie, method)
        assert b"\r\nX-Cache: MISS" in head


def test_row_9_each_person_gets_a_token_of_their_own(live: Site, cache: int) -> None:
    sam = live.service.signed_in("sam").cookie() or ""
    seen = []
    for cookie, name in [(live.cookie, "jane"), (sam, "sam")] * 3:
        head, body = send(live, cache, b"/usher/token", cookie, b"POST")
        assert status(head) == 200
        assert b"set-cookie" not in head.lower()
        seen.append(json.loads(body)["token"])
        assert live.service.open_token(seen[-1])[USER_ID] == live.service.user_id_of(name)
    assert len(set(seen)) == 6
    head, body = send(live, cache, b"/usher/token", "x", b"POST")
    assert status(head) == 401
    assert b'"token"' not in body


def test_row_9_each_visitor_gets_a_form_of_their_own(live: Site, cache: int) -> None:
    found = [send(live, cache, b"/usher/sign-in", "x", b"GET") for _ in range(2)]
    cookies = [
        line
        for head, _ in found
        for line in head.split(b"\r\n")
        if line.startswith(b"set-cookie")
    ]
    assert len(cookies) == len(set(cookies)) == 2
    assert found[0][1] != found[1][1]


def test_row_9_what_is_the_same_for_all_is_kept(live: Site, cache: int) -> None:
    """Or the cache of these tests kept nothing at all."""
    path = "/usher/static/usher.js"
    _, script = send(live, cache, path.encode(), live.cookie, b"GET")
    address = ScriptFile(path, script).address.encode()
    for cookie, expected in [(live.cookie, b"MISS"), (live.cookie, b"HIT")]:
        head, _ = send(live, cache, address, cookie, b"GET")
        assert status(head) == 200
        assert b"\r\nX-Cache: " + expected in head
