"""As many tokens as there can be: some browsers that ask again as soon as they are answered."""

from __future__ import annotations

import asyncio
import random
import threading
import time

from faults.deployment import Deployment
from faults.page_views import Client

PEOPLE = 4000
"""So many that nobody comes near the limit of one person, however fast the answers come."""


class Flood(threading.Thread):
    """So many browsers at once, in a thread, until `end`; `tokens` grows while it runs."""

    def __init__(self, deployment: Deployment, browsers: int) -> None:
        super().__init__()
        self.tokens = 0
        self.failed = 0
        self._client = Client(deployment.port, deployment.certificate)
        self._people = deployment.people
        self._browsers = browsers
        self._ended = threading.Event()

    def run(self) -> None:
        """Ask until the end."""
        asyncio.run(self._all())

    def end(self) -> None:
        """Let the last ones have their answers."""
        self._ended.set()
        self.join()

    async def _all(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(self._browsers)))
        self._client.close()

    async def _one(self) -> None:
        while not self._ended.is_set():
            person = random.choice(self._people)
            asked = await self._client.token(person, time.monotonic())
            self.tokens += bool(asked.token)
            self.failed += not asked.token
