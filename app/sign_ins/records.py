"""The table of sign-ins, and the identity in each of its rows."""

from __future__ import annotations

import json
import math
from dataclasses import astuple, replace
from typing import Any

import sqlalchemy as sa

from flask_usher.providers.base import Identity

metadata = sa.MetaData()
table = sa.Table(
    "usher_sign_ins",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("provider", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("signed_in_at", sa.Double, nullable=False),
    sa.Column("last_seen_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("sid", sa.String(255)),
    sa.Column("id_token", sa.Text),
    sa.Index("usher_sign_ins_sid", "provider", "sid"),
    sa.Index("usher_sign_ins_person", "provider", "subject"),
    sa.Index("usher_sign_ins_expires_at", "expires_at"),
)
RECORD_VERSION = 1
# The version of the record, then the members of `Identity` that have no column of their own;
# what the table of accounts knows is read there each time.
_TYPES = (int, int | float, dict, list, str | None, list, int)


def identity_to_json(identity: Identity) -> str:
    """Return what the column `identity` holds."""
    _, _, *members, _ = astuple(replace(identity, account=None))
    return json.dumps([RECORD_VERSION, *members])


def read(row: tuple[Any, ...]) -> tuple[Identity, float, float, float]:
    """Return the identity in a row, and when it was begun, last seen, and ends.

    `row` has the columns from `provider` to `expires_at`. Raises `ValueError`, `TypeError` or
    `RecursionError` when it is damaged.
    """
    provider, subject, encoded, *times = row
    members = json.loads(encoded)
    if not all(isinstance(it, kind) for it, kind in zip(members, _TYPES, strict=True)):
        raise TypeError("members of other types")
    version, signed_in_at, claims, groups, acr, amr, epoch = members
    if version != RECORD_VERSION or not all(isinstance(it, str) for it in (*groups, *amr)):
        raise ValueError("another version, or lists of something else")
    if not all(isinstance(time, float) and math.isfinite(time) for time in times):
        raise ValueError("times that are none")
    identity = Identity(
        provider=provider,
        subject=subject,
        signed_in_at=signed_in_at,
        claims=claims,
        groups=tuple(groups),
        acr=acr,
        amr=tuple(amr),
        epoch=epoch,
    )
    begun_at, last_seen_at, expires_at = times
    return identity, begun_at, last_seen_at, expires_at
