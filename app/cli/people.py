"""Finding a person again: by the account's name, or by what an audit line says."""

from __future__ import annotations

from collections.abc import Iterator

from flask_usher.providers.accounts import Account
from flask_usher.providers.base import Identity
from flask_usher.providers.local import LocalProvider

from ..audit.reader import Entry
from ..state import State


def of_account(provider: LocalProvider, account: Account, now: float) -> Identity | None:
    """Return who signs in with this account now, `None` when they may not come in."""
    return provider.current(_signed_in(provider, account, now))


def of_entry(state: State, entry: Entry) -> Identity | None:
    """Return whom an audit line is about, as they were when they signed in.

    The line holds a keyed hash, so everybody who is signed in and everybody with an account is
    tried. `None` when it is nobody of them.
    """
    for identity in _candidates(state, entry["provider"]):
        if state.audit.subject(identity.provider, identity.subject) == entry["subject"]:
            return identity
    return None


def _candidates(state: State, name: str) -> Iterator[Identity]:
    yield from state.sign_ins.people(name)
    provider = state.providers.get(name)
    if not isinstance(provider, LocalProvider):
        return
    after = ""
    while page := provider.accounts.page(after=after):
        for account in page:
            yield _signed_in(provider, account, state.clock())
        after = page[-1].name


def _signed_in(provider: LocalProvider, account: Account, now: float) -> Identity:
    return Identity(
        provider=provider.name, subject=account.id, signed_in_at=now, epoch=account.epoch
    )
