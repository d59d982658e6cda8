"""Pages of a brand on another origin than the service: strict policies, classic scripts."""

from __future__ import annotations

import base64
import hashlib

import pytest
import requests
from browser.backend import Backend, accepted
from browser.client import wait_until
from browser.service import Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# A tag that needs no further script, in the form in which iAdvize's is used.
TAG = """
  window.outcomes = [];
  document.addEventListener('usher:outcome', ({ detail }) => window.outcomes.push(detail));
  const tag = {
    activate: async (option) => {
      const { authenticationOption } = await option();
      window.given = authenticationOption.token.split('.').length;
      return { authentication: { status: 'authentication-success' } };
    },
    logout: async () => { window.isLoggedOut = true; },
  };
  window.iAdvizeInterface = { push: (use) => use(tag) };
"""


@pytest.fixture
def page(watch: Watch, two_workers: Service, brand: Backend) -> Page:
    """A page of somebody who is signed in."""
    watch.expect(FAILED_LOAD)
    page = watch.page()
    two_workers.sign_in(page)
    page.wait_for_url(two_workers.shop)
    return page


def integrity(content: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


FORMS = {
    "module": ("usher.js", 'type="module"'),
    "classic": ("usher.classic.js", ""),
    "classic-async": ("usher.classic.js", "async"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("policy", ["none", "nonce", "hash"])
def test_a_page_with_a_strict_policy(
    form: str, policy: str, page: Page, brand: Backend, two_workers: Service
) -> None:
    name, attributes = FORMS[form]
    address = f"{two_workers.origin}/usher/static/{name}"
    sri = integrity(requests.get(address, timeout=10).content)
    scripts = {"none": "*", "nonce": "'nonce-r4nd0m'", "hash": f"'{sri}'"}[policy]
    inline = {"hash": f"'{integrity(TAG.encode())}'", "none": "'unsafe-inline'"}.get(policy, "")
    nonce = 'nonce="r4nd0m"' if policy == "nonce" else ""
    shown = f'integrity="{sri}" crossorigin' if policy == "hash" else nonce
    html = f"""<!doctype html><title>Strict</title><link rel="icon" href="data:,">
      <script {nonce}>{TAG}</script>
      <script src="{address}" {attributes} {shown} data-activate></script>"""
    csp = (
        f"default-src 'none'; script-src {scripts} {inline}; "
        f"connect-src {two_workers.origin}; img-src data:; "
        "require-trusted-types-for 'script'; base-uri 'none'"
    )
    page.goto(brand.put(f"/{form}-{policy}", html, **{"Content-Security-Policy": csp}))
    wait_until(page, "window.outcomes.length > 0")
    outcome = page.evaluate("window.outcomes[0]")
    assert (outcome["status"], outcome["mode"]) == ("activated", "secured")
    assert page.evaluate("window.given") == 5


@pytest.fixture
def classic(page: Page, brand: Backend, two_workers: Service) -> Page:
    """A page without modules, which says itself when to activate."""
    address = f"{two_workers.origin}/usher/static/usher.classic.js"
    html = f"""<!doctype html><title>Classic</title><link rel="icon" href="data:,">
      <script>{TAG}</script><script src="{address}"></script>"""
    page.goto(brand.put("/classic", html))
    return page


def test_a_classic_script_does_the_same(classic: Page, two_workers: Service) -> None:
    assert classic.evaluate("Object.keys(window.usher)") == ["activate", "signOut"]
    assert classic.evaluate("window.outcomes") == []
    outcome = classic.evaluate("window.usher.activate()")
    assert (outcome["status"], outcome["mode"]) == ("activated", "secured")
    classic.evaluate("window.usher.signOut()")
    assert classic.evaluate("window.isLoggedOut")
    assert classic.evaluate("window.usher.activate()")["code"] == "no-session"


def test_a_classic_script_leaves_no_other_name_on_the_page(classic: Page) -> None:
    before = {"outcomes", "tag", "iAdvizeInterface", "usher"}
    own = classic.evaluate(
        """() => {
          const frame = document.body.appendChild(document.createElement('iframe'));
          const usual = new Set(Object.getOwnPropertyNames(frame.contentWindow));
          return Object.getOwnPropertyNames(window).filter((it) => !usual.has(it));
        }"""
    )
    assert {it for it in own if not it.startswith("__") and not it.isdigit()} <= before | {"0"}


def test_the_classic_script_can_be_cached_but_not_for_good(two_workers: Service) -> None:
    address = f"{two_workers.origin}/usher/static/usher.classic.js"
    first = requests.get(address, timeout=10)
    assert first.headers["Cache-Control"] == "no-cache"
    again = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=10)
    assert (again.status_code, again.content) == (304, b"")


def test_both_forms_are_small(two_workers: Service) -> None:
    import gzip

    for name in ("usher.js", "usher.classic.js"):
        sent = requests.get(f"{two_workers.origin}/usher/static/{name}", timeout=10).content
        assert len(gzip.compress(sent, mtime=0)) <= 4096


def test_signing_out_on_a_page_of_the_brand_tells_the_brands_other_pages(
    page: Page, brand: Backend, two_workers: Service
) -> None:
    brand.script("sandbox/authenticate", accepted())
    address = f"{two_workers.origin}/usher/static/usher.js"
    html = f"""<!doctype html><title>Tabs</title><link rel="icon" href="data:,">
      <script>{TAG}</script><script type="module" src="{address}" data-activate></script>"""
    url = brand.put("/tabs", html)
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(url)
        wait_until(tab, "window.outcomes.length > 0")
    page.evaluate(f"import('{address}').then((it) => it.signOut())")
    for tab in (page, other):
        wait_until(tab, "window.outcomes.length > 1 && window.isLoggedOut")
        assert tab.evaluate("window.outcomes[1].code") == "signed-out"
