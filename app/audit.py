"""The audit log: one JSON line for each decision. Where it can't be written, nothing is issued.

A line names people by a keyed hash and tokens by their SHA-256; it never holds either.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask_usher.providers.base import Identity

from .errors import AuditUnavailable
from .keys import Secret
from .minter import Token

LONGEST_FIELD = 256


@dataclass(frozen=True, slots=True)
class Visit:
    """What the audit log says of a request: where it came from, and the id to ask about it."""

    support_id: str
    address: str
    site: str | None


class AuditLog:
    """Appends lines to a file, or to an open descriptor such as that of the standard output.

    Each line is one `write` on a descriptor opened for appending, so that the lines of several
    workers do not mix. A file that was moved away or removed is made again, so that it can be
    rotated without a word to the service. `clock` gives seconds since the epoch.
    """

    def __init__(self, file: Path | int, secret: Secret, clock: Callable[[], float]) -> None:
        self._file = file
        self._key = secret.derive("usher audit subject")
        self._clock = clock
        self._descriptor: int | None = None
        self._cut_short = False
        self._lock = threading.Lock()

    def write(
        self,
        event: str,
        code: str,
        visit: Visit,
        *,
        provider: str | None = None,
        identity: Identity | None = None,
        account: str | None = None,
        token: Token | None = None,
        reason: str | None = None,
        policy: str | None = None,
        rule: str | None = None,
        shadow: str | None = None,
        count: int | None = None,
    ) -> None:
        """Append one line. Raises `AuditUnavailable`.

        `provider` is for lines without an `identity`; `account` is the canonical name that
        somebody tried to sign in with. `policy` is the version of the policy that decided,
        `rule` the name of its rule that refused, `shadow` what the shadow policy would have
        answered: `issued` or a problem code.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        line: dict[str, object] = {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            "code": code,
            "support_id": visit.support_id,
            "address": visit.address[:LONGEST_FIELD],
        }
        if visit.site is not None:
            line["site"] = visit.site[:LONGEST_FIELD]
        if provider is not None:
            line["provider"] = provider[:LONGEST_FIELD]
        if identity is not None:
            line["provider"] = identity.provider
            line["subject"] = self.pseudonym(f"{identity.provider}:{identity.subject}")
        if account is not None:
            line["account"] = self.pseudonym(f"account:{account}")
        if token is not None:
            line["token_sha256"] = token.sha256
            if token.dropped:
                line["dropped"] = token.dropped
        if reason is not None:
            line["reason"] = reason[:LONGEST_FIELD]
        if policy is not None:
            line["policy"] = policy[:LONGEST_FIELD]
        if rule is not None:
            line["rule"] = rule[:LONGEST_FIELD]
        if shadow is not None:
            line["shadow"] = shadow
        if count is not None:
            line["count"] = count
        self._append(json.dumps(line).encode() + b"\n")

    def pseudonym(self, text: str) -> str:
        """Return the keyed hash that stands for a person or an account name in the log."""
        return hmac.digest(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hex()[
            :32
        ]

    def check(self) -> None:
        """Raise `AuditUnavailable` if lines could not be written now. Makes no file."""
        with self._available():
            if isinstance(self._file, int) or self._file.exists():
                self._opened()
            elif not os.access(self._file.parent, os.W_OK | os.X_OK):
                raise PermissionError(f"{self._file} can't be made")

    def _append(self, line: bytes) -> None:
        with self._available():
            # What is left of a line that was cut short must not spoil this one.
            text = b"\n" + line if self._cut_short else line
            if os.write(self._opened(), text) < len(text):
                self._cut_short = True
                raise OSError("short write")
            self._cut_short = False

    @contextmanager
    def _available(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except OSError as error:
                self._close()
                raise AuditUnavailable from error

    def _opened(self) -> int:
        if isinstance(self._file, int):
            return self._file
        descriptor = self._descriptor
        if descriptor is None or not _is_at(self._file, descriptor):
            self._close()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = self._descriptor = os.open(self._file, flags, 0o600)
        return descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False
