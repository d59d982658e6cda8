"""`usher keys status`: which keys there are, where, and which are in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from .. import workers
from ..key_rotation import Ceremony, KeyRecord, KeyState, Purpose
from ..key_rotation.records import records
from .context import (
    Failure,
    demand_tables,
    load_settings_without_policy,
    open_state,
    store_failures,
)
from .key_steps import ceremony_of
from .times import moment

NOT_STAGED = "not staged"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key on record or in the settings. Times are in seconds since the epoch.

    `source` is where this host has it, if it does; `workers` counts those seen lately, and
    `workers_without` names those among them that do not have it.
    """

    purpose: Purpose
    state: str
    fingerprint: str
    source: str | None
    staged_at: float | None
    confirmed_at: float | None
    switched_at: float | None
    retired_at: float | None
    age_seconds: float | None
    workers: int
    workers_without: tuple[str, ...]

    @property
    def is_missing(self) -> bool:
        """Tell whether tokens are refused somewhere, since the key in force is not there."""
        return self.state == KeyState.CURRENT and bool(not self.source or self.workers_without)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Tell which keys there are, and which are in force.

    Lists those that are staged, replaced and retired too, and which workers have them.

    Exits with 1 when a key in force is not on this host or not on every worker, else with 0.

    \b
    Example:
      usher keys status
    """
    state = open_state(context, load_settings_without_policy)
    with store_failures():
        demand_tables(state.database)
        alive = workers.seen(state.database)
        entries = [
            entry
            for purpose in Purpose
            for entry in _entries(ceremony_of(state, purpose), alive)
        ]
    if as_json:
        click.echo(json.dumps([asdict(it) for it in entries], indent=2))
    else:
        click.echo("\n".join(_lines(entries)))
    if any(it.is_missing for it in entries):
        raise Failure(
            "a key in force is missing somewhere, and no token is made there. List it in the "
            "settings and reload, or go back to the key before: usher keys rollback"
        )


def _entries(ceremony: Ceremony, alive: tuple[workers.Worker, ...]) -> Iterator[Entry]:
    with ceremony.database.reading() as connection:
        known = {it.fingerprint: it for it in records(connection, ceremony.purpose)}
    sources = {it.fingerprint: it.source for it in ceremony.listed}
    first = ceremony.listed[0].fingerprint
    order = [*KeyState, NOT_STAGED]
    states = {
        fingerprint: known[fingerprint].state.value
        if fingerprint in known
        else NOT_STAGED
        if known or fingerprint != first
        else KeyState.CURRENT.value
        for fingerprint in (*known, *sources)
    }
    now = ceremony.clock()
    for fingerprint in sorted(states, key=lambda it: order.index(states[it])):
        record = known.get(fingerprint)
        since = _since(record)
        yield Entry(
            ceremony.purpose,
            states[fingerprint],
            fingerprint,
            sources.get(fingerprint),
            record.staged_at if record else None,
            record.confirmed_at if record else None,
            record.switched_at if record else None,
            record.retired_at if record else None,
            None if since is None else now - since,
            len(alive),
            tuple(
                f"{it.host} (process {it.process})"
                for it in alive
                if fingerprint not in it.standing.keys
            ),
        )


def _since(record: KeyRecord | None) -> float | None:
    """Return when the key came to be in its state, as far as that is on record."""
    if record is None:
        return None
    if record.state is KeyState.NEXT:
        return record.confirmed_at or record.staged_at
    return record.retired_at or record.switched_at or record.staged_at


def _lines(entries: list[Entry]) -> Iterator[str]:
    purpose = None
    for entry in entries:
        if entry.purpose is not purpose:
            purpose = entry.purpose
            yield f"{purpose} key"
        yield f"  {entry.state:10}  {entry.fingerprint}"
        yield f"  {'':10}  {entry.source or 'not on this host'}{_dates(entry)}"
        if entry.workers:
            there = entry.workers - len(entry.workers_without)
            missing = f"; missing: {', '.join(entry.workers_without)}"
            told = f"on {there} of {entry.workers} workers"
            yield f"  {'':10}  {told}{missing if entry.workers_without else ''}"
        yield from (f"  {'':10}  {line}" for line in _advice(entry))


def _dates(entry: Entry) -> str:
    # One that was in force before there was any record has been staged by nobody.
    is_staged = entry.state == KeyState.NEXT or entry.confirmed_at is not None
    dates = {
        "staged" if is_staged else "on record since": entry.staged_at,
        "confirmed": entry.confirmed_at,
        "in force since"
        if entry.state == KeyState.CURRENT
        else "switched to": entry.switched_at,
        "retired": entry.retired_at,
    }
    return "".join(f"; {what} {moment(when)}" for what, when in dates.items() if when)


def _advice(entry: Entry) -> Iterator[str]:
    option = " --recipient" if entry.purpose is Purpose.RECIPIENT else ""
    if entry.state == NOT_STAGED:
        yield f"Next: usher keys stage{option}"
    elif entry.state == KeyState.NEXT and entry.confirmed_at is None:
        yield f"Next, once iAdvize has confirmed it: usher keys confirm{option} FINGERPRINT"
    elif entry.state == KeyState.NEXT:
        yield f"Next: usher keys switch{option}"
    elif entry.state == KeyState.PREVIOUS:
        yield f"To go back: usher keys rollback{option}"
        yield f"Once all is well: usher keys retire{option}"
    elif entry.state == KeyState.RETIRED and entry.source:
        yield f"Take it out of token.{entry.purpose}_key."
