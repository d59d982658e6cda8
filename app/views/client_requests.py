"""What requests of the browser client look like, so that no foreign page can send one."""

from __future__ import annotations

import re

from flask import Request
from werkzeug.exceptions import HTTPException

from ..errors import Code, Rejected
from .problems import refusal_of

CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{0,63}")
FETCH_MODES = frozenset({"cors", "same-origin"})


def body_of(request: Request, limit_bytes: int) -> bytes:
    """Return the body of a request that only a page of an allowed origin can send.

    Raises `Rejected`.
    """
    headers = request.headers
    # The header makes a browser ask first (CORS preflight) before it sends this from elsewhere.
    if not CLIENT.fullmatch(headers.get("X-Usher-Client", "")):
        raise Rejected(Code.CLIENT_HEADER_REQUIRED)
    if headers.get("Sec-Fetch-Mode", "cors") not in FETCH_MODES or "Sec-Purpose" in headers:
        raise Rejected(Code.CROSS_ORIGIN)
    # RFC 6750, section 2.3: addresses are written into logs.
    if "access_token" in request.args:
        raise Rejected(Code.MALFORMED_REQUEST)
    # RFC 9110, section 15.5.16: a compressed body is as unknown as another type.
    if request.mimetype != "application/json" or "Content-Encoding" in headers:
        raise Rejected(Code.UNSUPPORTED_MEDIA_TYPE)
    try:
        body = request.get_data(cache=False)
    except HTTPException as error:
        raise Rejected(Code(refusal_of(error).code)) from error
    if len(body) > limit_bytes:
        raise Rejected(Code.CONTENT_TOO_LARGE)
    return body
