"""The example: Usher inside a shop that has a package `app` and customers of its own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support.host_app import COOKIE, EXAMPLE, JANE, JOHN, PASSWORD, Shop, StartShop

import flask_usher

pytestmark = pytest.mark.slow

WITH_FUNCTION, WITHOUT = "Usher(app, identify=identify)", "Usher(app)"
LOCAL_PASSWORD = "violet-otter-41-harbour"
COMPARE = """
import json, app, flask_usher

def parts(it):
    ushers = {rule for rule in map(str, it.url_map.iter_rules()) if rule.startswith("/usher/")}
    return {
        "config": {key: repr(value) for key, value in it.config.items() if key != "USHER"},
        "login_manager": it.login_manager is app.sign_in.login_manager,
        "sessions": type(it.session_interface).__name__,
        "errors": sorted(map(repr, it.error_handler_spec[None])),
        "context": sorted(map(repr, it.template_context_processors[None])),
        "blueprints": sorted(name for name in it.blueprints if not name.startswith("usher")),
        "addresses": sorted(set(map(str, it.url_map.iter_rules())) - ushers),
    }

with_usher = parts(app.create_app())
app.Usher = lambda *_a, **_k: None
print(json.dumps([app.__file__, flask_usher.__file__, with_usher, parts(app.create_app())]))
"""


@pytest.fixture(scope="session")
def shop(example_shop: Shop) -> Shop:
    """The example as it is."""
    return example_shop


@pytest.fixture(scope="session")
def flask_login_shop(start_shop: StartShop) -> Shop:
    """The example with the one line that leaves it to Flask-Login."""
    return start_shop((WITH_FUNCTION, WITHOUT))


@pytest.fixture(params=["function", "flask-login"])
def either_shop(request: pytest.FixtureRequest) -> Shop:
    """The example in both ways of telling Usher who is signed in."""
    name = "shop" if request.param == "function" else "flask_login_shop"
    chosen: Shop = request.getfixturevalue(name)
    return chosen


@pytest.fixture
def compared(shop: Shop) -> Any:
    """Return where both packages lie, and the shop's parts with Usher and without it."""
    return json.loads(shop.run(sys.executable, "-c", COMPARE))


def test_the_three_lines_of_the_readme_are_those_of_the_shop() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.S)
    told = [line for line in block.splitlines() if line]
    factory = (EXAMPLE / "app/__init__.py").read_text().splitlines()
    assert len(told) == 3
    assert [line for line in map(str.strip, factory) if line in told] == told


def test_app_is_the_shops_and_usher_is_what_is_installed(shop: Shop, compared: Any) -> None:
    of_app, of_usher, *_ = compared
    assert Path(of_app) == shop.folder / "app/__init__.py"
    assert of_usher == flask_usher.__file__


def test_what_is_the_shops_stays_as_it_was(compared: Any) -> None:
    *_, with_usher, without = compared
    assert with_usher == without
    assert with_usher["login_manager"] is True
    assert with_usher["blueprints"] == ["shop", "sign_in"]
    assert "'quire'" in with_usher["config"]["SESSION_COOKIE_NAME"]


def test_who_signed_in_to_the_shop_has_a_token(either_shop: Shop) -> None:
    visitor = either_shop.visitor()
    assert visitor.refusal() == "no-session"
    assert visitor.sign_in().headers["Location"] == "/account"
    assert visitor.user_id() == "shop:1"


def test_the_function_gives_the_names_that_the_agent_sees(shop: Shop) -> None:
    assert shop.signed_in().claims()["https://iadvize.com/visitorData"] == {
        "firstName": "Jane",
        "lastName": "Doe",
    }


def test_without_it_the_token_says_nothing_but_who(flask_login_shop: Shop) -> None:
    assert flask_login_shop.signed_in().claims().keys() == {
        "https://iadvize.com/userId",
        "exp",
        "iss",
    }


def test_two_customers_are_two_people_and_each_stays_the_same(either_shop: Shop) -> None:
    seen = [either_shop.signed_in(email).user_id() for email in (JANE, JOHN, JANE, JOHN)]
    assert seen == ["shop:1", "shop:2", "shop:1", "shop:2"]


def test_one_browser_that_passes_to_somebody_else_has_their_chat(either_shop: Shop) -> None:
    visitor = either_shop.signed_in(JANE)
    visitor.sign_out()
    visitor.sign_in(JOHN)
    assert visitor.user_id() == "shop:2"


@pytest.mark.parametrize("email", [JANE, "nobody@quire.example"])
def test_a_failed_sign_in_gives_no_token(shop: Shop, email: str) -> None:
    visitor = shop.visitor()
    answer = visitor.sign_in(email, "not-the-password")
    assert answer.status_code == 401
    assert "wrong" in answer.text
    assert visitor.refusal() == "no-session"


def test_the_shops_sign_out_ends_the_tokens(either_shop: Shop) -> None:
    visitor = either_shop.signed_in()
    assert visitor.ask().status_code == 200
    assert visitor.sign_out().status_code == 303
    assert visitor.refusal() == "no-session"


def test_an_old_cookie_of_the_shop_is_worth_nothing_after_it(either_shop: Shop) -> None:
    visitor, thief = either_shop.signed_in(), either_shop.visitor()
    thief.http.cookies.set(COOKIE, visitor.cookie())
    assert thief.user_id() == "shop:1"
    visitor.sign_out()
    assert thief.refusal() == "no-session"
    assert thief.get("/account").headers["Location"].startswith("/sign-in?")


def test_it_ends_nothing_on_another_device(either_shop: Shop) -> None:
    here, there = either_shop.signed_in(), either_shop.signed_in()
    here.sign_out()
    assert there.user_id() == "shop:1"


