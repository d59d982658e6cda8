"""The types of single settings: each makes what is written usable, or says why not."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from . import keys

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"http": 80, "https": 443}
WIDEST_PREFIX = 8
# Of the parameters of a connection, those that have our own limits.
SET_BY_US = frozenset(
    {"connect_timeout", "keepalives_count", "keepalives_idle", "keepalives_interval"}
)
FAULT, HIDDEN_FAULT, UNKNOWN_KEY = "usher", "usher_hidden", "usher_unknown_key"
REFUSED_PIN = "usher_refused_pin"

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|[0-9a-f]*:[0-9a-f:.]*")
_DB_PATH, _DB_QUERY = r"(/\d{0,4})?", r"(db=\d{1,4})?"
_SECRET_ITSELF = re.compile(r"[A-Za-z0-9_=+/-]{20,}")


class Table(BaseModel):
    """A table of the settings: frozen, and without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=True
    )


def fault(expected: str) -> PydanticCustomError:
    """Return the error for a value; `expected` completes the sentence "expected …"."""
    return PydanticCustomError(FAULT, "{expected}", {"expected": expected})


def hidden_fault(expected: str) -> PydanticCustomError:
    """Return the error for a value that may hold a secret, and must not be shown."""
    return PydanticCustomError(HIDDEN_FAULT, "{expected}", {"expected": expected})


def refused_pin(expected: str) -> PydanticCustomError:
    """Return the error for a key whose token has refused the PIN."""
    return PydanticCustomError(REFUSED_PIN, "{expected}", {"expected": expected})


