"""The record of each sign-in: create, find, end.

The visitor's cookie holds 256 random bits and nothing else; the table holds their keyed hash.
Ending a sign-in deletes its row, which counts at once on every worker and host.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

import sqlalchemy as sa

from flask_usher.providers.base import Completion, Identity, LogoutNotice, SignInFailed

from ..database import Database, wait_for_turn
from ..errors import Code, Rejected, StoreUnavailable
from ..keys import Secret
from . import logouts
from .records import identity_to_json, read, table
from .replays import first_use

logger = logging.getLogger(__name__)

_records = sa.select(
    table.c.provider,
    table.c.subject,
    table.c.identity,
    table.c.signed_in_at,
    table.c.last_seen_at,
    table.c.expires_at,
)
_find = _records.where(table.c.id == sa.bindparam("id"))

COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
SEEN_INTERVAL_SECONDS = 60
RETRY_SECONDS = 5
# Hosts may disagree by this much; a clock that jumps back further ends the sign-in.
CLOCK_TOLERANCE_SECONDS = 60
PURGED_AT_ONCE = 100
ATTEMPT_SECONDS = 3600
# More than the clock differences that those allow who verify a logout token's `exp`.
ACCEPTED_LATE_SECONDS = 600


class Absence(Enum):
    """Why there is no sign-in."""

    NONE = Code.NO_SESSION
    EXPIRED = Code.SESSION_EXPIRED

    @property
    def code(self) -> Code:
        """The problem's code."""
        return self.value


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that is good now. `expires_at` is in seconds since the epoch."""

    id: str
    identity: Identity
    expires_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A sign-in that was ended, with what its provider wants to be reminded of."""

    provider: str
    subject: str
    id_token: str | None = field(repr=False)


