"""Every call to a provider ends soon, goes to a public address, and tells nothing."""

from __future__ import annotations

import gzip
import ipaddress
import logging
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.certificates import certificate

from flask_usher.providers.addresses import AddressRefused, addresses_of
from flask_usher.providers.base import ProviderUnavailable
from flask_usher.providers.bounded_transport import MAXIMUM_BODY_BYTES, Bounds
from flask_usher.providers.http_client import HttpClient

Serve = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECRET = b"a-secret-of-the-provider"


def answered(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def compressed(body: bytes) -> bytes:
    return answered(gzip.compress(body), "Content-Encoding: gzip")


@contextmanager
def server(serve: Serve, wrap: ssl.SSLContext | None = None) -> Iterator[int]:
    """Give the port of a server on this machine that does as `serve` says."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with (
                    connection
                    if wrap is None
                    else wrap.wrap_socket(connection, server_side=True) as wrapped
                ):
                    serve(wrapped)
            except OSError:
                continue

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def request_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            break
        received += more
    return received


def reply(content: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(content)

    return serve


def drip(connection: socket.socket, chunk: bytes, pause: float) -> None:
    """Send `chunk` again and again until the other side has had enough."""
    connection.settimeout(pause)
    while True:
        connection.sendall(chunk)
        try:
            if connection.recv(65536) == b"":
                return
        except TimeoutError:
            continue


def endless(begin: bytes, chunk: bytes, pause: float = 0.0) -> Serve:
    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(begin)
        if pause:
            drip(connection, chunk, pause)
        while True:
            connection.sendall(chunk)

    return serve


def client(**changes: Any) -> HttpClient:
    return HttpClient(Bounds(**{"insecure_loopback": True, **changes}))


def fetch(serve: Serve, **changes: Any) -> dict[str, Any]:
    with server(serve) as port:
        return client(**changes).get(f"http://127.0.0.1:{port}/").json_object()


def failure(serve: Serve, **changes: Any) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        fetch(serve, **changes)
    return str(caught.value)


def test_an_answer_is_returned_whole() -> None:
    assert fetch(reply(answered(b'{"a": 1}'))) == {"a": 1}
    assert fetch(reply(OK + b'\r\n{"without": "length"}')) == {"without": "length"}


def test_a_request_says_what_is_needed_and_no_more() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(answered(b"{}", "Set-Cookie: a=b"))

    with server(serve) as port:
        for bearer in (None, "token"):
            client().get(f"http://127.0.0.1:{port}/x?y=z", bearer=bearer)
    plain, with_bearer = (it.decode().lower().split("\r\n") for it in seen)
    assert plain[0] == "get /x?y=z http/1.1"
    assert {"accept: application/json", "accept-encoding: identity"} < set(plain)
    assert not any(line.startswith(("cookie:", "authorization:")) for line in plain)
    assert "authorization: bearer token" in with_bearer


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(answered(SECRET), id="row58-no-json"),
        pytest.param(answered(b"[]"), id="row58-list"),
        pytest.param(answered(b'{"a": NaN}'), id="row58-nan"),
        pytest.param(answered(b'{"a": 1, "a": 1}'), id="row58-doubled"),
        pytest.param(answered(SECRET, status="500 Oh"), id="row58-500"),
        pytest.param(answered(b'{"a": 1}', status="201 Made"), id="row58-201"),
        pytest.param(answered(b'{"a": 1}')[:-1], id="row58-truncated"),
        pytest.param(b"", id="hang-up"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another-protocol"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad-chunk"),
        pytest.param(OK + b"X: y\r\n" * 200 + b"\r\n{}", id="200-headers"),
        pytest.param(OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n{}", id="long-header"),
        pytest.param(
            answered(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip"),
            id="row59-compressed",
        ),
        pytest.param(
            answered(gzip.compress(bytes(50_000_000)), "Content-Encoding: gzip"),
            id="row59-gzip-bomb",
        ),
        pytest.param(answered(b"{}" + b" " * MAXIMUM_BODY_BYTES), id="row59-too-long"),
        pytest.param(OK + b"Content-Length: 50000000\r\n\r\n", id="row59-50-mb-promised"),
    ],
)
def test_a_faulty_answer_is_none_and_is_not_quoted(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        message = failure(reply(content))
    assert SECRET.decode() not in message + caplog.text


@pytest.mark.parametrize("body", [gzip.compress(b"{}"), b"{}"], ids=["gzip", "not-really"])
def test_row_59_why_a_compressed_answer_is_not_read_is_told(body: bytes) -> None:
    message = failure(reply(answered(body, "Content-Encoding: gzip")))
    assert message == "127.0.0.1 answered in an encoding that nobody asked for"


def test_row_59_the_longest_body_is_still_read() -> None:
    body = b'{"a": 1}'.ljust(MAXIMUM_BODY_BYTES)
    assert fetch(reply(answered(body))) == {"a": 1}


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(OK + b"\r\n", id="row59-endless-body"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n", id="row59-endless-chunks"),
    ],
)
def test_row_59_an_endless_answer_is_cut_off_early(begin: bytes) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n" if b"chunked" in begin else b" " * 65536
    tracemalloc.start()
    try:
        message = failure(endless(begin, chunk))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message == f"127.0.0.1 answered more than {MAXIMUM_BODY_BYTES} bytes"
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(endless(OK + b"\r\n", b" ", 0.05), id="row59-body-drips"),
        pytest.param(endless(OK + b"X: ", b"y", 0.05), id="row59-header-drips"),
        pytest.param(endless(OK, b"X: y\r\n", 0.05), id="row59-headers-drip"),
        pytest.param(endless(b"", b"H", 0.05), id="row59-status-drips"),
        pytest.param(
            endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05), id="row59-endless-continue"
        ),
        pytest.param(
            endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.05),
            id="row59-chunks-drip",
        ),
    ],
)
def test_row_59_an_answer_that_drips_is_cut_off_in_time(serve: Serve) -> None:
    # Each byte comes well within the time that one read may take.
    message = failure(serve, call_seconds=0.5, read_seconds=5)
    assert message == "127.0.0.1 took more than 0.5 s"


def test_row_59_a_body_without_end_that_was_cut_is_not_taken_for_a_whole_one() -> None:
    serve = endless(OK + b'\r\n{"a": 1}', b" ", 0.05)
    assert failure(serve, call_seconds=0.5) == "127.0.0.1 took more than 0.5 s"


def test_silence_ends_the_call() -> None:
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        request_of(connection)
        done.wait(10)

    try:
        assert "127.0.0.1" in failure_before(done, serve)
    finally:
        done.set()


def failure_before(done: threading.Event, serve: Serve) -> str:
    with server(serve) as port:
        with pytest.raises(ProviderUnavailable) as caught:
            client(read_seconds=0.2).get(f"http://127.0.0.1:{port}/")
        done.set()
        return str(caught.value)


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E", "304 F"])
def test_row_63_a_redirect_is_not_followed(status: str) -> None:
    visits = 0

    def serve(connection: socket.socket) -> None:
        nonlocal visits
        visits += 1
        request_of(connection)
        connection.sendall(answered(b"{}", "Location: /elsewhere", status=status))

    assert failure(serve) == "127.0.0.1 answered with a redirect"
    assert visits == 1


NOT_ALLOWED = [
    "http://id.example/",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.2/",
    "http://0.0.0.0/",
    "http://[::ffff:127.0.0.1]/",
    "ftp://id.example/",
    "file:///etc/passwd",
    "gopher://id.example/",
    "data:,x",
    "//id.example/",
    "id.example",
    "",
    "https://",
    "https:///path",
    "https://user@id.example/",
    "https://user:secret@id.example/",
    "https://id.example/#part",
    "https://id.example\\@evil.example/",
    "https://id.example/a b",
    "https://id.example/\r\nHost: evil.example",
    "https://id.example/é",
    "https://id.example:port/",
    "https://id.example:99999/",
    "https://[::1/",
    "https://id.example/" + "x" * 2048,
    None,
    5,
    ["https://id.example/"],
]


@pytest.mark.parametrize("url", NOT_ALLOWED, ids=lambda url: f"row63-{str(url)[:40]!r}")
def test_row_63_only_plain_https_addresses_are_allowed(url: Any) -> None:
    bounds = Bounds(insecure_loopback=True)
    assert not bounds.allow(url)
    if isinstance(url, str) and url:
        with pytest.raises(ProviderUnavailable):
            HttpClient(bounds).get(url)


@pytest.mark.parametrize(
    "url",
    ["https://id.example", "https://id.example:8443/realms/a?b=c", "https://192.0.2.1/x"],
)
def test_https_addresses_are_allowed(url: str) -> None:
    assert Bounds().allow(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_row_63_plain_http_is_for_this_machine_and_by_leave_only(host: str) -> None:
    assert Bounds(insecure_loopback=True).allow(f"http://{host}:8000/")
    assert not Bounds().allow(f"http://{host}:8000/")


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%lo",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
]
OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]


def resolving_to(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    return lambda host, port, **kwargs: [(0, 0, 0, "", (it, port)) for it in addresses]


@pytest.mark.parametrize("address", INSIDE, ids=lambda it: f"row63-{it}")
def test_row_63_no_connection_is_made_to_an_address_that_is_not_public(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *args: made.append(args))
    for found in ([address], ["8.8.8.8", address]):
        http = HttpClient(Bounds(resolve=resolving_to(*found)))
        with pytest.raises(ProviderUnavailable) as caught:
            http.get("https://id.example/")
        assert str(caught.value) == "id.example leads to an address that is not public"
    assert made == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_allowed(address: str) -> None:
    assert addresses_of("id.example", 443, (), resolving_to(address)) == [address]


def test_row_63_the_address_that_was_checked_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["8.8.8.8", "127.0.0.1"])
    called: list[object] = []

    def connect(address: object, timeout: float) -> socket.socket:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    resolve = lambda host, port, **kwargs: resolving_to(next(answers))(host, port)  # noqa: E731
    http = HttpClient(Bounds(resolve=resolve))
    with pytest.raises(ProviderUnavailable, match="ConnectionError"):
        http.get("https://id.example/")
    with pytest.raises(ProviderUnavailable, match="not public"):
        http.get("https://id.example/")
    assert called == [("8.8.8.8", 443)]


def test_networks_of_the_operators_own_are_allowed_by_name() -> None:
    network = ipaddress.ip_network("10.1.0.0/16")
    found = addresses_of("id.internal", 443, [network], resolving_to("10.1.2.3"))
    assert found == ["10.1.2.3"]
    with pytest.raises(AddressRefused):
        addresses_of("id.internal", 443, [network], resolving_to("10.2.2.3"))


@pytest.mark.parametrize("error", [socket.gaierror("no such name"), OSError("?")])
def test_a_name_that_leads_nowhere_is_unavailable(error: OSError) -> None:
    def resolve(*args: Any, **kwargs: Any) -> Any:
        raise error

    with pytest.raises(ProviderUnavailable, match=r"^id\.example: "):
        HttpClient(Bounds(resolve=resolve)).get("https://id.example/")


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProviderUnavailable):
        client().get(f"http://127.0.0.1:{port}/")


def test_the_environment_names_no_proxy_and_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(answered(b"{}"))

    assert fetch(serve) == {}
    assert b"authorization" not in seen[0].lower()


@pytest.mark.parametrize(
    ("host", "expired", "trusted", "is_good"),
    [
        pytest.param("localhost", False, True, True, id="good"),
        pytest.param("localhost", False, False, False, id="unknown-authority"),
        pytest.param("id.example", False, True, False, id="another-host"),
        pytest.param("localhost", True, True, False, id="expired"),
    ],
)
def test_certificates_are_checked(
    tmp_path: Path, host: str, expired: bool, trusted: bool, is_good: bool
) -> None:
    file = certificate(tmp_path, host, days=-1 if expired else 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with server(reply(answered(b"{}")), context) as port:
        http = client(ca_file=str(file) if trusted else None)
        url = f"https://localhost:{port}/"
        if is_good:
            assert http.get(url).json_object() == {}
        else:
            with pytest.raises(ProviderUnavailable, match="SSLError"):
                http.get(url)


def test_row_59_a_handshake_that_drips_is_cut_off_in_time() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        drip(connection, b"\x02", 0.05)

    with server(serve) as port, pytest.raises(ProviderUnavailable):
        client(call_seconds=0.5).get(f"https://localhost:{port}/")


def test_no_watchman_stays_behind() -> None:
    with server(reply(answered(b"{}"))) as port:
        client().get(f"http://127.0.0.1:{port}/")
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        # Far less than the time that the call might have taken.
        timer.join(5)
        assert not timer.is_alive()
