"""Telling people where they stand with a limit, before they reach it."""

from __future__ import annotations

import math

from flask import Response

from ..limits import Standing


def tell_standing(response: Response, standing: Standing) -> None:
    """Add the headers of draft-ietf-httpapi-ratelimit-headers-10."""
    name, quota = standing.quota.name, standing.quota
    left, reset_after = standing.window
    seconds = standing.retry_after or math.ceil(reset_after)
    headers = response.headers
    headers["RateLimit-Policy"] = f'"{name}";q={quota.together};w={quota.seconds}'
    headers["RateLimit"] = f'"{name}";r={left};t={seconds}'
