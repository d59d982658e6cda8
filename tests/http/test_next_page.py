"""Where a visitor lands after signing in: a path of this site, or the default page."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from support.redirect_targets import ENCODINGS, OWN, hostile, random_targets
from support.refusals import assert_refused
from support.service import Browser, MakeService, Service

from flask_usher.views.next_page import next_page

DEFAULT = "/welcome"
LANDS = [
    "/",
    "/account",
    "/a/b/c",
    "/a/b/",
    "/account?tab=chat&x=//evil.test#top",
    "/a;b=c/d",
    "/%E6%97%A5",
    "/usher2",
    "/usherette/",
    "/x/usher/token",
]


def chosen(target: str, prefix: str = "/usher") -> str:
    return next_page(target, default=DEFAULT, prefix=prefix)


@pytest.fixture(scope="session")
def payloads() -> list[str]:
    table = sorted(hostile())
    assert len(table) > 600
    return table


@pytest.fixture
def visitor(service: Service) -> Browser:
    """A browser of somebody who has signed in."""
    assert service.origin == OWN
    return service.signed_in()


def test_row_146_no_hostile_target_is_taken(payloads: list[str]) -> None:
    assert [target for target in payloads if chosen(target) != DEFAULT] == []


@pytest.mark.parametrize("encoding", ["once", "twice", "all-of-it"])
def test_row_146_nor_is_one_that_is_encoded(payloads: list[str], encoding: str) -> None:
    encode = ENCODINGS[encoding]
    assert [target for target in payloads if chosen(encode(target)) != DEFAULT] == []


def test_row_146_the_answer_leads_where_the_check_says(
    visitor: Browser, payloads: list[str]
) -> None:
    for target in payloads[::25]:
        for encoded in (target, quote(target, safe="")):
            query = f"next={quote(encoded, safe='')}"
            answer = visitor.get("/usher/sign-in", query_string=query)
            assert answer.status_code == 303
            assert answer.headers.getlist("Location") == ["/"], target


@pytest.mark.parametrize(
    "query",
    [
        "",
        "next",
        "next=",
        "next=%ED%A0%80",
        "next=%FF/",
        "next=/%FF",
        "next=//evil.test&next=/account",
        "next=%2F%2Fevil.test",
        "next=%2F%5Cevil.test",
        "next=%2F%09%2Fevil.test",
        "next=%2Fx%0D%0AX-Evil:%201",
        "next[]=/account",
        "Next=/account",
        "next=/%61ccount%00",
        "next=/" + "x" * 2048,
        "next=+/account",
    ],
)
def test_row_147_queries_that_name_no_page(visitor: Browser, query: str) -> None:
    answer = visitor.get("/usher/sign-in", query_string=query)
    assert answer.headers.getlist("Location") == ["/"]
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/token",
        "/sign-in",
        "/sign-in?next=/account",
        "/sign-out",
        "/sign-out?next=/account",
        "/session",
        "/health/ready",
        "/static/usher.js",
        "/oidc/x/callback?code=1",
        "/nowhere",
        "#x",
        "?x",
        "/%74oken",
        "/sandbox",
        "/sandboxes/",
        "/sandbox/../token",
        "/sandbox/%2e%2e/token",
    ],
)
@pytest.mark.parametrize(
    "prefix", ["/usher", "/USHER", "/Usher", "/%75sher", "/us%68er", "/%55%53%48%45%52"]
)
def test_row_148_our_own_addresses_are_no_place_to_land(prefix: str, path: str) -> None:
    assert chosen(prefix + path) == DEFAULT


def test_row_148_the_default_page_is_the_operators_choice(make_service: MakeService) -> None:
    visitor = make_service(sign_ins={"default_next": DEFAULT}).signed_in()
    answer = visitor.get("/usher/sign-in", query_string={"next": "/usher/token"})
    assert answer.headers.getlist("Location") == [DEFAULT]


@pytest.mark.parametrize("prefix", ["/a", "/a/usher", "/A-b_c/1"])
def test_row_148_wherever_they_lie(prefix: str) -> None:
    assert chosen(f"{prefix}/token", prefix) == DEFAULT
    assert chosen(f"{prefix.lower()}/token", prefix) == DEFAULT
    assert chosen("/usher/token", prefix) == "/usher/token"


@pytest.mark.parametrize("mount", ["/shop", "/shop/de"])
def test_row_148_also_below_a_mount_point(service: Service, mount: str) -> None:
    browser = service.signed_in()
    for target, lands in [
        (f"{mount}/usher/sign-out", "/"),
        (f"{mount}/usher/token", "/"),
        (f"{mount}/account", f"{mount}/account"),
    ]:
        answer = browser.get(
            "/usher/sign-in",
            query_string={"next": target},
            environ_overrides={"SCRIPT_NAME": mount},
        )
        assert answer.headers["Location"] == lands


@pytest.mark.parametrize("target", LANDS)
def test_pages_of_this_site_are_where_one_lands(visitor: Browser, target: str) -> None:
    answer = visitor.get("/usher/sign-in", query_string={"next": target})
    assert answer.headers.getlist("Location") == [target]


@pytest.mark.parametrize(
    "query", [b"next=/\xff", b"next=/\xed\xa0\x80", "next=/\u00e9".encode(), b"\xff"]
)
def test_row_147_a_query_that_is_no_text(service: Service, query: bytes) -> None:
    sent = {"QUERY_STRING": query.decode("latin-1")}
    answer = service.browser().get("/usher/sign-in", environ_overrides=sent)
    assert_refused(answer, 400, "malformed-request", event="sign-in")


def test_row_147_the_longest_target() -> None:
    longest = "/" + "x" * 1023
    assert chosen(longest) == longest
    assert chosen(longest + "x") == DEFAULT


@pytest.mark.parametrize("target", ["//evil.test", "/\\evil.test", "/usher/token", f"{OWN}/x"])
def test_row_149_the_form_does_not_carry_what_was_turned_away(
    service: Service, target: str
) -> None:
    service.add_account("jane")
    browser = service.browser()
    page = browser.get("/usher/sign-in", query_string={"next": target})
    assert 'name="next" value="/"' in page.text
    # Whatever comes with the form is looked at once more.
    assert browser.sign_in("jane", next=target).headers.getlist("Location") == ["/"]


def test_row_147_what_is_taken_is_a_plain_path() -> None:
    taken = {t for t in random_targets(100_000, seed=1) if chosen(t) == t}
    assert len(taken) > 1000
    for target in taken:
        assert target.startswith("/")
        assert not target.startswith("//")
        assert target.isascii()
        assert target.isprintable()
        assert "\\" not in target
        path = target.partition("?")[0].partition("#")[0]
        assert not {".", ".."} & set(path.split("/"))
