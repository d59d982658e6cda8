"""What may be written about a person, in an import file or on the command line."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from flask_usher.providers.account_names import UnusableName, canonical_name
from flask_usher.providers.accounts import NewAccount
from flask_usher.providers.passwords import is_usable_hash

# OpenID Connect Core 1.0, section 5.1. Left out are sub, which is the account's id,
# preferred_username, which is its name, and updated_at.
NAMING_CLAIMS = ("name", "given_name", "family_name", "middle_name", "nickname", "email")
TEXT_CLAIMS = (
    *NAMING_CLAIMS,
    *("phone_number", "gender", "birthdate", "locale", "zoneinfo"),
    *("website", "profile", "picture"),
)
BOOLEAN_CLAIMS = ("email_verified", "phone_number_verified")
ADDRESS = "address"
ADDRESS_PARTS = tuple(
    f"{ADDRESS}.{part}"
    for part in (
        *("formatted", "street_address", "locality"),
        *("region", "postal_code", "country"),
    )
)
CLAIM_FIELDS = (*TEXT_CLAIMS, *BOOLEAN_CLAIMS, *ADDRESS_PARTS)
FIELDS = ("username", "password", "password_hash", "active", "groups", *CLAIM_FIELDS)
CUSTOM_PREFIX = "claim:"
GROUP_SEPARATOR = ";"

_NOT_CUSTOM = frozenset(
    (
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr"),
        *("azp", "sid", "updated_at", "preferred_username", ADDRESS, *CLAIM_FIELDS),
    )
)
_CUSTOM_NAME = re.compile(r"[!-~]{1,255}")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# RFC 8259, section 6: beyond this, readers do not agree on the number.
_MAX_INTEGER = 2**53 - 1
_LINE_BREAKS = frozenset("\r\n\t")


class FieldFault(ValueError):
    """What is written can't be taken; the message says why, without repeating it."""


@dataclass(slots=True)
class Draft:
    """An account that is being described, field by field."""

    name: str = ""
    password: str = field(default="", repr=False)
    password_hash: str = field(default="", repr=False)
    active: bool = True
    groups: tuple[str, ...] = ()
    claims: dict[str, object] = field(default_factory=dict)
    address: dict[str, str] = field(default_factory=dict)

    def take(self, field_name: str, value: object) -> None:
        """Take one of the `FIELDS`, or a claim of the operator's own. Raises `FieldFault`."""
        match field_name:
            case "username":
                self.name = _name(value)
            case "password":
                self.password = _text(field_name, value)
            case "password_hash":
                self.password_hash = _hash(value)
            case "active":
                self.active = _truth(field_name, value)
            case "groups":
                self.groups = _groups(value)
            case _:
                self._take_claim(field_name, value)

    def names(self) -> tuple[str, ...]:
        """Return what the person is called, which no password of theirs may be made of."""
        called = (self.claims.get(claim) for claim in NAMING_CLAIMS)
        return (self.name, *(name for name in called if isinstance(name, str)))

    def account(self, password_hash: str) -> NewAccount:
        """Return the account as it is to be added."""
        claims = self.claims | {ADDRESS: self.address} if self.address else self.claims
        return NewAccount(
            name=self.name,
            password_hash=password_hash,
            active=self.active,
            claims=claims,
            groups=self.groups,
        )

    def _take_claim(self, field_name: str, value: object) -> None:
        if field_name in TEXT_CLAIMS:
            self.claims[field_name] = _text(field_name, value)
        elif field_name in BOOLEAN_CLAIMS:
            self.claims[field_name] = _truth(field_name, value)
        elif field_name in ADDRESS_PARTS:
            self.address[field_name.removeprefix(f"{ADDRESS}.")] = _text(field_name, value)
        elif _is_custom(field_name):
            name = field_name.removeprefix(CUSTOM_PREFIX)
            self.claims[name] = _plain(field_name, value)
        else:
            raise FieldFault(f"unknown field {field_name[:60]!a}")


def is_field(name: str) -> bool:
    """Tell whether there is a field of this name."""
    return name in FIELDS or _is_custom(name)


def is_claim_field(name: str) -> bool:
    """Tell whether there is a field of this name that gives a claim."""
    return name in CLAIM_FIELDS or _is_custom(name)


def _is_custom(name: str) -> bool:
    # Claims that a standard defines must keep to it.
    claim = name.removeprefix(CUSTOM_PREFIX)
    is_free = claim != name and claim not in _NOT_CUSTOM
    return is_free and _CUSTOM_NAME.fullmatch(claim) is not None


def _name(value: object) -> str:
    try:
        return canonical_name(_text("username", value))
    except UnusableName as error:
        raise FieldFault(f"username is no name: {error}") from None


def _hash(value: object) -> str:
    if not isinstance(value, str) or not is_usable_hash(value):
        raise FieldFault("password_hash must be argon2id, as $argon2id$v=19$m=…,t=…,p=…$…$…")
    return value


def _groups(value: object) -> tuple[str, ...]:
    items = value.split(GROUP_SEPARATOR) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise FieldFault("groups must be a list of texts")
    groups = [_text("groups", item).strip() for item in items]
    if not all(groups):
        raise FieldFault("groups holds an empty name")
    return tuple(dict.fromkeys(groups))


def _text(field_name: str, value: object) -> str:
    if not isinstance(value, str):
        raise FieldFault(f"{field_name} must be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldFault(f"{field_name} is not UTF-8") from None
    if any(unicodedata.category(c) == "Cc" and c not in _LINE_BREAKS for c in value):
        raise FieldFault(f"{field_name} holds a control character")
    return value


def _truth(field_name: str, value: object) -> bool:
    found = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise FieldFault(f"{field_name} must be true or false")
    return found


def _plain(field_name: str, value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _MAX_INTEGER):
        return value
    if isinstance(value, str):
        return _text(field_name, value)
    raise FieldFault(f"{field_name} must be a text, a whole number below 2^53, true or false")
