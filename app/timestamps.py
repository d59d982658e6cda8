"""Times as text, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def timestamp(seconds: float, precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return seconds since the epoch as RFC 3339 has it: 2026-11-02T08:00:00Z.

    What is finer than the precision is cut off.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"
