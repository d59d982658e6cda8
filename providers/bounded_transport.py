"""A transport for `requests` whose calls end: in time, in bytes, and on the public network."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .addresses import (
    LOOPBACK_HOSTS,
    LOOPBACK_NETWORKS,
    AddressRefused,
    Network,
    Resolve,
    addresses_of,
)
from .base import ProviderUnavailable, Took, unmeasured

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
CALL_SECONDS = 10.0
MAXIMUM_BODY_BYTES = 256 * 1024
MAXIMUM_URL_CHARACTERS = 2048

# Visible ASCII without what parsers of URLs disagree on, and without a fragment.
_PLAIN_URL = re.compile(r"[!$-\[\]-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a call may go.

    `insecure_loopback` allows plain http to this machine, for trying things out. Besides the
    public addresses those in `private_networks` are allowed. `ca_file` holds certificates of
    authorities to trust instead of the public ones. `took` learns of each call.
    """

    insecure_loopback: bool = False
    private_networks: Collection[Network] = ()
    ca_file: str | None = None
    call_seconds: float = CALL_SECONDS
    read_seconds: float = READ_SECONDS
    resolve: Resolve = socket.getaddrinfo
    took: Took = unmeasured

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that are allowed besides the public one."""
        return (*self.private_networks, *(LOOPBACK_NETWORKS if self.insecure_loopback else ()))

    def allow(self, url: object) -> bool:
        """Tell whether this is the address of something that may be asked."""
        if not isinstance(url, str) or not _PLAIN_URL.fullmatch(url):
            return False
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if not host or parts.username is not None or len(url) > MAXIMUM_URL_CHARACTERS:
            return False
        is_loopback = self.insecure_loopback and host in LOOPBACK_HOSTS
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback)


class BoundedTransport(HTTPAdapter):
    """Carries the calls of one session, one after the other, each on a connection of its own.

    Whatever goes wrong raises `ProviderUnavailable`, with the host's name and no content.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._deadline = _Deadline(0)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let every connection be opened by `open_socket`."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pool_classes(self)

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Make one call and return the answer, whole. What a caller asks otherwise is void."""
        began, failed = time.monotonic(), True
        try:
            response = self._send(request, *args, **kwargs)
            failed = False
        finally:
            self._bounds.took(time.monotonic() - began, failed)
        return response

    def _send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        host = urlsplit(request.url or "").hostname or "nowhere"
        bounds = self._bounds
        if not bounds.allow(request.url):
            raise ProviderUnavailable(f"the address at {host} is not allowed")
        late = f"{host} took more than {bounds.call_seconds:g} s"
        with _Deadline(bounds.call_seconds) as self._deadline:
            try:
                response = super().send(
                    request,
                    stream=True,
                    timeout=(CONNECT_SECONDS, bounds.read_seconds),
                    verify=bounds.ca_file or True,
                )
                # One byte more tells that there is more.
                body = response.raw.read(MAXIMUM_BODY_BYTES + 1, decode_content=False)
                response.raw.close()
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                cut_off = self._deadline.has_passed
                why = late if cut_off else f"{host}: {type(error).__name__}"
                raise ProviderUnavailable(why) from error
            finally:
                self.close()
        if self._deadline.has_passed:
            # Cut off, a body without a length looks like a whole one.
            raise ProviderUnavailable(late)
        if len(body) > MAXIMUM_BODY_BYTES:
            raise ProviderUnavailable(f"{host} answered more than {MAXIMUM_BODY_BYTES} bytes")
        if "Content-Encoding" in response.headers:
            raise ProviderUnavailable(f"{host} answered in an encoding that nobody asked for")
        if HTTPStatus(300) <= response.status_code < HTTPStatus.BAD_REQUEST:
            raise ProviderUnavailable(f"{host} answered with a redirect")
        response.raw = io.BytesIO(body)
        return response

    def open_socket(self, host: str, port: int) -> socket.socket:
        """Connect to the first address that answers, every one of them being allowed."""
        try:
            addresses = addresses_of(host, port, self._bounds.networks, self._bounds.resolve)
        except AddressRefused as error:
            raise ProviderUnavailable(f"{host} leads to {error}") from error
        failure = OSError("no address")
        for address in addresses:
            try:
                seconds = min(CONNECT_SECONDS, self._deadline.remaining_seconds)
                connected = socket.create_connection((address, port), seconds)
            except OSError as error:
                failure = error
            else:
                self._deadline.watch(connected)
                return connected
        raise failure


def _pool_classes(transport: BoundedTransport) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return transport.open_socket(self.host, self.port)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return transport.open_socket(self.host, self.port)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _Deadline:
    """Cuts the watched connection when the time is up: no answer can drip for ever."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._ends_at = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None

    @property
    def remaining_seconds(self) -> float:
        """How much is left. Raises `TimeoutError` when that is nothing."""
        remaining = self._ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def watch(self, connected: socket.socket) -> None:
        """Cut this connection when the time is up."""
        with self._lock:
            # TLS takes the socket over, but not its duplicate.
            self._watched = connected.dup()

    def _cut(self) -> None:
        with self._lock:
            self.has_passed = True
            if self._watched is not None:
                try:
                    self._watched.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The other side was faster.
                    return

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._watched is not None:
                self._watched.close()
                self._watched = None
