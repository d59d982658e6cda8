"""People who are signed in to the app that Usher is part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .base import Identity


class HostProvider:
    """Asks the host app who is signed in, at every request.

    `identify` is the host's function: it returns the person's `Identity` or `None`. The
    provider's name replaces the one in that identity. When the host's own sign-in ends, so
    does ours, because nothing is kept.
    """

    def __init__(self, name: str, identify: Callable[[], Identity | None]) -> None:
        self.name = name
        self._identify = identify

    def identify(self, headers: Mapping[str, Sequence[str]]) -> Identity | None:
        """Return who is signed in to the host app."""
        identity = self._identify()
        return None if identity is None else replace(identity, provider=self.name)

    def current(self, identity: Identity) -> Identity | None:
        """Return who is signed in to the host app, if it is still this person."""
        now = self.identify({})
        return now if now is not None and now.subject == identity.subject else None
