"""The tables: counters by the minute, the last failures, and what has been reported."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

LONGEST_LABEL = 200
MINUTE, HOUR, DAY = 60, 3600, 86400
ALL_BEFORE = 0
"""The `start` of what is too old to be told apart, so that totals never fall."""


class Event(StrEnum):
    """What is counted, and what its label says."""

    GRANTED = "granted"
    """A token was issued; no label."""
    REFUSED = "refused"
    """None was issued: the problem code."""
    ACTIVATED = "activated"
    """A page reports that the chat is active: `secured` or `anonymous`."""
    FAILED = "failed"
    """A page reports that iAdvize said no: the reason."""
    REFUSAL_SEEN = "refusal-seen"
    """A page reports that it was refused: the problem code."""
    ERROR = "error"
    """A page reports that it could not ask, or understood no answer: the code."""
    TOKEN_MS = "token-ms"  # noqa: S105
    """How long the page waited for the answer: the upper end of a class."""
    ACTIVATED_MS = "activated-ms"
    """From the page's start to the active chat: the upper end of a class."""
    TOKEN_LIFE = "token-life-s"  # noqa: S105
    """What was left of a token's life when it arrived: the upper end of a class."""


class Meter(StrEnum):
    """What Prometheus alone asks about, kept as one sum, and what its label says.

    Of what is measured, the label ends with the upper end of a class, or with `sum`.
    """

    # That of enumerations is slow, and these are counted on the way of each token.
    __hash__ = str.__hash__

    REQUEST = "request"
    """A request was answered: the route, and the class of the status."""
    REQUEST_US = "request-us"
    """How long that took, in the service: the route."""
    STAGE_US = "stage-us"
    """How long a stage of a decision took: its name."""
    CALL_US = "call-us"
    """How long something took on which the service depends: its name."""
    CALL_FAILED = "call-failed"
    """It did not answer: its name."""
    SIGNED_IN = "signed-in"
    """Somebody signed in: the provider."""
    NOT_SIGNED_IN = "not-signed-in"
    """Somebody did not: the provider, and the problem code."""
    COUNTED_ALONE = "counted-alone"
    """A limit was counted in one process, as Redis did not answer."""
    LINE_LOST = "line-lost"
    """An audit line could not be written."""
    POLICY_FAULTY = "policy-faulty"
    """A changed policy had faults, and the one before it stays in force."""


class Key(NamedTuple):
    """One counter. `start` is in seconds since the epoch."""

    start: int
    event: Event | Meter
    label: str


class Failure(NamedTuple):
    """An activation that came to nothing, as its page reports it."""

    support_id: str
    time: float
    event: Event
    label: str
    mode: str


metadata = sa.MetaData()
counts = sa.Table(
    "usher_outcomes",
    metadata,
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event", sa.String(16), primary_key=True),
    sa.Column("label", sa.String(LONGEST_LABEL), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
failures = sa.Table(
    "usher_outcome_failures",
    metadata,
    sa.Column("support_id", sa.String(11), primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("label", sa.String(LONGEST_LABEL), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Index("usher_outcome_failures_time", "time"),
)
reports = sa.Table(
    "usher_outcome_reports",
    metadata,
    sa.Column("support_id", sa.String(11), primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Index("usher_outcome_reports_time", "time"),
)
"""What has been reported, for as long as it could be reported again."""
