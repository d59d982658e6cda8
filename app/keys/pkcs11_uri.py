"""PKCS#11 URIs (RFC 7512), as far as one is needed to name a private key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from .faults import KeyFault

SCHEME = "pkcs11:"
EXAMPLE = "pkcs11:token=TOKEN;object=KEY?module-path=/PATH/OF/MODULE.so&pin-source=file:/PATH"
# Never the URI itself, which may hold a PIN by mistake.
_SOURCE = "the PKCS#11 URI"
_IN_PATH = frozenset({"token", "serial", "object", "id", "type"})
_IN_QUERY = frozenset({"module-path", "pin-source"})


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Which key of which token, by way of which module, and the file with the PIN."""

    name: str
    """The URI without its query."""
    module: Path
    pin_file: Path
    token: str | None
    serial: str | None
    label: str | None
    id: bytes | None


def parse_pkcs11_uri(text: str) -> Pkcs11Uri:
    """Return the parts of a URI such as `EXAMPLE`. Raises `KeyFault`."""
    name, _, query = text.partition("?")
    path = _attributes(name.removeprefix(SCHEME).split(";"), _IN_PATH)
    options = _attributes(query.split("&") if query else (), _IN_QUERY)
    if not path.keys() & {"token", "serial"} or not path.keys() & {"object", "id"}:
        raise _fault("names no token or no key in it")
    if path.get("type", b"private") != b"private":
        raise _fault("names something else than a private key")
    return Pkcs11Uri(
        name=name,
        module=_absolute("module-path", options),
        pin_file=_absolute("pin-source", options),
        token=_text(path.get("token")),
        serial=_text(path.get("serial")),
        label=_text(path.get("object")),
        id=path.get("id"),
    )


def _attributes(parts: Iterable[str], known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise _fault("holds the PIN itself")
        if name not in known or name in found or not (equals and value):
            raise _fault(f"has something else than {', '.join(sorted(known))}, once each")
        found[name] = unquote_to_bytes(value)
    return found


def _absolute(name: str, options: dict[str, bytes]) -> Path:
    text = (_text(options.get(name)) or "").removeprefix("file:")
    path = Path("/" + text.lstrip("/") if text.startswith("//") else text)
    if not path.is_absolute() or not text.isprintable():
        raise _fault(f"has no {name} with the absolute path of a file")
    return path


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _fault("has a name that is not UTF-8") from None


def _fault(problem: str) -> KeyFault:
    return KeyFault(_SOURCE, problem, f"Write: {EXAMPLE}")
