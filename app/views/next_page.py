"""Where a visitor may be sent after signing in: a plain path of this site, or the default.

The check is a list of what is allowed, not of tricks: browsers read backslashes, tabs, doubled
slashes and encoded forms of them in ways that a URL parser on this side does not.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

# It travels in a sealed cookie, beside the secrets of an attempt to sign in.
LONGEST = 1024
_SEGMENT = r"(?!\.{1,2}(?:/|\?|#|$))(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+"
# Browsers encode the others that can be seen (WHATWG URL, query percent-encode set).
_REST = r"[!#-;=?-~]"
_PATH = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?(?:\?{_REST}*)?(?:#{_REST}*)?")
# Encoded slashes, backslashes, dots, percent signs and control characters: some proxy or
# application behind this one may decode them once more.
_ENCODED_TRICK = re.compile(r"%(?:2[5eEfF]|5[cC]|[01][0-9A-Fa-f]|7[fF])")


def next_page(target: str | None, *, default: str, prefix: str) -> str:
    """Return `target` if it is a safe path of this site, else `default`.

    Paths below `prefix` are Usher's own and no place to land on, but for the sandbox's and the
    operator's page.
    """
    if not target or len(target) > LONGEST or "\\" in target or not _PATH.fullmatch(target):
        return default
    path = re.split(r"[?#]", target, maxsplit=1)[0]
    if _ENCODED_TRICK.search(path):
        return default
    try:
        decoded = unquote(path, errors="strict").lower()
    except UnicodeDecodeError:
        return default
    prefix = prefix.lower()
    if not f"{decoded}/".startswith(f"{prefix}/"):
        return target
    is_page = decoded == f"{prefix}/operator" or decoded.startswith(f"{prefix}/sandbox/")
    return target if is_page else default
