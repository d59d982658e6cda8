"""The ceremony that replaces a key: stage, confirm, switch, and back again or for good.

    (none) -stage-> next -confirm-> next -switch-> current -switch-> previous -retire-> retired
                                        <-------- rollback --------

The steps of one purpose happen one after the other, whichever hosts they are taken on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from .. import workers
from ..database import Database, wait_for_turn
from ..keys import AnyKey, canonical_fingerprint, public_pem
from .records import KeyRecord, KeyState, Purpose, records, table

ByState = Mapping[KeyState, KeyRecord]


class StepRefused(Exception):
    """The step can't be taken now: `problem` says why, `remedy` what to do next."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The steps for the keys of one purpose. All raise `StepRefused` and `StoreUnavailable`.

    `listed` are the keys that the settings of this host name, the first one first; `clock`
    gives seconds since the epoch.
    """

    database: Database
    clock: Callable[[], float]
    purpose: Purpose
    listed: tuple[AnyKey, ...]

    def stage(self, name: str | None) -> AnyKey:
        """Make a listed key, by its source or fingerprint, the next one; return it.

        Without a name it is the only one that is not on record. What was in force until now is
        put on record with it: the first key here, which must be what all workers use.
        """
        with self._step() as (connection, known):
            by_state = _by_state(known)
            for state, step in ((KeyState.NEXT, "switch"), (KeyState.PREVIOUS, "retire")):
                if state in by_state:
                    raise StepRefused(
                        f"{by_state[state].fingerprint} is the {state} key still",
                        f"End that first: {self.command(step)}, or "
                        f"{self.command('retire')} {by_state[state].fingerprint}",
                    )
            if not known:
                self._demand_in_use(self.listed[0].fingerprint)
                self._add(connection, self.listed[0], KeyState.CURRENT)
            taken = {it.fingerprint for it in known} or {self.listed[0].fingerprint}
            key = self._to_stage(name, taken)
            self._add(connection, key, KeyState.NEXT)
        return key

    def confirm(self, fingerprint: str) -> KeyRecord:
        """Note that iAdvize has confirmed the next key, by its whole fingerprint."""
        with self._step() as (connection, known):
            key = self._of(known, KeyState.NEXT)
            if canonical_fingerprint(fingerprint) != key.fingerprint:
                raise StepRefused(
                    "that is not the fingerprint of the next key",
                    f"Compare what iAdvize has with: {self.command('status', plain=True)}",
                )
            if key.confirmed_at is not None:
                raise StepRefused("it is confirmed already", f"Next: {self.command('switch')}")
            self._change(connection, key, confirmed_at=self.clock())
        return key

    def switch(self) -> KeyRecord:
        """Put the next key into force. It must be confirmed, and all workers must have it."""
        with self._step() as (connection, known):
            key = self._of(known, KeyState.NEXT)
            if key.confirmed_at is None:
                raise StepRefused(
                    f"iAdvize has not confirmed {key.fingerprint}",
                    f"Once it has: {self.command('confirm')} FINGERPRINT",
                )
            self._demand_everywhere(key.fingerprint)
            before = self._of(known, KeyState.CURRENT)
            self._change(connection, before, state=KeyState.PREVIOUS)
            self._change(connection, key, state=KeyState.CURRENT, switched_at=self.clock())
        return key

    def rollback(self) -> KeyRecord:
        """Put the previous key into force again; the one in force becomes the next."""
        with self._step() as (connection, known):
            key = self._of(known, KeyState.PREVIOUS)
            self._demand_everywhere(key.fingerprint)
            current = self._of(known, KeyState.CURRENT)
            self._change(connection, current, state=KeyState.NEXT)
            self._change(connection, key, state=KeyState.CURRENT, switched_at=self.clock())
        return key

    def to_retire(self, fingerprint: str | None) -> KeyRecord:
        """Return what `retire` would retire, and change nothing."""
        with self.database.reading() as connection:
            return self._to_retire(records(connection, self.purpose), fingerprint)

    def retire(self, fingerprint: str | None) -> KeyRecord:
        """End the use of the previous key for good, or of the next one, by its fingerprint."""
        with self._step() as (connection, known):
            key = self._to_retire(known, fingerprint)
            self._change(connection, key, state=KeyState.RETIRED, retired_at=self.clock())
        return key

    def command(self, step: str, *, plain: bool = False) -> str:
        """Return the command line of a step."""
        option = " --recipient" if self.purpose is Purpose.RECIPIENT and not plain else ""
        return f"usher keys {step}{option}"

    @contextmanager
    def _step(self) -> Iterator[tuple[sa.Connection, tuple[KeyRecord, ...]]]:
        with self.database.writing() as connection:
            wait_for_turn(connection, "keys")
            yield connection, records(connection, self.purpose)

    def _to_stage(self, name: str | None, taken: set[str]) -> AnyKey:
        setting = f"token.{self.purpose}_key"
        if name is not None:
            found = [it for it in self.listed if name in (it.source, it.fingerprint)]
            if not found:
                sources = ", ".join(it.source for it in self.listed)
                raise StepRefused(f"{setting} does not list that key", f"It lists: {sources}")
            if found[0].fingerprint in taken:
                raise StepRefused(
                    f"{found[0].fingerprint} is on record already, and no key is used twice",
                    f"See: {self.command('status', plain=True)}",
                )
            return found[0]
        new = [it for it in self.listed if it.fingerprint not in taken]
        if not new:
            raise StepRefused(
                f"{setting} lists no key that is not on record",
                "Add the new key to it on every host, as the last of a list, and reload them",
            )
        if len(new) > 1:
            sources = ", ".join(it.source for it in new)
            raise StepRefused("there are several new keys", f"Name one of them: {sources}")
        return new[0]

    def _to_retire(self, known: tuple[KeyRecord, ...], fingerprint: str | None) -> KeyRecord:
        if fingerprint is None:
            return self._of(known, KeyState.PREVIOUS)
        for key in known:
            if key.fingerprint == fingerprint and key.state in (
                KeyState.NEXT,
                KeyState.PREVIOUS,
            ):
                return key
        raise StepRefused(
            "that is neither the previous key nor the next one",
            f"See: {self.command('status', plain=True)}",
        )

    def _of(self, known: tuple[KeyRecord, ...], state: KeyState) -> KeyRecord:
        by_state = _by_state(known)
        if state not in by_state:
            if state is KeyState.PREVIOUS:
                raise StepRefused(
                    "there is no previous key",
                    f"See: {self.command('status', plain=True)}",
                )
            raise StepRefused(f"there is no {state} key", f"First: {self.command('stage')}")
        return by_state[state]

    def _demand_everywhere(self, fingerprint: str) -> None:
        remedy = (
            f"List it in token.{self.purpose}_key there and reload. "
            f"Workers that have ended are forgotten after {workers.ALIVE_SECONDS} seconds"
        )
        if fingerprint not in {it.fingerprint for it in self.listed}:
            raise StepRefused(f"this host does not have {fingerprint}", remedy)
        without = [
            f"{it.host} (process {it.process})"
            for it in workers.seen(self.database)
            if fingerprint not in it.standing.keys
        ]
        if without:
            problem = f"these workers do not have {fingerprint}: {', '.join(without)}"
            raise StepRefused(problem, remedy)

    def _demand_in_use(self, fingerprint: str) -> None:
        if self.purpose is Purpose.RECIPIENT:
            self._demand_everywhere(fingerprint)
            return
        others = [
            f"{it.host} (process {it.process})"
            for it in workers.seen(self.database)
            if it.standing.signing_key != fingerprint
        ]
        if others:
            raise StepRefused(
                f"these workers sign with another key than {fingerprint}: {', '.join(others)}",
                "List the key that iAdvize has now first in token.signing_key, here and there, "
                "and reload",
            )

    def _add(self, connection: sa.Connection, key: AnyKey, state: KeyState) -> None:
        values = {
            "purpose": self.purpose.value,
            "fingerprint": key.fingerprint,
            "public_key": public_pem(key.public_key),
            "state": state.value,
            "staged_at": self.clock(),
        }
        connection.execute(table.insert().values(values))

    def _change(self, connection: sa.Connection, key: KeyRecord, **values: object) -> None:
        this = (table.c.purpose == self.purpose.value) & (
            table.c.fingerprint == key.fingerprint
        )
        connection.execute(table.update().where(this).values(values))


def _by_state(known: tuple[KeyRecord, ...]) -> ByState:
    return {it.state: it for it in known if it.state is not KeyState.RETIRED}