def test_whom_the_shop_locks_out_has_no_token_at_once(either_shop: Shop) -> None:
    visitor, other = either_shop.signed_in(JANE), either_shop.signed_in(JOHN)
    either_shop.set_active(JANE, False)
    try:
        assert visitor.refusal() == "no-session"
        assert either_shop.visitor().sign_in(JANE).status_code == 401
        assert other.user_id() == "shop:2"
    finally:
        either_shop.set_active(JANE, True)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/basket"])
def test_the_shops_forms_want_the_shops_own_token(shop: Shop, path: str) -> None:
    visitor = shop.signed_in()
    sent = visitor.http.post(shop.origin + path, data={"form_token": "x"}, timeout=20)
    assert sent.status_code == 400
    assert "This form has expired" in sent.text
    assert visitor.user_id() == "shop:1"


def test_another_site_gets_no_token_for_a_customer(shop: Shop) -> None:
    answer = shop.signed_in().ask(Origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-origin")


def test_usher_sets_no_cookie_and_leaves_the_shops_as_it_is(shop: Shop) -> None:
    visitor = shop.signed_in()
    visitor.post("/basket", product="ink")
    before = visitor.cookie()
    for path in ("session", "sign-in", "health/ready", "static/usher.js", "nowhere"):
        assert "Set-Cookie" not in visitor.get(f"/usher/{path}").headers, path
    assert "Set-Cookie" not in visitor.ask().headers
    sign_out = visitor.http.post(
        f"{shop.origin}/usher/sign-out", headers={"Origin": shop.origin}, timeout=20
    )
    assert sign_out.status_code == 204
    assert visitor.cookie() == before
    assert set(visitor.http.cookies.keys()) == {COOKIE}
    assert "Iron gall ink" in visitor.get("/basket").text


def test_the_basket_outlives_signing_in_and_out(shop: Shop) -> None:
    visitor = shop.visitor()
    visitor.post("/basket", product="pencil")
    visitor.sign_in()
    visitor.ask()
    visitor.sign_out()
    assert "Pencil" in visitor.get("/basket").text


def test_each_answers_for_its_own_mistakes(shop: Shop) -> None:
    visitor = shop.visitor()
    of_shop, of_usher = visitor.get("/nowhere"), visitor.get("/usher/nowhere")
    assert "Perhaps the address has a slip of the pen in it" in of_shop.text
    assert of_shop.status_code == of_usher.status_code == 404
    assert of_usher.json()["code"] == "not-found"


def test_headers_of_the_shops_pages_are_its_own(shop: Shop) -> None:
    page = shop.visitor().get("/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "Cross-Origin-Opener-Policy" not in page.headers
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_there_is_one_sign_in_page_and_it_is_the_shops(shop: Shop) -> None:
    visitor = shop.visitor()
    sent = visitor.get("/usher/sign-in?next=/basket")
    assert sent.headers["Location"] == "/sign-in?next=%2Fbasket"
    assert 'name="next" value="/basket"' in visitor.get(sent.headers["Location"]).text
    assert visitor.ask().json()["sign_in_url"] == "/usher/sign-in"
    answer = visitor.http.post(
        f"{shop.origin}/usher/sign-in",
        data={"username": JANE, "password": PASSWORD},
        headers={"Origin": shop.origin},
        allow_redirects=False,
        timeout=20,
    )
    assert answer.status_code >= 400


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "\t//evil", ""]
)
def test_the_shop_sends_nobody_elsewhere(shop: Shop, target: str) -> None:
    visitor = shop.visitor()
    answer = visitor.post("/sign-in", email=JANE, password=PASSWORD, next=target)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_under_another_prefix(start_shop: StartShop) -> None:
    shop = start_shop(USHER__URL_PREFIX="/chat/of-quire")
    visitor = shop.signed_in()
    assert visitor.user_id() == "shop:1"
    page = visitor.get("/account").text
    assert 'src="/chat/of-quire/static/usher.js" data-activate' in page
    assert "/usher/" not in page
    assert visitor.get("/usher/session").status_code == 404
    assert "slip of the pen" in visitor.get("/usher/session").text
    visitor.sign_out()
    assert visitor.refusal() == "no-session"


def test_one_person_has_one_user_id_in_the_shop_and_elsewhere(start_shop: StartShop) -> None:
    shop = start_shop(
        USHER__TOKEN__USER_ID="claim:customer", USHER__PROVIDERS__LOCAL__TYPE="local"
    )
    number = "Q-000001"
    usher = Path(sys.executable).with_name("usher")
    shop.run(
        usher, "users", "add", "j", "--claim", f"claim:customer={number}", stdin=LOCAL_PASSWORD
    )
    elsewhere = shop.visitor()
    assert elsewhere.sign_in_at_usher("j", LOCAL_PASSWORD).status_code == 303
    assert elsewhere.user_id() == shop.signed_in(JANE).user_id() == number
    assert shop.signed_in(JOHN).user_id() == "Q-000002"
    # Two sign-ins of one browser might be two people.
    elsewhere.sign_in(JOHN)
    assert elsewhere.refusal() == "ambiguous-credentials"


def test_no_log_holds_a_cookie_a_token_or_who_it_is(shop: Shop) -> None:
    visitor = shop.signed_in()
    token = visitor.ask().json()["token"]
    log = (shop.folder / "log").read_text()
    assert '"code": "issued"' in log
    banner, _, lines = log.partition("Ctrl-C stops.")
    assert JANE in banner
    for secret in (token, visitor.cookie() or "", JANE, PASSWORD, "Doe"):
        assert secret not in lines


def test_only_the_shops_owner_can_read_its_secrets(shop: Shop) -> None:
    for name in ("shop-secret", "secret-key", "signing-key.pem", "demo-password"):
        assert (shop.var / name).stat().st_mode & 0o077 == 0, name
