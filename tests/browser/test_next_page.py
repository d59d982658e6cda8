"""Where those targets lead that the sign-in page takes: real URL parsers are the judges."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from browser.service import Service
from parts import node_with_modules
from playwright.sync_api import Browser, Page
from support.redirect_targets import ENCODINGS, OWN, hostile, random_targets

from flask_usher.views.next_page import next_page

JUDGE = """targets => targets.map(target => {
  const url = new URL(target, BASE);
  return [url.origin, url.pathname];
})""".replace("BASE", json.dumps(f"{OWN}/usher/sign-in"))
Verdicts = list[list[str]]


@pytest.fixture(scope="session")
def taken() -> list[str]:
    """Every target of the tables, in every encoding, that the sign-in page takes."""
    tricks = {encode(it) for encode in ENCODINGS.values() for it in hostile()}
    targets = tricks | set(random_targets(200_000, seed=2))
    taken = {it for it in targets if next_page(it, default="", prefix="/usher") == it}
    assert len(taken) > 5000
    return sorted(taken)


def assert_own_pages(taken: list[str], verdicts: Verdicts) -> None:
    for target, (origin, path) in zip(taken, verdicts, strict=True):
        assert origin == OWN, target
        # The parser had nothing to mend: what we read is what it reads.
        assert path == target.partition("#")[0].partition("?")[0]
        assert not path.lower().startswith(("/usher/token", "/usher/sign-out", "//"))


@pytest.mark.browser
def test_row_146_chromium_stays_on_this_site(browser: Browser, taken: list[str]) -> None:
    page = browser.new_page()
    verdicts: Verdicts = page.evaluate(JUDGE, taken)
    page.close()
    assert_own_pages(taken, verdicts)


@pytest.mark.node
def test_row_146_node_stays_on_this_site(taken: list[str]) -> None:
    node = node_with_modules()
    assert node is not None
    program = f"""
      const targets = JSON.parse(require('fs').readFileSync(0, 'utf-8'));
      console.log(JSON.stringify(({JUDGE})(targets)));
    """
    run = subprocess.run(
        [node, "-e", program],
        input=json.dumps(taken),
        capture_output=True,
        check=True,
        text=True,
    )
    assert_own_pages(taken, json.loads(run.stdout))


@pytest.fixture(scope="module")
def visitor(browser: Browser, service: Service) -> Iterator[Page]:
    """A page of somebody who is signed in."""
    page = browser.new_page()
    service.sign_in(page)
    page.wait_for_url(service.shop)
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    "target",
    [
        "//evil.test",
        "/\\evil.test",
        "/\t/evil.test",
        "/\r\n/evil.test",
        "////evil.test",
        "http:/\\evil.test",
        "https://us@evil.test",
        "javascript:document.title=1",
        "/.//evil.test",
        "/%2f%2fevil.test",
        "/\0/evil.test",
    ],
)
@pytest.mark.parametrize("encode", [quote, lambda it: quote(quote(it))], ids=["once", "twice"])
def test_row_147_navigating_stays_on_this_site(
    visitor: Page, service: Service, target: str, encode: Callable[[str], str]
) -> None:
    visitor.goto(f"{service.origin}/usher/sign-in?next={encode(target)}")
    assert visitor.url == service.shop


@pytest.mark.browser
def test_navigating_to_a_page_of_this_site(visitor: Page, service: Service) -> None:
    visitor.goto(f"{service.origin}/usher/sign-in?next=/usher/sandbox/visitor%3Fa=b%23c")
    assert visitor.url == f"{service.origin}/usher/sandbox/visitor?a=b#c"
