"""Believing what headers say of a request, but only those of the reverse proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from .setting_types import Network

FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
# What else a proxy alone may say: the id of the request, and the trace that it is part of.
OF_PROXIES = ("HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE")
# Over a Unix socket a peer has no address, and can only be on this machine.
SOCKET_PEER = "127.0.0.1"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """WSGI middleware: Werkzeug's `ProxyFix` for one proxy, used for trusted peers only.

    `ProxyFix` by itself also believes a client that comes past the proxy. A peer on a Unix
    socket counts as 127.0.0.1.
    """

    def __init__(self, app: WSGIApplication, trusted: tuple[Network, ...]) -> None:
        self._direct = app
        self._proxied = ProxyFix(app, x_for=1, x_proto=1, x_host=1)
        self._trusted = trusted

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Handle one request."""
        if not self._is_trusted(environ):
            for name in OF_PROXIES:
                environ.pop(name, None)
            return self._direct(environ, start_response)
        visitor = _address(environ.pop(FORWARDED_FOR, "").rpartition(",")[2].strip())
        if visitor is not None:
            environ[FORWARDED_FOR] = str(visitor)
        return self._proxied(environ, start_response)

    def _is_trusted(self, environ: WSGIEnvironment) -> bool:
        if not self._trusted:
            return False
        peer = _address(environ.get("REMOTE_ADDR") or SOCKET_PEER)
        return peer is not None and any(peer in network for network in self._trusted)


def _address(text: str) -> Address | None:
    """Return the address that stands here, as IPv4 if it is one.

    `ProxyFix` would take whatever stands last in the list, and a quotation mark that the
    client sends makes one entry of it and of the address that the proxy adds.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
