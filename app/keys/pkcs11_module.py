"""PKCS#11 modules: the libraries of security modules, loaded into this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import KeyUnavailable
from .pkcs11_uri import Pkcs11Uri

if TYPE_CHECKING:
    from pkcs11 import PKCS11Error, Session
    from pkcs11._pkcs11 import lib

TURN_SECONDS = 2.0
RETRY_SECONDS = 1.0
REFUSALS = frozenset({"PinIncorrect", "PinLenRange", "PinLocked", "PinExpired"})


def is_refusal(error: PKCS11Error) -> bool:
    """Tell whether a token has refused the PIN."""
    return type(error).__name__ in REFUSALS


class Module:
    """One library. It is not told of threads, so that only who has the turn may call it.

    `generation` grows when all sessions and objects of before have become void. Where nothing
    else is said, methods raise `pkcs11.PKCS11Error`.
    """

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self._path = path
        self._library: lib | None = None
        self._sessions: dict[tuple[str, bytes], Session] = {}
        self._refusals: dict[tuple[str, bytes], type[PKCS11Error]] = {}
        self._lock = threading.Lock()
        self._is_stale = False
        self._failed_at = float("-inf")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one thread use the library.

        Raises `KeyUnavailable` when the turn does not come, as a call of another thread has no
        answer, and for a second after a failure.
        """
        if not self._lock.acquire(timeout=TURN_SECONDS):
            raise KeyUnavailable("the security module does not answer")
        try:
            if time.monotonic() < self._failed_at + RETRY_SECONDS:
                raise KeyUnavailable("the security module has just failed")
            yield
        finally:
            self._lock.release()

    def session(self, uri: Pkcs11Uri, pin: str) -> Session:
        """Return the session with a token: a login counts for the whole process.

        So does a refusal. Whoever tries a wrong PIN again and again locks the token for
        everybody.
        """
        from pkcs11 import PKCS11Error

        if self._is_stale:
            self.restart()
        serial = uri.serial.encode() if uri.serial else None
        token = self._loaded().get_token(token_label=uri.token, token_serial=serial)
        name = (token.label, token.serial)
        if name in self._refusals:
            raise self._refusals[name]
        if name not in self._sessions:
            try:
                self._sessions[name] = token.open(user_pin=pin)
            except PKCS11Error as error:
                if is_refusal(error):
                    self._refusals[name] = type(error)
                raise
        return self._sessions[name]

    def restart(self) -> None:
        """Make the library forget everything, and look for its tokens again."""
        from pkcs11 import PKCS11Error

        library = self._loaded()
        self.generation += 1
        self._sessions.clear()
        with suppress(PKCS11Error):
            library.finalize()
        library.initialize()
        self._is_stale = False

    def rest(self) -> None:
        """Refuse turns for a second: not every request has to find out that it is down."""
        self._failed_at = time.monotonic()

    def after_fork(self) -> None:
        """Start anew in a child process, as PKCS#11 demands."""
        self._lock = threading.Lock()
        if self._library is not None:
            self._is_stale = True
            self.generation += 1

    def _loaded(self) -> lib:
        import pkcs11

        # It is not initialized any more when it failed while it began anew.
        if self._library is None or not self._library.initialized:
            self._library = pkcs11.lib(str(self._path))
        return self._library


_modules: dict[Path, Module] = {}
_adding = threading.Lock()


def module_at(path: Path) -> Module:
    """Return the module of this path: the same one for all keys in its tokens."""
    with _adding:
        return _modules.setdefault(path, Module(path))


def _after_fork() -> None:
    global _adding
    _adding = threading.Lock()
    for module in _modules.values():
        module.after_fork()


os.register_at_fork(after_in_child=_after_fork)
