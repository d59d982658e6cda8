"""The audit log: one JSON line for each decision. Where it can't be written, nothing is issued.

A line names people by a keyed hash and tokens by their SHA-256; it never holds either.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypedDict, Unpack

from flask_usher.providers.base import Identity

from ..errors import AuditUnavailable
from ..keys import Secret
from ..minter import Token
from ..timestamps import timestamp
from .sinks import Sink

LONGEST_FIELD = 256
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """What the audit log says of a request: where it came from, and the id to ask about it.

    `request_id` is the one in the proxy's log.
    """

    support_id: str
    address: str
    site: str | None
    request_id: str | None = None


class Details(TypedDict, total=False):
    """What else is known of a decision. `None` stands for nothing."""

    provider: str | None
    """The provider's name, where there is no `identity`."""
    identity: Identity | None
    """The person."""
    account: str | None
    """The canonical name that somebody tried to sign in with."""
    token: Token | None
    """What was issued."""
    key: str | None
    """The fingerprint of the key that the operator did something with."""
    reason: str | None
    """Why, in words for the operator."""
    policy: str | None
    """The version of the policy that decided."""
    rule: str | None
    """The name of the rule that refused."""
    shadow: str | None
    """What the shadow policy would have answered: `issued` or a problem code."""
    count: int | None
    """How many sign-ins were ended."""


class Observer(Protocol):
    """Who learns of each decision once its line is written. It never raises."""

    def __call__(self, event: str, code: str, visit: Visit, details: Details) -> None:
        """Take note of a decision."""


class AuditLog:
    """Makes the lines and puts them into a sink.

    `clock` gives seconds since the epoch. A line that the sink does not take is counted; the
    count is the first line that it takes again. With `best_effort` that is all, else nothing
    is decided without its line. `observers` learn of each decision afterwards, and `lost` is
    called for each line that the sink did not take.
    """

    def __init__(
        self,
        sink: Sink,
        secret: Secret,
        clock: Callable[[], float],
        *,
        best_effort: bool = False,
        observers: tuple[Observer, ...] = (),
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.best_effort = best_effort
        self._sink = sink
        self._key = secret.derive("usher audit subject")
        self._clock = clock
        self._observers = observers
        self._lost = 0
        self._tell_lost = lost
        self._lock = threading.Lock()

    def write(self, event: str, code: str, visit: Visit, **details: Unpack[Details]) -> None:
        """Write one line. Raises `AuditUnavailable`, but not with `best_effort`."""
        line = self._line(event, code, visit, details)
        try:
            self._tell_losses()
            self._sink.write(line)
        except OSError as error:
            self._count_loss(error)
            if not self.best_effort:
                raise AuditUnavailable from error
        for observer in self._observers:
            observer(event, code, visit, details)

    def pseudonym(self, text: str) -> str:
        """Return the keyed hash that stands for a person or an account name in the log."""
        return hmac.digest(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hex()[
            :32
        ]

    def subject(self, provider: str, subject: str) -> str:
        """Return the keyed hash that stands for a person in the log."""
        return self.pseudonym(f"{provider}:{subject}")

    def account(self, name: str) -> str:
        """Return the keyed hash that stands for an account's canonical name in the log."""
        return self.pseudonym(f"account:{name}")

    def check(self) -> None:
        """Raise `AuditUnavailable` if lines could not be written now, `best_effort` or not.

        When the last line failed, this tries again. Else it writes nothing.
        """
        try:
            self._tell_losses()
            self._sink.check()
        except OSError as error:
            raise AuditUnavailable from error

    def _line(self, event: str, code: str, visit: Visit, details: Details) -> bytes:
        line: dict[str, object] = {
            "time": self._time(),
            "event": event,
            "code": code,
            "support_id": visit.support_id,
            "address": visit.address[:LONGEST_FIELD],
        }
        if visit.request_id is not None:
            line["request_id"] = visit.request_id
        if visit.site is not None:
            line["site"] = visit.site[:LONGEST_FIELD]
        identity = details.get("identity")
        account = details.get("account")
        token = details.get("token")
        _add_text(line, "provider", identity.provider if identity else details.get("provider"))
        if identity is not None:
            line["subject"] = self.subject(identity.provider, identity.subject)
        if account is not None:
            line["account"] = self.account(account)
        if token is not None:
            line["token_sha256"] = token.sha256
            line["key"] = token.key
            if token.dropped:
                line["dropped"] = token.dropped
        _add_text(line, "key", details.get("key"))
        _add_text(line, "reason", details.get("reason"))
        _add_text(line, "policy", details.get("policy"))
        _add_text(line, "rule", details.get("rule"))
        _add_text(line, "shadow", details.get("shadow"))
        if details.get("count") is not None:
            line["count"] = details["count"]
        return _encoded(line)

    def _time(self) -> str:
        return timestamp(self._clock(), "milliseconds")

    def _count_loss(self, error: OSError) -> None:
        self._tell_lost()
        with self._lock:
            self._lost += 1
            is_first = self._lost == 1
        if is_first:
            logger.error("the audit log can't be written: %s", error.strerror)

    def _tell_losses(self) -> None:
        if not self._lost:
            return
        with self._lock:
            count, self._lost = self._lost, 0
        try:
            notice = {"time": self._time(), "event": "audit", "code": "lines-lost"}
            self._sink.write(_encoded(notice | {"count": count}))
        except OSError:
            with self._lock:
                self._lost += count
            raise
        logger.warning("the audit log can be written again; %d lines were lost", count)


def _add_text(line: dict[str, object], field: str, text: str | None) -> None:
    if text is not None:
        line[field] = text[:LONGEST_FIELD]


def _encoded(line: dict[str, object]) -> bytes:
    return json.dumps(line).encode() + b"\n"
