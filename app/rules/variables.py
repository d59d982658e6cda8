"""What an expression can see: few names, each with a type, and nothing that is not data."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flask_usher.providers.base import AccountFacts, Identity

from . import cel

if TYPE_CHECKING:
    from cel import Context

FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "identity": {
            "provider": "string",
            "subject": "string",
            "claims": "map",
            "groups": "list of strings",
            "acr": "string",
            "amr": "list of strings",
            "signed_in_at": "timestamp",
            "percentile": "double",
        },
        "account": {"name": "string", "created_at": "timestamp"},
        "request": {"address": "string", "origin": "string"},
        "local": {"time": "string", "weekday": "int", "date": "string"},
    }
)
"""The fields of each variable, with their types. `now`, a timestamp, has none."""
NAMES = frozenset({*FIELDS, "now"})
CLAIMS = "identity.claims"

LARGEST_INTEGER = 2**63 - 1
MOST_VALUES = 500
MOST_CHARACTERS = 65536
DEEPEST = 8


class NotJudgeable(ValueError):
    """What is known of the person can't be given to an expression; the message says why."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Where a request comes from: its address, and the origin of the page, if it says so."""

    address: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Whom the rules judge, and when: `now` is in seconds since the epoch."""

    identity: Identity
    now: float
    request: Asker = field(default_factory=Asker)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a case the expressions look at: fields such as `identity.groups`, and claims.

    With `claims` of `None`, all of them.
    """

    fields: frozenset[str]
    claims: frozenset[str] | None

    @property
    def needs_moment(self) -> bool:
        """Whether the time of day or the date may decide."""
        return any(field.startswith("local") for field in self.fields)


def context_of(case: Case, zone: ZoneInfo, wanted: Wanted | None = None) -> Context:
    """Return what the expressions see of a case. `zone` is for `local`.

    What is not known is absent, never empty. Only what is `wanted` is there, as handing a value
    over costs more than looking at it; without `wanted`, all. Raises `NotJudgeable` for claims
    that hold too much, or what has no place in JSON.
    """
    variables: dict[str, Any] = {}
    for path in _VALUES if wanted is None else wanted.fields:
        name, _, field_name = path.partition(".")
        value = _VALUES[path](case, zone)
        if path == CLAIMS:
            value = _claims(case.identity.claims, wanted.claims if wanted else None)
        if not field_name:
            variables[name] = value
        elif value is not None:
            variables.setdefault(name, {})[field_name] = value
        else:
            variables.setdefault(name, {})
    try:
        return cel.make_context(variables)
    except ValueError as error:
        raise NotJudgeable("a value that is no text, number, list or table") from error


def percentile(identity: Identity) -> float:
    """Return where a person stands in a roll-out: from 0 up to 100, the same for good."""
    name = f"{len(identity.provider)}:{identity.provider}{identity.subject}"
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") * 100 / 2**32


def _claims(claims: Mapping[str, object], wanted: Collection[str] | None) -> dict[str, Any]:
    if wanted is not None:
        claims = {name: claims[name] for name in wanted if name in claims}
    return _Judgeable().table(claims)


def _account(case: Case) -> AccountFacts | None:
    return case.identity.account


def _local(case: Case, zone: ZoneInfo) -> datetime:
    return _timestamp(case.now).astimezone(zone)


def _timestamp(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotJudgeable("a time that is none") from error


class _Judgeable:
    """Copies values of JSON, and counts, so that no expression has much to look at."""

    def __init__(self) -> None:
        self._values = 0
        self._characters = 0

    def table(self, table: Mapping[Any, object], depth: int = 0) -> dict[str, Any]:
        return {self._text(key): self._value(item, depth + 1) for key, item in table.items()}

    def list(self, items: Sequence[object], depth: int = 0) -> list[Any]:
        return [self._value(item, depth + 1) for item in items]

    def _value(self, value: object, depth: int) -> object:
        self._values += 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            raise NotJudgeable("more claims than a rule looks at")
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, list | tuple):
            return self.list(value, depth)
        if isinstance(value, Mapping):
            return self.table(value, depth)
        raise NotJudgeable("a claim that is no text, number, list or table")

    def _text(self, text: object) -> str:
        if not isinstance(text, str):
            raise NotJudgeable("a claim whose name is no text")
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            raise NotJudgeable("more claims than a rule looks at")
        return text


# `None` stands for what is not known.
_VALUES: Mapping[str, Callable[[Case, ZoneInfo], object]] = MappingProxyType(
    {
        "now": lambda case, _: _timestamp(case.now),
        "identity.provider": lambda case, _: case.identity.provider,
        "identity.subject": lambda case, _: case.identity.subject,
        CLAIMS: lambda case, _: case.identity.claims,
        "identity.groups": lambda case, _: _Judgeable().list(case.identity.groups),
        "identity.acr": lambda case, _: case.identity.acr,
        "identity.amr": lambda case, _: _Judgeable().list(case.identity.amr),
        "identity.signed_in_at": lambda case, _: _timestamp(case.identity.signed_in_at),
        "identity.percentile": lambda case, _: percentile(case.identity),
        "account.name": lambda case, _: it.name if (it := _account(case)) else None,
        "account.created_at": lambda case, _: (
            _timestamp(it.created_at) if (it := _account(case)) else None
        ),
        # A server on a socket file knows no address.
        "request.address": lambda case, _: case.request.address or None,
        "request.origin": lambda case, _: case.request.origin,
        "local.time": lambda case, zone: f"{_local(case, zone):%H:%M}",
        "local.weekday": lambda case, zone: _local(case, zone).isoweekday(),
        "local.date": lambda case, zone: _local(case, zone).date().isoformat(),
    }
)
