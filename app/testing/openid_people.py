"""The people who have accounts at a fake OpenID provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account at the provider.

    `claims` are in the ID token and in userinfo; `more_claims` in userinfo only.
    """

    subject: str
    claims: Mapping[str, object] = field(default_factory=dict)
    more_claims: Mapping[str, object] = field(default_factory=dict)
    acr: str | None = None
    amr: tuple[str, ...] = ("pwd",)


@dataclass(frozen=True, slots=True)
class Session:
    """A person's stay at the provider itself; `began_at` is in seconds since the epoch."""

    person: Person
    sid: str
    began_at: float


JANE = Person(
    subject="248289761001",
    claims={"name": "Jane Doe"},
    more_claims={"email": "jane@shop.example", "email_verified": True},
)
JOHN = Person(subject="248289761002", claims={"name": "John Roe"})
