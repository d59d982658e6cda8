"""Connections to PostgreSQL that give up on a server that has stopped answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, ExceptionContext

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MILLISECONDS = 1500
ANSWER_SECONDS = 2.0
"""A little more than the server itself allows, so that it is the server that says so."""
RETRY_SECONDS = 1.0
AT_ONCE_SECONDS = 0.5
READ_ONLY = "25006"
CONNECT_ARGUMENTS = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    # A peer that vanished without a word is noticed while nobody waits for it.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 2,
}

Answer = TypeVar("Answer")


def connect_arguments(url: URL) -> dict[str, object]:
    """Return how to connect: with our limits, beside the server options that `url` has."""
    given = " ".join(url.normalized_query.get("options", ()))
    options = f"{given} -c statement_timeout={STATEMENT_TIMEOUT_MILLISECONDS}"
    return {**CONNECT_ARGUMENTS, "options": options.lstrip()}


class PatientConnection(psycopg.Connection[Any]):
    """A connection whose every wait for the server has an end.

    `statement_timeout` is kept by the server, which does not help when that is frozen or the
    network swallows what it says. After `patience` seconds the connection is closed.
    """

    patience = ANSWER_SECONDS
    gave_up: Callable[[], None]

    def wait(self, gen: Generator[Any, Any, Answer], *args: Any, **options: Any) -> Answer:
        """Run one of psycopg's operations."""
        return super().wait(self._in_time(gen), *args, **options)

    def _in_time(self, gen: Generator[Any, Any, Answer]) -> Generator[Any, Any, Answer]:
        end = time.monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= end:
                    gen.close()
                    self.pgconn.finish()
                    self.gave_up()
                    raise psycopg.OperationalError("the server does not answer")
                wanted = gen.send(ready)
        except StopIteration as result:
            answer: Answer = result.value
            return answer


class Postgresql:
    """What all connections of a process to one server have in common: a circuit breaker.

    When the server has let somebody wait in vain, the connections there are count as lost, and
    one thread a second may try to open a new one. Everybody else fails at once, so that
    a server that hangs does not hold up all threads, and visitors are told in time.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        """Connections of an earlier one are no good any more."""
        self._monotonic = monotonic
        self._retry_at: float | None = None
        self._lock = threading.Lock()

    def prepare(self, engine: Engine) -> None:
        """Make an engine open its connections here."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "handle_error", self._note_loss)

    def _connect(
        self, _dialect: object, _record: object, arguments: list[str], options: dict[str, Any]
    ) -> PatientConnection:
        self._demand_turn()
        started = self._monotonic()
        try:
            connection = PatientConnection.connect(*arguments, **options)
        except psycopg.OperationalError:
            # A server that refuses does so at once, and others may have a connection to it.
            if self._monotonic() - started >= AT_ONCE_SECONDS:
                self._give_up()
            raise
        connection.gave_up = self._give_up
        self._retry_at = None
        return connection

    def _demand_turn(self) -> None:
        if self._retry_at is None:
            return
        with self._lock:
            now = self._monotonic()
            if self._retry_at is not None and now < self._retry_at:
                raise psycopg.OperationalError("the server did not answer a moment ago")
            self._retry_at = now + RETRY_SECONDS

    def _give_up(self) -> None:
        with self._lock:
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self.generation += 1

    def _note_loss(self, context: ExceptionContext) -> None:
        # After a failover, the address may lead to the new primary by now.
        if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
            context.is_disconnect = True
        # What one thread has found, the others need not.
        if context.is_disconnect:
            with self._lock:
                self.generation += 1
