"""JSON from strangers: only what has one meaning everywhere (RFC 8259, I-JSON RFC 7493)."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAXIMUM_DEPTH = 16
LARGEST_INTEGER = 2**53 - 1
_MOST_DIGITS = len(str(-LARGEST_INTEGER))


class NotStrictJson(ValueError):
    """The text is not a JSON object in the strict sense; the message says why, without it."""


def strict_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`.

    Raises `NotStrictJson` for what parsers disagree on or choke on: another encoding than
    UTF-8, duplicate members, NaN and infinities, integers beyond 2^53 - 1, lone surrogates,
    more than 16 levels, anything but an object at the top.
    """
    try:
        value = _decoder.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotStrictJson("not UTF-8") from error
    except RecursionError as error:
        raise NotStrictJson("nested too deeply") from error
    except NotStrictJson:
        raise
    except ValueError as error:
        raise NotStrictJson("not JSON") from error
    if not isinstance(value, dict):
        raise NotStrictJson("not an object")
    # Few brackets can't be deep, and without escapes UTF-8 holds no surrogates.
    if raw.count(b"{") + raw.count(b"[") >= MAXIMUM_DEPTH or b"\\" in raw:
        _check_levels(value)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("a member appears twice")
    return members


def _exact_integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS or not -LARGEST_INTEGER <= (number := int(digits)) <= (
        LARGEST_INTEGER
    ):
        raise NotStrictJson("an integer is out of range")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrictJson("a number is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is no JSON number")


def _check_levels(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAXIMUM_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not _encodable(item):
                raise NotStrictJson("a lone surrogate")
        if not below:
            return
        level = below
    raise NotStrictJson("nested too deeply")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_decoder = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_int=_exact_integer,
    parse_float=_finite,
    parse_constant=_no_constant,
)
