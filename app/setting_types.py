"""The types of single settings: each makes what is written usable, or says why not."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from . import keys

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET_ITSELF = re.compile(r"[A-Za-z0-9_=+-]{20,}")
DEFAULT_PORTS = {"http": 80, "https": 443}


def fault(expected: str) -> PydanticCustomError:
    """Return the error for a value; `expected` completes the sentence "expected …"."""
    return PydanticCustomError("usher", "{expected}", {"expected": expected})


def is_loopback(origin: str) -> bool:
    """Tell whether the origin is of this machine only."""
    return urlsplit(origin).hostname in LOOPBACK_HOSTS


def _origin(value: object) -> str:
    expected = (
        "an origin such as https://www.shop.example, with no path and no slash at its end"
    )
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise fault(expected) from None
    rebuilt = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}"
    if port is not None and port != DEFAULT_PORTS.get(parts.scheme):
        rebuilt += f":{port}"
    well_formed = parts.scheme in DEFAULT_PORTS and re.fullmatch(r"[a-z0-9.:-]+", host)
    if value != rebuilt or not well_formed or host.endswith("."):
        raise fault(expected)
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise fault("https: plain http is for loopback addresses only")
    return rebuilt


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", "."))


def _path(value: object, info: ValidationInfo) -> Path:
    text = str(value) if isinstance(value, str | Path) else ""
    if not text or not text.isprintable() or "PRIVATE KEY" in text:
        raise fault("the path of a file")
    return _folder(info) / text


def _loaded(load: Callable[[Path], object]) -> BeforeValidator:
    def validate(value: object, info: ValidationInfo) -> object:
        path = _path(value, info)
        if _SECRET_ITSELF.fullmatch(str(value)) and not path.exists():
            raise fault("the path of a file that holds the secret, not the secret itself")
        try:
            return load(path)
        except keys.KeyFault as error:
            raise fault(f"a usable file. {error}") from error

    return BeforeValidator(validate)


def _recipient_key(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value:
        raise fault(f'"{keys.IADVIZE_PRODUCTION}", a base64 key, or the path of a PEM file')
    try:
        return keys.load_recipient_key(value, _folder(info))
    except keys.KeyFault as error:
        raise fault(f"iAdvize's public key. {error}") from error


def _database_url(value: object, info: ValidationInfo) -> str:
    expected = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
    try:
        url = sa.make_url(value if isinstance(value, str) else "")
    except sa.exc.ArgumentError:
        raise fault(expected) from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise fault(expected)
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise fault("sqlite:///FILE: a database in memory is another one in each worker")
        url = url.set(database=str(_folder(info).absolute() / url.database))
    return url.render_as_string(hide_password=False)


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise fault("an address or network such as 127.0.0.1 or 10.1.0.0/16") from None
    if network.prefixlen == 0:
        raise fault("the proxies' own addresses, not every address there is")
    return network


def _audit_file(value: object, info: ValidationInfo) -> Path | None:
    return None if value in {None, "stdout"} else _path(value, info)


def _rate(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,6} per [1-9]\d{0,4} seconds", value):
        return value
    raise fault('a limit such as "10 per 300 seconds"')


Origin = Annotated[str, BeforeValidator(_origin)]
AuditFile = Annotated[Path | None, BeforeValidator(_audit_file)]
PrivateKeyFile = Annotated[keys.PrivateKey, _loaded(keys.load_private_key)]
SecretFile = Annotated[keys.Secret, _loaded(keys.load_secret)]
RecipientKey = Annotated[keys.PublicKey, BeforeValidator(_recipient_key)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_network)]
Rate = Annotated[str, BeforeValidator(_rate)]
