"""What `usher embed` prints, in a real browser, with a real nginx before the service."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser.client import CHAT
from browser.watch import FAILED_LOAD, Watch
from click.testing import CliRunner
from playwright.sync_api import Page, expect
from support import nginx
from support.server import free_port, serving
from support.service import PASSWORD, KeyFiles, Service, Workshop

from flask_usher.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.nginx]

FORMS = ["", "--nonce", "--hash", "--classic", "--classic --nonce", "--classic --hash"]
NOT_AS_SAID = "valid digest in the 'integrity' attribute"
NOT_ALLOWED = "violates the following Content Security Policy directive"
HTML = '<!doctype html><title>A page</title><link rel="icon" href="data:,">\n'


@dataclass(frozen=True)
class Site:
    """A brand's site on two origins; nginx serves its pages, and the service on one of them."""

    service: Service
    pages: Path

    def issued(self) -> int:
        return len(self.service.issued())


def embed(service: Service, *arguments: str) -> str:
    """Return what `usher embed` prints with the service's settings."""
    result = CliRunner().invoke(main, ["embed", *arguments], env=service.environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def changed(html: str, case: str) -> str:
    """Return the tags with the hash as it is, of another file, or beside another release's."""
    other = "sha384-" + "A" * 64
    replaced = {"good": r"\1", "wrong": other, "two": rf"{other} \1"}[case]
    return re.sub(r"(sha384-[A-Za-z0-9+/]{64})", replaced, html)


def locations(service: Service, origin: str, pages: Path) -> str:
    """Return the locations of pages with each form of the tags, and exactly its policy."""
    written = ""
    for form in FORMS:
        arguments = [*form.split(), "--page", f"{origin}/cart?step=1"]
        html, policy = (
            embed(service, *arguments, "--only", part).replace("NONCE", "cjRuZDBt").strip()
            for part in ("page", "csp")
        )
        for case in ("good", "wrong", "two", "strict"):
            name = f"{form.replace(' ', '')}-{case}.html"
            file = pages / f"{origin.rpartition(':')[2]}{name}"
            file.write_text(HTML + (html if case == "strict" else changed(html, case)))
            header = "script-src 'none'" if case == "strict" else policy
            written += f"""location = /{name} {{
                alias {file};
                add_header Content-Security-Policy "{header}";
            }}\n"""
    return written


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    front, brand, back = free_port(), free_port(), free_port()
    origin, other = f"http://127.0.0.1:{front}", f"http://127.0.0.1:{brand}"
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    first = {
        "public_url": origin,
        "allowed_origins": [],
        "sandbox": {"recipient_key": str(key_files.recipient)},
    }
    asked = ["--page", other, "--upstream", f"127.0.0.1:{back}"]
    changes = tomllib.loads(embed(workshop.make(**first), *asked, "--only", "settings"))
    assert changes.keys() == {"allowed_origins", "proxy"}
    service = workshop.make(**first | changes)
    service.add_account()
    block = embed(service, *asked, "--only", "nginx")
    servers = [
        nginx.server(front, block + locations(service, origin, folder)),
        nginx.server(brand, locations(service, other, folder)),
    ]
    with (
        serving(service, back, folder / "server.log"),
        nginx.running(folder, front, *servers),
    ):
        yield Site(service, folder)
    for made in workshop.services:
        made.state.close()


@pytest.fixture
def page(site: Site, watch: Watch) -> Page:
    """A page of somebody who is signed in."""
    page = watch.page()
    page.goto(f"{site.service.origin}/usher/sign-in?next=/-good.html")
    page.get_by_label("User name").fill("jane")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/-good.html")
    expect(page.locator(CHAT)).to_have_count(1)
    return page


@pytest.fixture(params=["same-origin", "same-site"])
def origin(request: pytest.FixtureRequest, site: Site) -> str:
    """Where the page is."""
    same: str = site.service.origin
    other: str = site.service.config["allowed_origins"][0]
    return same if request.param == "same-origin" else other


@pytest.mark.parametrize("form", FORMS)
def test_the_printed_tags_and_policy_activate_the_chat(
    form: str, origin: str, page: Page, site: Site
) -> None:
    issued = site.issued()
    page.goto(f"{origin}/{form.replace(' ', '')}-good.html")
    expect(page.locator(CHAT)).to_have_count(1)
    assert page.evaluate("window.iAdvizeSandbox.state.mode") == "authenticated"
    assert site.issued() == issued + 1


def test_two_hashes_bridge_an_update(origin: str, page: Page) -> None:
    page.goto(f"{origin}/-two.html")
    expect(page.locator(CHAT)).to_have_count(1)


@pytest.mark.parametrize("case", ["wrong", "strict"])
@pytest.mark.parametrize("form", FORMS)
def test_another_file_is_not_run_nor_what_the_policy_does_not_name(
    case: str, form: str, origin: str, page: Page, site: Site, watch: Watch
) -> None:
    watch.expect(NOT_AS_SAID, NOT_ALLOWED, FAILED_LOAD)
    issued = site.issued()
    page.goto(f"{origin}/{form.replace(' ', '')}-{case}.html")
    page.wait_for_load_state("networkidle")
    expect(page.locator(CHAT)).to_have_count(0)
    assert site.issued() == issued
    told = NOT_ALLOWED if case == "strict" else NOT_AS_SAID
    assert any(told in text or NOT_ALLOWED in text for text in watch.errors)