def suggestion(given: str, known: Collection[str]) -> str:
    """Return what may have been meant by an unknown key."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(given, known, n=1)
    return f"{close[0]!r}?" if close else f"one of {', '.join(known)}"


def key_among(known: Collection[str]) -> AfterValidator:
    """Return the check that a key of a table is one of these."""

    def validate(key: str) -> str:
        if key not in known:
            meant = suggestion(key, known)
            raise PydanticCustomError(UNKNOWN_KEY, "{expected}", {"expected": meant})
        return key

    return AfterValidator(validate)


def text_like(pattern: str, expected: str) -> AfterValidator:
    """Return the check that the whole of a text matches `pattern`."""

    def validate(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise fault(expected)
        return text

    return AfterValidator(validate)


SitePath = Annotated[
    str, text_like(r"/(?![/\\])[!-\[\]-~]*", "a path on this site, such as /account")
]
Key = TypeVar("Key")
Value = TypeVar("Value")
Frozen = Annotated[Mapping[Key, Value], AfterValidator(MappingProxyType)]


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
    well_formed = parts.scheme in DEFAULT_PORTS and _HOST.fullmatch(host) and port != 0
    if value != rebuilt or not well_formed:
        raise fault(expected)
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise fault("https: plain http is for loopback addresses only")
    return rebuilt


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", "."))


def _path(value: object, info: ValidationInfo) -> Path:
    text = str(value) if isinstance(value, str | Path) else ""
    if not text:
        raise fault("the path of a file")
    if not text.isprintable() or "PRIVATE KEY" in text:
        raise hidden_fault("the path of a file, not what is in it")
    return _folder(info) / text


def _path_of_secret(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    # Random text names no file, nor a folder that is there.
    in_folder = "/" in str(value) and path.parent.name != "" and os.path.isdir(path.parent)
    if _SECRET_ITSELF.fullmatch(str(value)) and not in_folder and not os.path.exists(path):
        raise hidden_fault("the path of a file that exists, not the secret itself")
    return path


def _existing_file(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    if not path.is_file():
        raise fault("the path of a file that exists")
    return path


def _path_of_text_secret(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    # A secret that somebody else chose may look like any name.
    if not os.path.exists(path):
        raise hidden_fault("the path of a file that exists, not the secret itself")
    return path


def _loaded(
    load: Callable[[Path], object],
    locate: Callable[[object, ValidationInfo], Path] = _path_of_secret,
) -> BeforeValidator:
    def validate(value: object, info: ValidationInfo) -> object:
        try:
            return load(locate(value, info))
        except keys.KeyFault as error:
            raise fault(f"a usable file. {error}") from error

    return BeforeValidator(validate)


def _one_or_more(load: Callable[[object, ValidationInfo], keys.AnyKey]) -> PlainValidator:
    """Return the loader of one source, or of a list of them whose first one is the usual."""

    def validate(value: object, info: ValidationInfo) -> tuple[keys.AnyKey, ...]:
        if not isinstance(value, list | tuple):
            return (load(value, info),)
        loaded, faults = [], []
        for item in value:
            try:
                loaded.append(load(item, info))
            except PydanticCustomError as error:
                faults.append(error)
        if faults:
            kind = refused_pin if any(it.type == REFUSED_PIN for it in faults) else fault
            raise kind("; ".join(it.message() for it in faults))
        if not loaded or len({it.fingerprint for it in loaded}) < len(loaded):
            raise fault("one key or more, each of them once")
        return tuple(loaded)

    return PlainValidator(validate)


def _signer(value: object, info: ValidationInfo) -> keys.Signer:
    environment = (info.context or {}).get("environment", {})
    try:
        if isinstance(value, str) and not keys.is_path(value):
            return keys.load_signer(value, environment)
    except keys.PinFault as error:
        raise refused_pin(f"a usable key. {error}") from error
    except keys.KeyFault as error:
        # It may hold a PIN or a key by mistake.
        raise hidden_fault(f"a usable key. {error}") from error
    try:
        return keys.load_private_key(_path_of_secret(value, info))
    except keys.KeyFault as error:
        raise fault(f"a usable file. {error}") from error


def _recipient_key(value: object, info: ValidationInfo) -> keys.PublicKey:
    if not isinstance(value, str) or not value:
        raise fault(f'"{keys.IADVIZE_PRODUCTION}", a base64 key, or the path of a PEM file')
    if value == keys.IADVIZE_PRODUCTION:
        return keys.iadvize_production()
    is_key_itself = keys.is_key_itself(value)
    try:
        if is_key_itself:
            return keys.parse_public_key("the key itself", value.encode())
        return keys.load_public_key(_path_of_secret(value, info))
    except keys.KeyFault as error:
        fault_of = hidden_fault if is_key_itself else fault
        raise fault_of(f"iAdvize's public key. {error}") from error


def _database_url(value: object, info: ValidationInfo) -> str:
    expected = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
    try:
        url = sa.make_url(value if isinstance(value, str) else "")
    except (sa.exc.ArgumentError, ValueError):
        raise hidden_fault(expected) from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise hidden_fault(expected)
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise fault("sqlite:///FILE: a database in memory is another one in each worker")
        if url != sa.URL.create("sqlite", database=url.database) or "\0" in url.database:
            raise hidden_fault("sqlite:///FILE, with nothing else")
        url = url.set(database=str(_folder(info).absolute() / url.database))
    elif surplus := sorted(SET_BY_US & url.query.keys()):
        raise hidden_fault(f"no {', '.join(surplus)} in it: Usher sets that itself")
    return url.render_as_string(hide_password=False)


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise fault("an address or network such as 127.0.0.1 or 10.1.0.0/16") from None
    if network.prefixlen < WIDEST_PREFIX:
        raise fault("addresses of your own, not half of all that there are")
    return network


def _listen_address(value: object) -> str:
    expected = (
        "one address of this machine and a port, such as 127.0.0.1:9464 or [::1]:9464; not all "
        "of its addresses"
    )
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([1-9]\d{0,4})", str(value))
    try:
        address = ipaddress.ip_address(found[1] or found[2]) if found else None
    except ValueError:
        raise fault(expected) from None
    if found is None or address is None or address.is_unspecified or int(found[3]) > 65535:
        raise fault(expected)
    return str(value)


def _audit_file(value: object, info: ValidationInfo) -> Path | None:
    return None if value is None or value == "stdout" else _path(value, info)


def _redis_url(value: object) -> str:
    expected = (
        "redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss:// for the same with TLS, "
        "or unix:///PATH?db=NUMBER"
    )
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise hidden_fault(expected)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise hidden_fault(expected) from None
    # What else a query could set includes the check of certificates, and the timeouts.
    if parts.scheme == "unix":
        well_formed = bool(parts.path and not host and re.fullmatch(_DB_QUERY, parts.query))
    else:
        known = parts.scheme in {"redis", "rediss"} and _HOST.fullmatch(host) and port != 0
        well_formed = bool(known and re.fullmatch(_DB_PATH, parts.path) and not parts.query)
    # The client knows the scheme in small letters only.
    if not well_formed or parts.fragment or not value.startswith(f"{parts.scheme}:"):
        raise hidden_fault(expected)
    return value


def _syslog_socket(value: object) -> Path:
    if isinstance(value, str) and re.fullmatch(r"/[!-~]{1,106}", value):
        return Path(value)
    raise fault(
        "the path of this machine's syslog socket, such as /dev/log. The daemon behind it can "
        "pass lines on to another host; over the network nobody would know of a lost one"
    )


def _rate(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,6} per [1-9]\d{0,4} seconds", value):
        return value
    raise fault('a limit such as "10 per 300 seconds"')


def _url(value: object) -> str:
    expected = "an address such as https://login.shop.example/realm, with no query"
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise fault(expected) from None
    plain = parts.geturl() == value and not (parts.query or parts.fragment or parts.username)
    if not plain or not _HOST.fullmatch(host) or port == 0 or parts.scheme not in DEFAULT_PORTS:
        raise fault(expected)
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise fault("https: plain http is for loopback addresses only")
    return parts.geturl()


Origin = Annotated[str, BeforeValidator(_origin)]
AuditFile = Annotated[Path | None, BeforeValidator(_audit_file)]
SyslogSocket = Annotated[Path, BeforeValidator(_syslog_socket)]
SigningKeys = Annotated[tuple[keys.Signer, ...], _one_or_more(_signer)]
PrivateKeyFile = Annotated[keys.PrivateKey, _loaded(keys.load_private_key)]
SecretFile = Annotated[keys.Secret, _loaded(keys.load_secret)]
TextSecretFile = Annotated[
    keys.TextSecret, _loaded(keys.load_text_secret, _path_of_text_secret)
]
ExistingFile = Annotated[Path, BeforeValidator(_existing_file)]
Url = Annotated[str, BeforeValidator(_url)]
RecipientKeys = Annotated[tuple[keys.PublicKey, ...], _one_or_more(_recipient_key)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
ListenAddress = Annotated[str, BeforeValidator(_listen_address)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_network)]
RedisUrl = BeforeValidator(_redis_url)
Rate = Annotated[str, BeforeValidator(_rate)]
