"""What the fakes get and give over HTTP, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What came in. Header names are in lower case."""

    method: str
    path: str
    query: Parameters = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def form(self) -> Parameters:
        """The fields of a form body."""
        return parse_qs(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, given after `delay_seconds`."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Drip:
    """An answer without end: `chunk` again and again, with a pause before each."""

    chunk: bytes = b" "
    pause_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class HangUp:
    """No answer: the connection is closed."""


Answer = Reply | Drip | HangUp


def json_reply(members: object, status: int = 200) -> Reply:
    """Return an answer that holds JSON."""
    return Reply(status, json.dumps(members).encode())


def redirect(url: str) -> Reply:
    """Return an answer that sends the browser to `url`."""
    return Reply(303, headers=(("Location", url),))


def single(parameters: Parameters, name: str) -> str:
    """Return a parameter that was given once; the empty string stands for anything else."""
    values = parameters.get(name, ())
    return values[0] if len(values) == 1 else ""
