"""Importing accounts in batches: good records go in, the faults of the others are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from flask_usher.providers.accounts import Accounts, NameTaken, NewAccount
from flask_usher.providers.password_strength import weakness
from flask_usher.providers.passwords import Passwords, available_cpus, prepare

from .fields import Draft, FieldFault
from .records import LineFault, Record

BATCH = 100


@dataclass(frozen=True, slots=True)
class _Candidate:
    line: int
    draft: Draft


class AccountImport:
    """One run. `imported`, `present` and `faults` grow while it goes on.

    A run that was interrupted is simply repeated: accounts that are there already are passed
    over, a batch at a time, before any password is hashed. `site` is what the site is called,
    which no password may be made of.
    """

    def __init__(self, accounts: Accounts, passwords: Passwords, site: str) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._site = site
        self._lines: dict[str, int] = {}
        self.imported = 0
        self.present = 0
        self.faults: list[LineFault] = []

    def run(
        self, records: Iterable[Record | LineFault], on_progress: Callable[[], None]
    ) -> None:
        """Import all records; `on_progress` is called after each of them."""
        batch: list[_Candidate] = []
        with ThreadPoolExecutor(available_cpus()) as pool:
            for record in records:
                candidate = self._candidate(record)
                if candidate is not None:
                    batch.append(candidate)
                if len(batch) == BATCH:
                    self._import(batch, pool)
                    batch = []
                on_progress()
            self._import(batch, pool)

    def _candidate(self, record: Record | LineFault) -> _Candidate | None:
        if isinstance(record, LineFault):
            self.faults.append(record)
            return None
        draft, messages = Draft(), []
        for field_name, value in record.values.items():
            try:
                draft.take(field_name, value)
            except FieldFault as fault:
                messages.append(str(fault))
        if "username" not in record.values:
            messages.append("username is missing")
        if len({"password", "password_hash"} & record.values.keys()) != 1:
            messages.append("either password or password_hash is needed, and only one")
        if draft.name:
            first = self._lines.setdefault(draft.name, record.line)
            if first != record.line:
                messages.append(f"the same username is on line {first}")
        self._add_faults(record.line, messages)
        return None if messages else _Candidate(record.line, draft)

    def _import(self, batch: Sequence[_Candidate], pool: Executor) -> None:
        present = self._accounts.existing([candidate.draft.name for candidate in batch])
        self.present += len(present)
        fresh = [
            candidate
            for candidate in batch
            if candidate.draft.name not in present and self._is_strong(candidate)
        ]
        hashes = pool.map(self._hash, [candidate.draft for candidate in fresh])
        self._add([c.draft.account(made) for c, made in zip(fresh, hashes, strict=True)])

    def _add(self, accounts: Sequence[NewAccount]) -> None:
        try:
            self._accounts.add_all(accounts)
            self.imported += len(accounts)
        except NameTaken:
            # Somebody else has just made one of them.
            for account in accounts:
                try:
                    self._accounts.add(account)
                    self.imported += 1
                except NameTaken:
                    self.present += 1

    def _is_strong(self, candidate: _Candidate) -> bool:
        draft = candidate.draft
        if draft.password_hash:
            return True
        reason = weakness(draft.password, about=(self._site, *draft.names()))
        if reason is not None:
            self._add_faults(candidate.line, [f"password: {reason}"])
        return reason is None

    def _hash(self, draft: Draft) -> str:
        return draft.password_hash or self._passwords.hash(prepare(draft.password))

    def _add_faults(self, line: int, messages: Iterable[str]) -> None:
        self.faults += [LineFault(line, message) for message in messages]
