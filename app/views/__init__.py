"""HTTP: the only code that reads the request."""

from __future__ import annotations

from . import (
    classic_client,
    health,
    outcomes,
    redirects,
    session,
    sign_in,
    static_files,
    token,
)
from .blueprint import blueprint
from .problems import answer_errors

answer_errors(blueprint)

__all__ = [
    "blueprint",
    "classic_client",
    "health",
    "outcomes",
    "redirects",
    "session",
    "sign_in",
    "static_files",
    "token",
]
