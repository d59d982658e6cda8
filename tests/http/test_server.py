"""What only a real server gets to see: the bytes of a request, whole or not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.server import Server, free_port, serving
from support.service import KeyFiles, Service, Workshop

import flask_usher

SCRIPT = Path(flask_usher.__file__).with_name("static") / "usher.js"
MEBIBYTE = 2**20
FORM = b"multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'


@dataclass(frozen=True)
class Live:
    """A service, the server in front of it, and the cookie of somebody who is signed in."""

    service: Service
    server: Server
    cookie: str

    @property
    def host(self) -> bytes:
        """Host and port."""
        return self.service.origin.removeprefix("http://").encode()

    def request(
        self,
        path: bytes = b"/usher/token",
        *more: bytes,
        method: bytes = b"POST",
        hosts: Sequence[bytes] | None = None,
        body: bytes = b"{}",
        content_type: bytes = b"application/json",
        length: bytes | None = None,
    ) -> bytes:
        """Return the bytes of a request for a token, with these differences."""
        lines = [
            method + b" " + path + b" HTTP/1.1",
            *(b"Host: " + host for host in (hosts if hosts is not None else [self.host])),
            b"Cookie: usher=" + self.cookie.encode(),
            b"X-Usher-Client: raw/1",
            b"Content-Type: " + content_type,
            b"Content-Length: " + (length or str(len(body)).encode()),
            b"Connection: close",
            *more,
        ]
        return b"\r\n".join([*lines, b"", body])

    def chunked(self, path: bytes, content_type: bytes) -> bytes:
        """Return the head of a request whose body comes in pieces."""
        whole = self.request(path, b"Transfer-Encoding: chunked", content_type=content_type)
        head = whole.removesuffix(b"{}")
        return head.replace(b"Content-Length: 2\r\n", b"")

    def last_code(self) -> str:
        """Return the code of the last audit line."""
        return str(self.service.audit_lines()[-1]["code"])


@pytest.fixture(scope="module")
def live(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    port = free_port()
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    service = workshop.make(public_url=f"http://127.0.0.1:{port}")
    service.clock.now = time.time()
    cookie = service.signed_in("jane").cookie()
    assert cookie is not None
    with serving(service, port, folder / "log") as server:
        yield Live(service, server, cookie)
    service.state.close()
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(autouse=True)
def _still_alive(live: Live) -> Iterator[None]:
    before = live.server.resident_mib()
    yield
    assert live.server.is_alive()
    assert live.server.resident_mib() < before + 20


def test_a_request_for_a_token(live: Live) -> None:
    answer = live.server.send(live.request())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert live.last_code() == "issued"


def test_answers_arrive_in_one_piece(live: Live) -> None:
    # The proxy can ask another worker again only for an answer that has not begun to arrive.
    request = live.request(b"/usher/session", method=b"GET", body=b"")
    request = request.replace(b"Connection: close\r\n", b"")
    with socket.create_connection(("127.0.0.1", live.server.port), 30) as connection:
        for _ in range(200):
            connection.sendall(request)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert b"content-length: %d\r\n" % len(body) in head
            assert body


@pytest.mark.parametrize(
    ("method", "more", "status", "has_body"),
    [
        (b"GET", b"", 200, True),
        (b"HEAD", b"", 200, False),
        (b"GET", b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", 304, False),
    ],
)
def test_a_file_and_its_head(
    live: Live, method: bytes, more: bytes, status: int, has_body: bool
) -> None:
    request = live.request(b"/usher/static/usher.js", more or b"A: b", method=method, body=b"")
    head, _, body = live.server.send(request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert bool(body) is has_body
    if status == 200:
        assert b"content-length: %d\r\n" % SCRIPT.stat().st_size in head + b"\r\n"


def test_a_body_in_pieces(live: Live) -> None:
    head = live.chunked(b"/usher/token", b"application/json")
    assert live.server.statuses(head + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n") == [200]


@pytest.mark.parametrize("path", [b"/usher/token", b"/usher/sign-in", b"/usher/sign-out"])
@pytest.mark.parametrize("content_type", [b"application/json", FORM])
def test_row_29_ten_megabytes_are_not_waited_for(
    live: Live, path: bytes, content_type: bytes
) -> None:
    head = live.request(path, length=b"10000000", body=b"", content_type=content_type)
    assert live.server.statuses(head) == [413]
    assert live.last_code() == "content-too-large"


@pytest.mark.parametrize("path", [b"/usher/token", b"/usher/sign-in"])
@pytest.mark.parametrize("content_type", [b"application/json", FORM])
def test_row_29_ten_megabytes_in_pieces(live: Live, path: bytes, content_type: bytes) -> None:
    before = len(live.service.audit_lines())
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    # The server may close before it has all of it, and its answer may be lost with that.
    live.server.send(live.chunked(path, content_type), *[piece] * 160, b"0\r\n\r\n")
    while len(live.service.audit_lines()) == before:
        time.sleep(0.01)
    unread = {
        (b"/usher/token", FORM): "unsupported-media-type",
        (b"/usher/sign-in", b"application/json"): "form-expired",
    }
    assert live.last_code() == unread.get((path, content_type), "content-too-large")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PART + b"b" * 8000, id="unterminated"),
        pytest.param(PART[:30], id="within-the-head"),
        pytest.param(b"--x\r\n" + b"\r\n" * 6000, id="line-breaks"),
        pytest.param(b"--x\r\n" + b"\r" * 12000, id="carriage-returns"),
        pytest.param(b"--x\n" + b"\n" * 12000, id="line-feeds"),
        pytest.param(PART + b"\r" + b"\n" * 12000, id="part-of-line-breaks"),
        pytest.param(PART * 300, id="300-parts"),
        pytest.param(b"-" * 16000, id="dashes"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 16000, id="nul"),
    ],
)
def test_row_29_forms_that_are_none(live: Live, body: bytes) -> None:
    request = live.request(b"/usher/sign-in", body=body, content_type=FORM)
    assert live.server.statuses(request) == [400]
    assert live.last_code() == "form-expired"


@pytest.mark.parametrize("sent", [0, 1, 40])
def test_row_29_a_form_that_breaks_off(live: Live, sent: int) -> None:
    body = (PART + b"b")[:sent]
    request = live.request(b"/usher/sign-in", body=body, length=b"8000", content_type=FORM)
    statuses = live.server.statuses(request, finish=True)
    assert statuses in ([], [400])


@pytest.mark.parametrize("size", [16 * 1024 - 1, 16 * 1024])
def test_row_16_the_largest_body(live: Live, size: int) -> None:
    body = b"{" + b" " * (size - 2) + b"}"
    assert live.server.statuses(live.request(body=body)) == [200]
    assert live.server.statuses(live.request(body=body + b" " * (16385 - size))) == [413]


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param([b"evil.test"], id="another"),
        pytest.param([], id="none"),
        pytest.param([b""], id="empty"),
        pytest.param([b"xn--"], id="no-name"),
        pytest.param([b"xn--\xff"], id="bytes"),
        pytest.param([b"."], id="dot"),
        pytest.param([b"[::1"], id="half-an-address"),
        pytest.param([b"127.0.0.1:99999"], id="no-port"),
        pytest.param([b"127.0.0.1:x"], id="no-number"),
        pytest.param([b"a" * 4000], id="4000-letters"),
    ],
)
def test_row_162_hosts(live: Live, hosts: list[bytes]) -> None:
    answer = live.server.send(live.request(hosts=hosts))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"evil" not in answer
    assert b"ocation:" not in answer


@pytest.mark.parametrize("order", [1, -1])
def test_row_162_two_hosts(live: Live, order: int) -> None:
    answer = live.server.send(live.request(hosts=[live.host, b"evil.test"][::order]))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_row_162_an_absolute_address_is_no_other_host(live: Live) -> None:
    """The host in the request line is looked at by nobody; the header is, as ever."""
    lines = {
        b"http://evil.test/usher/token": live.host,
        b"http://" + live.host + b"/usher/token": b"evil.test",
    }
    answers = [live.server.send(live.request(path, hosts=[it])) for path, it in lines.items()]
    assert b"evil" not in b"".join(answers)
    assert answers[1].startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", [b"https://evil.test", b"null", None])
def test_row_6_two_origins(live: Live, order: int, other: bytes | None) -> None:
    own = b"http://" + live.host
    origins = [b"Origin: " + it for it in (own, other or own)[::order]]
    answer = live.server.send(live.request(b"/usher/token", *origins))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"access-control" not in answer.lower()


def test_row_39_two_cookie_headers(live: Live) -> None:
    again = b"Cookie: usher=" + live.cookie.encode()
    assert live.server.statuses(live.request(b"/usher/token", again)) == [401]
    assert live.last_code() == "no-session"


@pytest.mark.parametrize(
    "path",
    [
        b"/usher//token",
        b"/usher/./token",
        b"/x/../usher/token",
        b"/usher/x/../token",
        b"/usher/token/",
        b"/usher/token%2f",
        b"/usher/token%00",
        b"/usher/token%0d%0aX-Evil:1",
        b"/usher/token%ff",
        b"/usher/TOKEN",
        b"/USHER/token",
        b"/usher/token;x",
        b"/usher\\token",
        b"/usher/tok\xc3\xa9n",
        b"/usher/token\xff",
        b"usher/token",
        b"*",
        b"/usher/health/../token",
        b"/usher/static/../token",
        b"/usher/static/%2e%2e/token",
        b"/usher/static/..%2f..%2fsettings.py",
    ],
)
def test_row_183_addresses_that_are_nearly_right(live: Live, path: bytes) -> None:
    before = len(live.service.issued())
    answer = live.server.send(live.request(path))
    assert answer[9:12] in {b"400", b"404", b"405"}
    assert b"ocation:" not in answer
    assert b"X-Evil" not in answer
    assert len(live.service.issued()) == before


@pytest.mark.parametrize(
    "path",
    [
        b"//usher/token",
        b"/usher/%74oken",
        b"/usher%2ftoken",
        b"/usher/token?x",
        b"/usher/token#x",
    ],
)
def test_row_183_the_same_address_has_the_same_guard(live: Live, path: bytes) -> None:
    assert live.server.statuses(live.request(path)) == [200]
    assert live.server.statuses(live.request(path, b"Origin: https://evil.test")) == [403]
    assert live.server.statuses(live.request(path, content_type=b"text/plain")) == [415]
    assert live.server.statuses(live.request(path, hosts=[b"evil.test"])) == [400]
    stranger = live.request(path).replace(live.cookie.encode(), b"x")
    assert live.server.statuses(stranger) == [401]


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"TRACE", b"CONNECT", b"BREW"])
def test_row_2_other_methods(live: Live, method: bytes) -> None:
    answer = live.server.send(live.request(method=method))
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"eyJ" not in answer


def test_row_2_a_method_in_small_letters_has_the_same_guard(live: Live) -> None:
    foreign = live.request(b"/usher/token", b"Origin: https://evil.test", method=b"post")
    assert live.server.statuses(foreign) == [403]


@pytest.mark.parametrize(
    "header",
    [b"X-A: \0", b"X-A: b\r\n c", b"X-A\0: b", b"X A: b", b": b", b"X-A"],
)
def test_row_184_headers_that_are_none(live: Live, header: bytes) -> None:
    assert live.server.statuses(live.request(b"/usher/token", header)) == [400]


@pytest.mark.parametrize("text", [b"\xc3\xa9", b"\xff", b"\x80\x81", b"a\tb"])
def test_row_184_headers_that_are_not_ascii(live: Live, text: bytes) -> None:
    headers = [b"X-Request-ID: " + text, b"User-Agent: " + text, b"Referer: " + text]
    answer = live.server.send(live.request(b"/usher/token", *headers))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert text not in answer
    refused = live.server.send(live.request(b"/usher/token", b"Origin: " + text))
    assert refused.startswith(b"HTTP/1.1 403 ")
    assert text not in refused
    assert live.service.audit_file.read_bytes().isascii()


def test_row_9_two_people_on_one_connection(live: Live) -> None:
    first = live.request().replace(b"Connection: close\r\n", b"")
    second = live.request().replace(live.cookie.encode(), b"A" * 43)
    answer = live.server.send(first + second)
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1 401 ") == 1
    assert answer.count(b'"token"') == 1
    assert answer.lower().count(b"cache-control: no-store") == 2
