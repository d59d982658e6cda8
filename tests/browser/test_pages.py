"""The pages that people see: on a phone, in the dark, by keyboard, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser.backend import Backend
from browser.service import PASSWORD, Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import Locator, Page, expect

from flask_usher import keys

pytestmark = pytest.mark.browser

LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3

# For each visible text, its contrast with the background behind it (WCAG 2.2).
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const color = getComputedStyle(it).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const element = text.parentElement;
    if (!text.data.trim() || element.matches(':disabled') || !element.checkVisibility()) {
      continue;
    }
    const [light, dark] = [getComputedStyle(element).color, background(element)]
      .map(luminance).sort((a, b) => b - a);
    found.push([text.data.trim().slice(0, 40), (light + 0.05) / (dark + 0.05)]);
  }
  return found;
}"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    scheme: str = request.param
    return scheme


def assert_readable(page: Page) -> None:
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 3
    assert [it for it in contrasts if it[1] < LEAST_CONTRAST] == []


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_every_page_is_readable_and_fits(
    width: int, scheme: str, service: Service, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(service.shop)
    expect(page.locator("[data-step=chat]")).to_contain_text("Off.")
    look(page)
    page.get_by_role("link", name="Sign in").click()
    look(page)
    fill_in(page, "jane", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    look(page)
    fill_in(page, "jane", PASSWORD)
    expect(page.locator("[data-step=chat]")).to_contain_text("Authenticated as Jane Doe.")
    page.get_by_text("Headers and claims").click()
    look(page)
    page.goto(f"{service.shop}?condition=wrong-key")
    expect(page.locator("#timeline")).to_contain_text("(activation-failed)")
    look(page)


@pytest.fixture(scope="module")
def service_with_choices(
    start_service: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """A service with a form and two providers, which nobody asks anything."""
    secret = tmp_path_factory.mktemp("secret") / "client-secret"
    keys.write_private_file(secret, b"violet-client-secret-41")
    common = {
        "TYPE": "oidc",
        "ISSUER": "https://id.shop.example",
        "CLIENT_ID": "usher",
        "CLIENT_SECRET": str(secret),
    }
    labels = {"WEB": "your shop account", "STAFF": "directory" * 12}
    return start_service(
        USHER__PROVIDERS__LOCAL__TYPE="local",
        **{
            f"USHER__PROVIDERS__{name}__{key}": value
            for name, label in labels.items()
            for key, value in (common | {"LABEL": label}).items()
        },
    )


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_the_ways_to_sign_in_are_readable_and_fit(
    width: int, scheme: str, service_with_choices: Service, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(f"{service_with_choices.origin}/usher/sign-in")
    choices = page.get_by_role("listitem").get_by_role("link")
    expect(choices).to_have_count(2)
    form = page.get_by_role("button", name="Sign in")
    # They stand below one another, as wide as the button of the form.
    assert {extent(choice) for choice in choices.all()} == {extent(form)}
    look(page)
    page.goto(f"{service_with_choices.origin}/usher/oidc/web/callback?state=x")
    expect(page.get_by_role("link", name="Go to the sign-in page")).to_be_visible()
    look(page)


def extent(control: Locator) -> tuple[float, float]:
    box = control.bounding_box()
    assert box is not None
    return box["x"], box["width"]


def look(page: Page) -> None:
    assert_readable(page)
    assert_fits(page)


def fill_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_sign_in_page_works_without_javascript(service: Service, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page(java_script_enabled=False)
    page.goto(f"{service.origin}/usher/sign-in?next=/usher/sandbox/?session=9")
    fill_in(page, "jane", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    fill_in(page, "jane", PASSWORD)
    page.wait_for_url(f"{service.shop}?session=9")


def test_the_sign_in_page_runs_nothing_and_helps_password_managers(
    service: Service, watch: Watch
) -> None:
    page = watch.page()
    response = page.goto(f"{service.origin}/usher/sign-in")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert page.locator("script").count() == 0
    name, password = page.get_by_label("User name"), page.get_by_label("Password")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("autocomplete", "username")
    expect(name).to_have_attribute("autocapitalize", "none")
    expect(name).to_have_attribute("spellcheck", "false")
    expect(password).to_have_attribute("autocomplete", "current-password")


def test_an_error_belongs_to_its_fields(service: Service, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page()
    page.goto(f"{service.origin}/usher/sign-in")
    fill_in(page, "nobody", "wrong")
    for label in ("User name", "Password"):
        expect(page.get_by_label(label)).to_have_accessible_description(
            "The name or the password is wrong. Check both and try again."
        )


@pytest.mark.parametrize("path", ["/usher/sign-in", "/usher/sandbox/"])
def test_row_17_no_page_can_be_framed(
    path: str, service: Service, backend: Backend, watch: Watch
) -> None:
    watch.expect("frame-ancestors 'none'")
    page = watch.page()
    page.goto(backend.page())
    page.evaluate(
        """(address) => new Promise((resolve) => {
          const frame = document.createElement('iframe');
          frame.addEventListener('load', resolve);
          frame.src = address;
          document.body.append(frame);
        })""",
        service.origin + path,
    )
    assert page.frames[1].url == "chrome-error://chromewebdata/"
    assert any("frame-ancestors 'none'" in error for error in watch.errors)


def test_the_shop_can_be_used_by_keyboard(service: Service, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page()
    page.goto(service.shop)
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to what happens backstage")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Backstage")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="No trouble")).to_be_focused()


def test_the_shop_says_what_each_step_came_to(service: Service, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page()
    service.sign_in(page)
    expect(page.get_by_role("status").first).to_have_text("Chat: Authenticated as Jane Doe.")
