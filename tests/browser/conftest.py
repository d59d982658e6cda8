"""Chromium, pages that are watched for errors, a scripted site, and the real service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.backend import Backend, accepted, answer, granted, serve
from browser.chromium import ARGUMENTS
from browser.service import Service, start
from browser.watch import Watch
from parts import chromium
from playwright.sync_api import Browser, sync_playwright


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
    backend.script("outcomes", answer(202))
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

    def start_one(workers: int = 1, **environment: str) -> Service:
        folder: Path = tmp_path_factory.mktemp("service")
        running.append(start(folder, environment, workers=workers))
        return running[-1]

    yield start_one
    for service in running:
        service.stop()


# All visitors are one address.
MANY = "1000 per 300 seconds"
WIDE_LIMITS = {
    "USHER__LIMITS__SIGN_IN_FAILURES_PER_ACCOUNT": MANY,
    "USHER__LIMITS__SIGN_IN_FAILURES_PER_ADDRESS": MANY,
    "USHER__LIMITS__TOKENS_PER_PERSON": MANY,
}


@pytest.fixture(scope="session")
def service(start_service: Callable[..., Service]) -> Service:
    """The service as `make run` starts it, but for the limits."""
    return start_service(**WIDE_LIMITS)


@pytest.fixture(scope="session")
def brand() -> Iterator[Backend]:
    """A brand's site beside the real service: another origin, the same site."""
    backend = Backend()
    server = serve(backend)
    yield backend
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def two_workers(start_service: Callable[..., Service], brand: Backend) -> Service:
    """The real service in two processes, which lets the brand's site ask."""
    service = start_service(2, USHER__ALLOWED_ORIGINS=json.dumps([brand.origin]), **WIDE_LIMITS)
    service.set_active("sam", True)
    return service
