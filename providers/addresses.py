"""Which network addresses a provider may have: the way out leads to the public network only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[..., list[tuple[Any, ...]]]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
LOOPBACK_NETWORKS: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)
# Gateways turn these into IPv4 (RFC 6052), so what counts is the address inside.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(OSError):
    """The host's name leads to where no provider is."""


def addresses_of(
    host: str, port: int, allowed: Collection[Network], resolve: Resolve = socket.getaddrinfo
) -> list[str]:
    """Return the addresses of `host`, all of them public or in one of the `allowed` networks.

    One that is neither spoils the rest: it may be an attempt at DNS rebinding. Raises
    `AddressRefused`, and `OSError` when the name can't be resolved.
    """
    found = [entry[4][0] for entry in resolve(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
        if not (_is_public(address) or any(address in network for network in allowed)):
            raise AddressRefused("an address that is not public")
    return list(dict.fromkeys(found))


def _inner(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast
