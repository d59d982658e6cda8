"""Chromium, pages that are watched for errors, a scripted site, and the real service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.backend import Backend, accepted, answer, granted, serve
from browser.service import Service, start
from browser.watch import Watch
from parts import chromium
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name resolves: the suite talks to this machine only.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = chromium()
    assert program is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    """Opens browsers of visitors; at the end, no page may have had an unexpected error."""
    watch = Watch(browser)
    yield watch
    watch.close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A site that grants a token each time, with an iAdvize that accepts it."""
    backend = Backend()
    server = serve(backend)
    backend.script("token", *(granted(number) for number in range(1, 50)))
    backend.script("sign-out", answer(204))
    backend.script("sandbox/authenticate", accepted())
    yield backend
    backend.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def start_service(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Service]]:
    """Starts `usher demo` with further settings in the environment."""
    running: list[Service] = []

    def start_one(**environment: str) -> Service:
        folder: Path = tmp_path_factory.mktemp("service")
        running.append(start(folder, environment))
        return running[-1]

    yield start_one
    for service in running:
        service.stop()


@pytest.fixture(scope="session")
def service(start_service: Callable[..., Service]) -> Service:
    """The service as `make run` starts it, but for the limits: all visitors are one address."""
    many = "1000 per 300 seconds"
    return start_service(
        USHER__LIMITS__SIGN_IN_FAILURES_PER_ACCOUNT=many,
        USHER__LIMITS__SIGN_IN_FAILURES_PER_ADDRESS=many,
        USHER__LIMITS__TOKENS_PER_PERSON=many,
    )
