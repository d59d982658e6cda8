"""Parts of an expression are run for somebody who has everything, which shows their types."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask_usher.providers.base import AccountFacts, Identity

from . import cel
from .expression_faults import faulty
from .syntax import comparisons
from .variables import Asker, Case, context_of

if TYPE_CHECKING:
    from cel import Context

_SAMPLE = Case(
    identity=Identity(
        provider="sample",
        subject="sample",
        signed_in_at=1_800_000_000.0,
        claims={
            **dict.fromkeys(("name", "given_name", "family_name", "nickname"), "Jane"),
            "preferred_username": "jane",
            "email": "jane@shop.example",
            "email_verified": True,
            "phone_number": "+33123456789",
            "phone_number_verified": True,
            "locale": "fr-FR",
            "zoneinfo": "Europe/Paris",
            "birthdate": "1990-01-31",
            "updated_at": 1_800_000_000,
            "address": {"country": "FR", "locality": "Paris", "postal_code": "75001"},
        },
        groups=("sample",),
        acr="sample",
        amr=("pwd",),
        account=AccountFacts(name="jane", created_at=1_700_000_000.0),
    ),
    now=1_800_003_600.0,
    request=Asker("192.0.2.1", "https://shop.example"),
)


def check_value(text: str, start: int, end: int, is_logical: bool) -> None:
    """Refuse what can't be computed, or is not logical where it must be."""
    part = text[start:end]
    try:
        value = cel.compile_program(part).execute(_sample())
    except KeyError:
        # It may be there for other people.
        return
    except TypeError:
        raise faulty(text, start, f"types that go together in {part!r}") from None
    except Exception:
        if "claims" in part:
            return
        raise faulty(text, start, f"something that can be computed, unlike {part!r}") from None
    if is_logical and not isinstance(value, bool):
        raise faulty(text, start, f"something true or false, unlike {part!r}")


def check_equality(text: str, start: int, end: int) -> None:
    """Refuse what can never be equal: CEL takes it for `false`, and the rule for a yes."""
    for operator in comparisons(text[start:end]):
        sides = (text[start : start + operator.start], text[start + operator.end : end])
        try:
            left, right = (cel.compile_program(it).execute(_sample()) for it in sides)
        except Exception:  # noqa: S112
            continue
        if not _comparable(left, right, operator.text == "in"):
            raise faulty(text, start, f"types that go together in {text[start:end]!r}")


def _comparable(left: object, right: object, is_membership: bool) -> bool:
    if is_membership:
        members = right if isinstance(right, list | dict) else ()
        return not members or any(_comparable(left, it, False) for it in members)
    return _kind(left) == _kind(right) or left is None or right is None


def _kind(value: object) -> type:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float if is_number else type(value)


@cache
def _sample() -> Context:
    return context_of(_SAMPLE, ZoneInfo("UTC"))
