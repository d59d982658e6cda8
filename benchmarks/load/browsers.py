"""Sends what the schedule says when it says so, and notes how long each answer took."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from faults.deployment import Deployment
from faults.page_views import Client
from faults.people import Person
from support.nginx_files import HOST

from .schedule import Event, Kind

PASSWORD = "violet-otter-41-harbour"
FORM_TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')
COOKIE = re.compile(rb"\r\nset-cookie: ([^;]+)", re.I)


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. `due` and `seconds` count from when it should have been asked for."""

    what: str
    due: float
    late: float
    """How much later than that it was sent: the fault of this client."""
    seconds: float
    is_good: bool


class Browsers(threading.Thread):
    """Those of all the visitors, in a thread; `seen` grows while it runs."""

    def __init__(self, deployment: Deployment, events: Sequence[Event]) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self._client = Client(deployment.port, deployment.certificate)
        self._people = deployment.people
        self._events = events

    def run(self) -> None:
        """Send everything and wait for the answers."""
        # To go through all that is there now, again and again, would hold up every visitor.
        gc.collect()
        gc.freeze()
        asyncio.run(self._all())

    async def _all(self) -> None:
        self._start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for event in self._events:
                await asyncio.sleep(max(0.0, self._start + event.at - time.monotonic()))
                tasks.create_task(self._do(event))
        self._client.close()

    async def _do(self, event: Event) -> None:
        person = self._people[event.person]
        if event.kind is Kind.SIGN_IN:
            await self._sign_in(event, person)
            return
        due, sent = self._start + event.at, time.monotonic()
        asked = await self._client.token(person, due)
        self._note("token", due, sent, bool(asked.token))
        if event.kind is Kind.PAGE and asked.support_id:
            await self._report(person, asked.support_id)

    async def _report(self, person: Person, support_id: str) -> None:
        sent = time.monotonic()
        report = {
            "v": 1,
            "support_id": support_id,
            "mode": "secured",
            "status": "activated",
            "timings": {"token_ms": 50, "activated_ms": 500},
            "token_remaining_s": 59,
        }
        body = json.dumps(report).encode()
        status, _ = await self._client.post(person, b"/usher/outcomes", body)
        self._note("report", sent, sent, status == 202)

    async def _sign_in(self, event: Event, person: Person) -> None:
        due, sent = self._start + event.at, time.monotonic()
        page = await self._client.send(person.address, _request(b"GET", b""))
        form_token, cookie = FORM_TOKEN.search(page.body), COOKIE.search(page.head)
        self._note("sign-in page", due, sent, bool(form_token and cookie))
        if form_token is None or cookie is None:
            return
        sent = time.monotonic()
        form = urlencode(
            {
                "form_token": form_token[1].decode(),
                "username": f"person-{event.person}",
                "password": PASSWORD,
            }
        )
        request = _request(b"POST", form.encode(), cookie[1])
        answer = await self._client.send(person.address, request)
        self._note("sign-in", sent, sent, answer.status == 303)

    def _note(self, what: str, due: float, sent: float, is_good: bool) -> None:
        now = time.monotonic()
        self.seen.append(Seen(what, due - self._start, sent - due, now - due, is_good))


def _request(method: bytes, body: bytes, cookie: bytes = b"") -> bytes:
    lines = (
        method + b" /usher/sign-in HTTP/1.1",
        b"Host: " + HOST.encode(),
        b"Origin: https://" + HOST.encode(),
        b"Sec-Fetch-Site: same-origin",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: %d" % len(body),
        b"Cookie: " + cookie,
    )
    kept = lines if method == b"POST" else (*lines[:2], *lines[3:4])
    return b"\r\n".join(kept) + b"\r\n\r\n" + body
