"""Where the pages under test are, and a browser for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright


@pytest.fixture(scope="session")
def shop() -> str:
    """The address of the page with the chat, as `http://127.0.0.1:8000/usher/sandbox/`."""
    return os.environ["SHOP_URL"]


@pytest.fixture(scope="session")
def password() -> str:
    """The password of the account `jane`."""
    return os.environ["SHOP_PASSWORD"]


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page; `CHROMIUM` names a browser other than Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"]
        )
        yield browser.new_page()
        browser.close()
