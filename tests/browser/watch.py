"""Pages that fail the test on what a person would see in the console."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

TOKEN = re.compile(r"[\w-]{8,}(\.[\w-]+){4}")
# Chromium says this of every answer that is no success, such as the 401 for nobody.
FAILED_LOAD = r"Failed to load resource: the server responded with a status of"


class Watch:
    """Opens pages and notes their errors, among them violations of their security policy."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self.errors: list[str] = []
        self.console: list[str] = []

    def visitor(self, **options: Any) -> BrowserContext:
        """Return the browser of one more visitor."""
        context = self._browser.new_context(**options)
        context.set_default_timeout(15_000)
        context.on("page", self._listen)
        self._contexts.append(context)
        return context

    def page(self, **options: Any) -> Page:
        """Return an empty page in a browser of its own."""
        return self.visitor(**options).new_page()

    def expect(self, *patterns: str) -> None:
        """Let errors pass that match one of these."""
        self._expected += patterns

    def close(self) -> None:
        """Close all pages. Fails on an unexpected error, or a token in the console."""
        for context in self._contexts:
            context.close()
        unexpected = [error for error in self.errors if not _matches(error, self._expected)]
        assert unexpected == [], unexpected
        assert not [text for text in self.console if TOKEN.search(text)]

    def _listen(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)
        if message.type in ("error", "warning"):
            self.errors.append(message.text)


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)