class SignIns:
    """The table of sign-ins. All methods raise `StoreUnavailable`."""

    def __init__(
        self,
        database: Database,
        secret: Secret,
        clock: Callable[[], float],
        *,
        idle_seconds: int,
        absolute_seconds: int,
        per_person: int,
        end_oldest_when_full: bool,
    ) -> None:
        self._database = database
        self._key = secret.derive("usher sign-in cookie")
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._absolute_seconds = absolute_seconds
        self._per_person = per_person
        self._end_oldest_when_full = end_oldest_when_full
        self._note_again_at = 0.0

    def create(
        self,
        completion: Completion,
        *,
        replacing: str | None = None,
        begun_at: float | None = None,
    ) -> str:
        """Record that this person has signed in, and return the value for the cookie.

        The sign-in of the cookie `replacing` ends, whoever it belongs to. `begun_at` is when
        the attempt began, where the provider may have ended it since: that raises
        `SignInFailed`. Raises `Rejected` when the person has too many sign-ins and none may be
        ended.
        """
        identity = completion.identity
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        with self._database.writing() as connection:
            if begun_at is not None and logouts.has_ended(connection, completion, begun_at):
                raise SignInFailed("ended-meanwhile")
            wait_for_turn(connection, f"sign-ins of {identity.provider}:{identity.subject}")
            self._purge(connection, now)
            if replacing is not None:
                connection.execute(table.delete().where(table.c.id == self._id(replacing)))
            self._make_room(connection, identity, now)
            connection.execute(
                table.insert().values(
                    id=self._id(cookie),
                    provider=identity.provider,
                    subject=identity.subject,
                    identity=identity_to_json(identity),
                    signed_in_at=now,
                    last_seen_at=now,
                    expires_at=now + self._absolute_seconds,
                    sid=completion.sid,
                    id_token=completion.id_token,
                )
            )
        return cookie

    def use_attempt(self, state: str) -> bool:
        """Tell whether the attempt of this `state` is finished for the first time."""
        now = self._clock()
        with self._database.writing() as connection:
            return first_use(
                connection, "attempt", state, now=now, expires_at=now + ATTEMPT_SECONDS
            )

    def end_by(self, provider: str, notice: LogoutNotice) -> int | None:
        """End what a provider's logout notice names; return how many sign-ins that were.

        `None` means that this very notice has come before: nothing is done.
        """
        now = self._clock()
        with self._database.writing() as connection:
            if not first_use(
                connection,
                f"logout {provider}",
                notice.token_id,
                now=now,
                expires_at=max(now, notice.expires_at) + ACCEPTED_LATE_SECONDS,
            ):
                return None
            logouts.remember(connection, provider, notice, now)
            which = sa.and_(table.c.provider == provider, _named_by(notice))
            return connection.execute(table.delete().where(which)).rowcount

    def find(self, cookie: str | None) -> SignIn | Absence:
        """Return the sign-in of this cookie, if it is good now.

        One indexed read; at most once a minute a write that notes the visit.
        """
        if cookie is None or not COOKIE_VALUE.fullmatch(cookie):
            return Absence.NONE
        sign_in_id = self._id(cookie)
        row = self._database.first(_find, {"id": sign_in_id})
        if row is None:
            return Absence.NONE
        try:
            identity, signed_in_at, last_seen_at, expires_at = read(tuple(row))
        except (ValueError, TypeError, RecursionError):
            logger.exception("a sign-in record is damaged and is dropped")
            self._end(table.c.id == sign_in_id)
            return Absence.NONE
        now = self._clock()
        idle_until = last_seen_at + self._idle_seconds
        if now >= min(idle_until, expires_at, signed_in_at + self._absolute_seconds):
            return Absence.EXPIRED
        if now < max(signed_in_at, last_seen_at) - CLOCK_TOLERANCE_SECONDS:
            return Absence.EXPIRED
        if now - last_seen_at >= SEEN_INTERVAL_SECONDS:
            self._note_visit(sign_in_id, now)
        return SignIn(sign_in_id, identity, min(now + self._idle_seconds, expires_at))

    def end(self, cookie: str | None) -> Ended | None:
        """End the sign-in of this cookie, if there is one, and say what it was."""
        if cookie is None or not COOKIE_VALUE.fullmatch(cookie):
            return None
        which = table.c.id == self._id(cookie)
        with self._database.writing() as connection:
            row = connection.execute(
                sa.select(table.c.provider, table.c.subject, table.c.id_token).where(which)
            ).first()
            connection.execute(table.delete().where(which))
        return None if row is None else Ended(*tuple(row))

    def end_all_of(self, provider: str, subject: str) -> int:
        """End every sign-in of one person; return how many there were."""
        return self._end(sa.and_(table.c.provider == provider, table.c.subject == subject))

    def end_all(self) -> int:
        """End every sign-in there is; return how many there were."""
        return self._end(sa.true())

    def people(self, provider: str) -> Iterator[Identity]:
        """Give everybody who is signed in with a provider, as they were when they signed in."""
        statement = _records.where(table.c.provider == provider)
        with self._database.reading() as connection:
            for row in connection.execute(statement):
                with suppress(ValueError, TypeError, RecursionError):
                    yield read(tuple(row))[0]

    def _id(self, cookie: str) -> str:
        return hmac.digest(self._key, cookie.encode(), hashlib.sha256).hex()

    def _end(self, which: sa.ColumnElement[bool]) -> int:
        with self._database.writing() as connection:
            return connection.execute(table.delete().where(which)).rowcount

    def _note_visit(self, sign_in_id: str, now: float) -> None:
        # A database that can't write now must not keep visitors out that it can still read,
        # nor make each of them wait until it says so.
        if 0 < self._note_again_at - now <= RETRY_SECONDS:
            return
        try:
            with self._database.noting() as connection:
                connection.execute(
                    table.update()
                    .where(table.c.id == sign_in_id, table.c.last_seen_at < now)
                    .values(last_seen_at=now)
                )
        except StoreUnavailable:
            self._note_again_at = now + RETRY_SECONDS
            logger.warning("a visit could not be noted; the sign-in will expire earlier")

    def _purge(self, connection: sa.Connection, now: float) -> None:
        # Rows stay for a day, so that a late visitor is told "expired" and not "unknown".
        lapsed = (
            sa.select(table.c.id)
            .where(table.c.expires_at < now - 24 * 3600)
            .limit(PURGED_AT_ONCE)
            # Another transaction may be at these; PostgreSQL would make us wait for it.
            .with_for_update(skip_locked=True)
        )
        connection.execute(table.delete().where(table.c.id.in_(lapsed)))

    def _make_room(self, connection: sa.Connection, identity: Identity, now: float) -> None:
        surplus = connection.scalars(
            sa.select(table.c.id)
            .where(
                table.c.provider == identity.provider,
                table.c.subject == identity.subject,
                table.c.last_seen_at > now - self._idle_seconds,
                table.c.expires_at > now,
            )
            .order_by(table.c.last_seen_at.desc())
            .offset(self._per_person - 1)
        ).all()
        if surplus and not self._end_oldest_when_full:
            raise Rejected(Code.SESSION_LIMIT)
        if surplus:
            connection.execute(table.delete().where(table.c.id.in_(surplus)))


def _named_by(notice: LogoutNotice) -> sa.ColumnElement[bool]:
    whose = table.c.subject == notice.subject
    if notice.sid is None:
        return whose
    # A sign-in whose session has no name may be the one that is meant.
    return sa.or_(table.c.sid == notice.sid, sa.and_(whose, table.c.sid.is_(None)))
