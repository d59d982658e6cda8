"""How the browser sees a page and this service: one origin, one site, or two sites."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*")
# Such as co.uk and com.au. Longer ones are taken for names that somebody registered.
LONGEST_SHORT_LABEL = 3


class Relation(StrEnum):
    """What a page is to the service, as far as its cookies and CORS go."""

    SAME_ORIGIN = "same origin"
    SAME_SITE = "same site"
    CROSS_SITE = "another site"


def origin_of(url: str) -> str:
    """Return the origin of a web page's address, as browsers send it.

    Raises `ValueError` for what is no http or https address, or holds a user name.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if not host.isascii():
        host = host.encode("idna").decode()
    if parts.scheme not in DEFAULT_PORTS or not HOST.fullmatch(host) or "@" in parts.netloc:
        raise ValueError(url)
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}"


def relation(page: str, service: str) -> Relation:
    """Return what the origin of a page is to that of the service.

    A site is a scheme and a registrable domain (HTML, section 7.1.1).
    The list of public suffixes is not consulted: below one of the long ones, such as those of
    hosting platforms, two sites are taken for one.
    """
    if page == service:
        return Relation.SAME_ORIGIN
    ours, theirs = urlsplit(service), urlsplit(page)
    if ours.scheme != theirs.scheme:
        return Relation.CROSS_SITE
    one_site = _are_one_site(ours.hostname or "", theirs.hostname or "")
    return Relation.SAME_SITE if one_site else Relation.CROSS_SITE


def _are_one_site(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if _is_address(ours) or _is_address(theirs):
        return False
    common: list[str] = []
    pairs = zip(reversed(ours.split(".")), reversed(theirs.split(".")), strict=False)
    for label, other in pairs:
        if label != other:
            break
        common.append(label)
    is_suffix = all(len(label) <= LONGEST_SHORT_LABEL for label in common)
    return len(common) > 2 or (len(common) == 2 and not is_suffix)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
