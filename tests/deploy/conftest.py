"""Fixtures: one site for the whole folder, and fresh servers where a test ends them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.service import KeyFiles, Workshop
from support.site import Serving, Site, make_site, nginx, serving


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Site]:
    """nginx, without the service behind it."""
    workshop = Workshop(
        tmp_path_factory.mktemp("site"), key_files, password_hash, sqlite_template
    )
    service = workshop.make(
        public_url="https://www.shop.example",
        proxy={"trusted_addresses": ["127.0.0.1"]},
        limits={"workers": 2, "tokens_per_person": "100000 per 60 seconds"}
        | {"tokens_per_address": "100000 per 60 seconds"},
    )
    service.clock.now = time.time()
    cookie = service.signed_in("jane").cookie()
    assert cookie is not None
    # Short, since the path of a socket may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="usher-site-"))
    site = make_site(service, cookie, folder)
    try:
        with nginx(site):
            yield site
    finally:
        service.state.database.close()
        shutil.rmtree(folder)


@pytest.fixture
def server(site: Site) -> Iterator[Serving]:
    """`usher serve` with two workers, for a test that does something to it."""
    with serving(site) as server:
        yield server


@pytest.fixture(scope="module")
def live(site: Site) -> Iterator[Site]:
    """The site with `usher serve`, for the tests of a module that leave it alone."""
    with serving(site):
        yield site
