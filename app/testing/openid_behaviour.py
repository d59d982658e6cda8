"""How a fake OpenID provider behaves: one value, whose default is flawless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .forgery import GENUINE, Changes, Forgery
from .http_exchange import Drip, HangUp, Reply


class Endpoint(StrEnum):
    """What the provider answers, as paths below its issuer."""

    DISCOVERY = "/.well-known/openid-configuration"
    KEYS = "/keys"
    AUTHORIZATION = "/authorize"
    TOKEN = "/token"  # noqa: S105 (a path)
    USERINFO = "/userinfo"
    INTROSPECTION = "/introspect"
    END_SESSION = "/end-session"


@dataclass(frozen=True, slots=True)
class Late:
    """The right answer, so many seconds late."""

    seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a provider does differently from a good one.

    The changes apply to the JSON that an endpoint answers with; `callback` to the query that
    the browser comes back with, where a list repeats the parameter. The forgeries apply to
    the tokens of their kind. `answers` replaces whole answers.
    """

    metadata: Changes = field(default_factory=dict)
    key_set: Changes = field(default_factory=dict)
    callback: Changes = field(default_factory=dict)
    token_response: Changes = field(default_factory=dict)
    userinfo: Changes = field(default_factory=dict)
    introspection: Changes = field(default_factory=dict)
    id_token: Forgery = GENUINE
    access_token: Forgery = GENUINE
    logout_token: Forgery = GENUINE
    answers: Mapping[Endpoint, Reply | Late | Drip | HangUp] = field(default_factory=dict)


FLAWLESS = Behaviour()
