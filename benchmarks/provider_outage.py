"""Do visitors who are signed in notice that an OpenID provider hangs?

Two servers are asked for tokens in turn, so that both see the same machine. At one of them
people keep coming back from a provider whose token endpoint answers after 30 seconds.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import requests

from flask_usher import keys
from flask_usher.testing import Behaviour, Client, Endpoint, FakeOpenIdProvider, Late

from .http_path import SERVER_CPU, free_port, tell, usher_command
from .installation import Installation, install
from .processes import server
from .report import Measurement

# The medians of two servers that are alike differ by less.
RATIO_BUDGET = 1.1
THREADS = 16
VISITORS = 12
HELD_UP = 8
"""How many of them the service lets wait; the others are turned away."""
PAUSE_SECONDS = 1
SECRET = "the secret of the benchmark's client"
PROVIDERS = """
[providers.local]
type = "local"

[providers.web]
type = "oidc"
issuer = "{issuer}"
client_id = "usher"
client_secret = "client-secret"
insecure_loopback = true
"""


def measure(seconds: int) -> Iterator[Measurement]:
    """Give the ratio of the medians, and the median of whoever should not notice."""
    tell("Asking two servers for tokens, one of them with a provider that hangs")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        client = Client(id="usher", secret=SECRET, redirect_uris=(_callback(port),))
        provider = stack.enter_context(FakeOpenIdProvider.serving(clients=[client]))
        provider.behaviour = Behaviour(answers={Endpoint.TOKEN: Late()})
        beside = _Asker(stack, _install(folder / "beside", port, provider.issuer))
        alone = _Asker(stack, _install(folder / "alone", free_port(), provider.issuer))
        stack.enter_context(_visitors(port, provider))
        while provider.count(Endpoint.TOKEN) < HELD_UP:
            time.sleep(0.1)
        milliseconds = _take_turns(beside, alone, seconds)
    hanging, quiet = map(statistics.median, milliseconds)
    name = "median of a token, while a provider hangs ÷ without it"
    yield Measurement(name, hanging / quiet, "×", RATIO_BUDGET)
    yield Measurement("median of a token, while a provider hangs", hanging, "ms")


def _install(folder: Path, port: int, issuer: str) -> Installation:
    installation = install(folder, port, account_count=1)
    keys.write_private_file(folder / "client-secret", SECRET.encode())
    with installation.settings_file.open("a") as settings:
        settings.write(PROVIDERS.format(issuer=issuer))
    return installation


class _Asker:
    """Asks a server of its own for tokens."""

    def __init__(self, stack: ExitStack, installation: Installation) -> None:
        base = installation.settings.public_url
        environment = {"USHER_SETTINGS": str(installation.settings_file)}
        command = usher_command(installation, THREADS)
        alive = f"{base}/usher/health/live"
        stack.enter_context(server(command, alive, environment, {SERVER_CPU}))
        self._connection = HTTPConnection("127.0.0.1", installation.port, timeout=60)
        stack.callback(self._connection.close)
        self._headers = {
            "Content-Type": "application/json",
            "Cookie": f"usher={installation.cookies[0]}",
            "Origin": base,
            "X-Usher-Client": "benchmark/1",
        }

    def milliseconds(self) -> float:
        """Ask for a token; return how long that took."""
        started = time.perf_counter()
        self._connection.request("POST", "/usher/token", b"{}", self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        elapsed = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"no token: {body!r}")
        return elapsed * 1000


def _take_turns(beside: _Asker, alone: _Asker, seconds: int) -> tuple[list[float], list[float]]:
    pair = (beside, alone)
    timings: tuple[list[float], list[float]] = ([], [])
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        # Each goes first half of the time.
        for which in (0, 1) if number % 2 else (1, 0):
            timings[which].append(pair[which].milliseconds())
        number += 1
    return timings


@contextmanager
def _visitors(port: int, provider: FakeOpenIdProvider) -> Iterator[None]:
    """Let visitors come back from the provider, again and again, for the block."""
    gone = threading.Event()
    with ThreadPoolExecutor(VISITORS) as visitors:
        running = [
            visitors.submit(_keep_signing_in, port, provider, gone) for _ in range(VISITORS)
        ]
        try:
            yield
        finally:
            gone.set()
    for visitor in running:
        visitor.result()


def _keep_signing_in(port: int, provider: FakeOpenIdProvider, gone: threading.Event) -> None:
    while not gone.wait(PAUSE_SECONDS):
        with requests.Session() as browser:
            answer = _get(browser, f"http://127.0.0.1:{port}/usher/oidc/web/start")
            # Who finds too many waiting is turned away before they set out.
            if answer.status_code == 303:
                back = provider.authorize(answer.headers["Location"])
                answer = _get(browser, _callback(port), back)
        if answer.status_code != 503:
            raise RuntimeError(f"the provider did not hang: {answer.status_code}")


def _callback(port: int) -> str:
    return f"http://127.0.0.1:{port}/usher/oidc/web/callback"


def _get(
    browser: requests.Session, url: str, query: Mapping[str, list[str]] | None = None
) -> requests.Response:
    return browser.get(url, params=query, allow_redirects=False, timeout=60)
