"""From the beginning of a page to the active chat: `usher.js` against a page written by hand.

Both pages load the sandbox's tag, get a token from the same service and hand it over. The
page by hand does no more than that: no refusals, no second tab, no report.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Route, sync_playwright

from .http_path import SERVER_CPU, free_port, tell, usher_command
from .installation import Installation, install
from .processes import server
from .report import Measurement

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
SANDBOX = '\n[sandbox]\nrecipient_key = "recipient-private-key.pem"\n'
PAGE = """<!doctype html><title>Page</title>
<script>
  document.addEventListener('iadvize-sandbox', ({{ detail }}) => {{
    if (detail.kind === 'result') window.activatedAfter = performance.now();
  }});
</script>
<script async src="/usher/sandbox/iadvize.js"></script>
{client}"""
USHER = '<script type="module" src="/usher/static/usher.js" data-activate></script>'
BY_HAND = """<script>
  window.iAdvizeInterface = window.iAdvizeInterface || [];
  window.iAdvizeInterface.push((iAdvize) => iAdvize.activate(async () => {
    const answer = await fetch('/usher/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Usher-Client': 'by-hand/1' },
      body: '{}',
    });
    const { token } = await answer.json();
    return { authenticationOption: { type: 'SECURED_AUTHENTICATION', token } };
  }));
</script>"""


def measure(pages: int) -> Iterator[Measurement]:
    """Give the median of so many pages of each kind; they take turns."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        tell("No Chromium, so no page is opened")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        installation = install(Path(folder, "shop"), free_port(), 1)
        installation.settings_file.write_text(installation.settings_file.read_text() + SANDBOX)
        base = installation.settings.public_url
        environment = {"USHER_SETTINGS": str(installation.settings_file)}
        command = usher_command(installation)
        with server(command, f"{base}/usher/health/ready", environment, {SERVER_CPU}):
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            yield from _compare(browser, installation, pages)
            browser.close()


def _compare(browser: Browser, installation: Installation, pages: int) -> Iterator[Measurement]:
    timings: tuple[list[float], list[float]] = ([], [])
    for number in range(pages + 1):
        for client, found in zip((USHER, BY_HAND), timings, strict=True):
            milliseconds = _open(browser, installation, PAGE.format(client=client))
            # The first pages warm up the server and the browser.
            if number:
                found.append(milliseconds)
    usher, by_hand = map(statistics.median, timings)
    name = "page to active chat: usher.js ÷ a page by hand"
    yield Measurement(name, usher / by_hand, "×")
    yield Measurement("page to active chat with usher.js", usher, "ms")


def _open(browser: Browser, installation: Installation, html: str) -> float:
    base = installation.settings.public_url
    context = browser.new_context()
    cookie = {"name": "usher", "value": installation.cookies[0], "url": base}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()

    def fulfil(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html")

    page.route(f"{base}/page", fulfil)
    page.goto(f"{base}/page")
    handle = page.wait_for_function("window.activatedAfter", timeout=10_000)
    milliseconds = float(handle.json_value())
    context.close()
    return milliseconds
