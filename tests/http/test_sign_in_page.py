# ruff: noqa: RUF001 (letters that look alike are the point)
"""The sign-in page: its form, its refusals, and what it keeps to itself."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from support.refusals import assert_page_refused, assert_refused
from support.service import PASSWORD, Answer, Browser, MakeService, Service, form_token

HOSTILE = [
    pytest.param("", id="empty"),
    pytest.param(" ", id="space"),
    pytest.param("\0", id="row27-nul"),
    pytest.param("jane\0", id="row27-trailing-nul"),
    pytest.param("\0jane", id="row27-leading-nul"),
    pytest.param("😀", id="row27-emoji"),
    pytest.param("𝕁𝕒𝕟𝕖𝕊", id="row27-four-byte-letters"),
    pytest.param("\ufffe\uffff", id="row27-noncharacters"),
    pytest.param("\U0010ffff", id="row27-last-code-point"),
    pytest.param("' OR 1=1--", id="row36-sql"),
    pytest.param("jane'; DROP TABLE usher_accounts; --", id="row36-sql-drop"),
    pytest.param("{{7*7}}", id="row36-template"),
    pytest.param("{% raw %}", id="row36-template-block"),
    pytest.param("${jndi:ldap://127.0.0.1/a}", id="row36-jndi"),
    pytest.param('"><script>alert(1)</script>', id="row36-script"),
    pytest.param("' autofocus onfocus=alert(1) x='", id="row36-attribute"),
    pytest.param("</title></head><base href=//evil.test>", id="row36-base"),
    pytest.param("%0d%0aSet-Cookie:%20a=b", id="row36-encoded-line-break"),
    pytest.param("a\r\nSet-Cookie: a=b", id="row36-line-break"),
    pytest.param('a"}\n{"event": "token", "code": "issued"}', id="row36-forged-line"),
    pytest.param("\x1b[2J\x1b[31m", id="row36-terminal"),
    pytest.param("a\u2028b\u2029c\x85d", id="row36-unicode-line-breaks"),
    pytest.param("\u202ejane", id="row26-right-to-left-override"),
    pytest.param("ja\u200bne", id="row26-zero-width"),
    pytest.param("ja\u00adne", id="row26-soft-hyphen"),
    pytest.param("jаne", id="row26-cyrillic"),
    pytest.param("JANE\u0130", id="row26-turkish-i"),
    pytest.param("jane\u05d0", id="row26-mixed-direction"),
    pytest.param("../../etc/passwd", id="path"),
    pytest.param("x" * 256, id="256-characters"),
    pytest.param("x" * 8000, id="8000-characters"),
]


def shown_name(page: Answer) -> str:
    """Return the user name as it stands in the form."""
    found = re.search(r'id="username" name="username" value="([^"]*)"', page.text)
    assert found is not None
    return unescape(found[1])


def cookies_set(answer: Answer) -> list[str]:
    return [name for name, _ in answer.cookies]


@pytest.fixture
def jane(service: Service) -> Browser:
    """A browser of jane, who has an account and has not signed in."""
    service.add_account("jane")
    return service.browser()


def test_signing_in(service: Service, jane: Browser) -> None:
    answer = jane.sign_in()
    assert answer.status_code == 303
    assert answer.headers.getlist("Location") == ["/"]
    assert jane.user_id() == service.user_id_of("jane")
    (line,) = answer.audit_lines
    assert (line["event"], line["code"]) == ("sign-in", "signed-in")


def test_who_is_signed_in_is_sent_on(service: Service) -> None:
    answer = service.signed_in().get(f"{service.prefix}/sign-in?next=/account")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("jane", "wrong-password-1", "wrong-password"),
        ("nobody", PASSWORD, "unknown-account"),
        ("sam", PASSWORD, "account-disabled"),
        ("sam", "wrong-password-1", "wrong-password"),
        ("jane", "", "malformed"),
        ("", "", "malformed"),
        (None, None, "malformed"),
    ],
)
def test_outside_every_failure_looks_the_same(
    service: Service, jane: Browser, username: str, password: str, reason: str
) -> None:
    service.add_account("sam", active=False)
    plain = jane.sign_in("jane", "another-wrong-1")
    answer = jane.sign_in(username, password)
    assert_page_refused(answer, 401, "sign-in-failed")
    assert answer.audit_lines[0]["reason"] == reason
    changing = r'(name="(?:form_token|username)" value=)"[^"]*"|\s+autofocus'
    assert re.sub(changing, "", answer.text) == re.sub(changing, "", plain.text)
    assert answer.headers["WWW-Authenticate"] == plain.headers["WWW-Authenticate"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_fail_like_any_other(service: Service, jane: Browser, text: str) -> None:
    answer = jane.sign_in(text)
    assert_page_refused(answer, 401, "sign-in-failed")
    assert shown_name(answer).replace("\r\n", "\n") == text.replace("\r\n", "\n")
    assert answer.text.count("<script") == answer.text.count("<base") == 0
    assert "alert(1)<" not in answer.text
    assert "49" not in re.sub(r'value="[^"]*"', "", answer.text)
    assert set(cookies_set(answer)) == {"__Host-usher-form"}
    (line,) = service.audit_file.read_bytes().split(b"\n")[:-1]
    assert json.loads(line)["account"].isalnum()
    assert line.isascii()
    assert jane.cookie() is None


@pytest.mark.postgresql
def test_row_27_hostile_names_fail_on_postgresql_too(postgresql_service: Service) -> None:
    postgresql_service.add_account("jane")
    for text in (parameter.values[0] for parameter in HOSTILE):
        browser = postgresql_service.browser()
        answer = browser.sign_in(str(text))
        assert_page_refused(answer, 401, "sign-in-failed")
        postgresql_service.clock.advance(301)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_passwords_fail_like_any_other(
    service: Service, jane: Browser, text: str
) -> None:
    service.secrets.add(text)
    answer = jane.send_form(jane.form_token(), username="jane", password=text)
    assert_page_refused(answer, 401, "sign-in-failed")
    assert jane.cookie() is None


@pytest.mark.parametrize("field", ["username", "password", "form_token", "next"])
@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"%ED%A0%80", id="row27-encoded-surrogate"),
        pytest.param(b"\xed\xa0\x80", id="row27-raw-surrogate"),
        pytest.param(b"%FF%FE", id="row27-invalid-utf-8"),
        pytest.param(b"\xff", id="row27-raw-byte"),
        pytest.param(b"%C0%80", id="row27-overlong-nul"),
        pytest.param(b"%", id="row27-lone-percent"),
        pytest.param(b"%u0041", id="row27-percent-u"),
        pytest.param(b"%00", id="row27-nul"),
    ],
)
@pytest.mark.parametrize("shape", ["urlencoded", "multipart"])
def test_hostile_bytes_are_no_error_of_ours(
    jane: Browser, field: str, encoded: bytes, shape: str
) -> None:
    fields = {
        "form_token": jane.form_token().encode(),
        "username": b"jane",
        "password": b"wrong-password-1",
        field: encoded,
    }
    if shape == "urlencoded":
        body = b"&".join(name.encode() + b"=" + text for name, text in fields.items())
        content_type = "application/x-www-form-urlencoded"
    else:
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            % (name.encode(), text)
            for name, text in fields.items()
        )
        body += b"--x--\r\n"
        content_type = "multipart/form-data; boundary=x"
    answer = jane.post(
        f"{jane.service.prefix}/sign-in", data=body, headers={"Content-Type": content_type}
    )
    # Bytes that are no text make the whole of an urlencoded body worth nothing.
    unreadable = shape == "urlencoded" and not encoded.isascii()
    if field == "form_token" or unreadable:
        assert_page_refused(answer, 400, "form-expired")
    else:
        assert_page_refused(answer, 401, "sign-in-failed")


@pytest.mark.parametrize(
    ("size", "character", "reason"),
    [
        pytest.param(64, "a", "wrong-password", id="row28-64"),
        pytest.param(1024, "a", "wrong-password", id="row28-1024"),
        pytest.param(512, "\u00e9", "wrong-password", id="row28-1024-bytes"),
        pytest.param(1025, "a", "malformed", id="row28-1025"),
        pytest.param(513, "\u00e9", "malformed", id="row28-1026-bytes"),
        pytest.param(16_000, "a", "malformed", id="row28-16000"),
    ],
)
def test_long_passwords(jane: Browser, size: int, character: str, reason: str) -> None:
    answer = jane.sign_in("jane", character * size)
    assert_page_refused(answer, 401, "sign-in-failed")
    assert answer.audit_lines[0]["reason"] == reason


@pytest.mark.parametrize("size", [64, 72, 73, 1024])
def test_row_28_nothing_of_a_password_is_cut_off(service: Service, size: int) -> None:
    account = service.add_account("jane")
    service.set_password(account, "p" * (size - 1) + "1")
    assert service.browser().sign_in("jane", "p" * (size - 1) + "2").status_code == 401
    assert service.browser().sign_in("jane", "p" * (size - 1)).status_code == 401
    assert service.browser().sign_in("jane", "p" * (size - 1) + "1").status_code == 303


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        pytest.param(
            b"username=" + b"x" * 16_400,
            "application/x-www-form-urlencoded",
            413,
            "content-too-large",
            id="row29-over-16-kb",
        ),
        pytest.param(
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb' * 1,
            "multipart/form-data; boundary=x",
            400,
            "form-expired",
            id="row29-unterminated",
        ),
        pytest.param(
            b"--x\r\n\r\n" + b"\r\n" * 4000,
            "multipart/form-data; boundary=x",
            400,
            "form-expired",
            id="row29-part-of-line-breaks",
        ),
        pytest.param(
            b"--x\n" + b"\r" * 8000 + b"\n--x--",
            "multipart/form-data; boundary=x",
            400,
            "form-expired",
            id="row29-part-of-carriage-returns",
        ),
        pytest.param(
            b"a=&" * 1001,
            "application/x-www-form-urlencoded",
            400,
            "form-expired",
            id="row29-1001-fields",
        ),
        pytest.param(
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' * 280,
            "multipart/form-data; boundary=x",
            400,
            "form-expired",
            id="row29-280-parts",
        ),
        pytest.param(
            b'--\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n----\r\n',
            "multipart/form-data; boundary=",
            400,
            "form-expired",
            id="row29-empty-boundary",
        ),
        pytest.param(b"x", "multipart/form-data", 400, "form-expired", id="row29-no-boundary"),
        pytest.param(b"{}", "application/json", 400, "form-expired", id="json"),
        pytest.param(b"a=b", "text/plain", 400, "form-expired", id="text"),
        pytest.param(b"", "", 400, "form-expired", id="empty"),
    ],
)
def test_forms_that_are_none(
    jane: Browser, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = jane.post(
        f"{jane.service.prefix}/sign-in", data=body, headers={"Content-Type": content_type}
    )
    if status == 413:
        assert_refused(answer, status, code, event="sign-in")
    else:
        assert_page_refused(answer, status, code)


@pytest.mark.parametrize("parts", [200, 1001])
def test_row_29_many_small_parts(jane: Browser, parts: int) -> None:
    part = b"--x\r\nContent-Disposition:form-data;name=a\r\n\r\n\r\n"
    answer = jane.post(
        f"{jane.service.prefix}/sign-in",
        data=part * parts + b"--x--",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code in {400, 413}


def test_row_29_an_uploaded_file_is_no_field(jane: Browser) -> None:
    token = jane.form_token()
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
        % (name, text)
        for name, text in [
            (b"form_token", token.encode()),
            (b"username", b"jane"),
            (b"password", PASSWORD.encode()),
        ]
    )
    answer = jane.post(
        f"{jane.service.prefix}/sign-in",
        data=body + b"--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert_page_refused(answer, 400, "form-expired")


def test_row_33_without_cookies_nobody_gets_in_and_nothing_loops(service: Service) -> None:
    service.add_account("jane")
    token = service.browser().form_token()
    for _ in range(3):
        forgetful = service.browser()
        answer = forgetful.send_form(
            token, username="jane", password=PASSWORD, next="/account?a=b"
        )
        assert_page_refused(answer, 400, "form-expired")
        assert "cookies are blocked" in answer.text
        assert shown_name(answer) == "jane"
        assert PASSWORD not in answer.text
        assert 'name="next" value="/account?a=b"' in answer.text
        token = form_token(answer)


@pytest.mark.parametrize("hours", [12.01, 24, 24 * 365])
def test_row_33_an_old_form_works_at_the_second_try(jane: Browser, hours: float) -> None:
    token = jane.form_token()
    jane.service.clock.advance(hours * 3600)
    answer = jane.send_form(token, username="jane", password=PASSWORD, next="/account")
    assert_page_refused(answer, 400, "form-expired")
    again = jane.send_form(form_token(answer), username=shown_name(answer), password=PASSWORD)
    assert again.status_code == 303


def test_row_33_a_form_that_is_nearly_old_still_works(jane: Browser) -> None:
    token = jane.form_token()
    jane.service.clock.advance(11.9 * 3600)
    assert jane.send_form(token, username="jane", password=PASSWORD).status_code == 303


def test_row_33_hosts_whose_clocks_differ_take_each_others_forms(jane: Browser) -> None:
    token = jane.form_token()
    jane.service.clock.advance(-30)
    assert jane.send_form(token, username="jane", password=PASSWORD).status_code == 303


def test_row_33_a_form_from_before_the_clock_was_set_back(jane: Browser) -> None:
    token = jane.form_token()
    jane.service.clock.advance(-3600)
    answer = jane.send_form(token, username="jane", password=PASSWORD)
    assert_page_refused(answer, 400, "form-expired")


def test_row_34_a_form_of_another_browser(service: Service, jane: Browser) -> None:
    attackers = service.browser().form_token()
    jane.form_token()
    answer = jane.send_form(attackers, username="jane", password=PASSWORD)
    assert_page_refused(answer, 400, "form-expired")
    assert jane.cookie() is None


def test_row_34_a_form_is_good_for_one_sign_in(jane: Browser) -> None:
    token = jane.form_token()
    assert jane.send_form(token, username="jane", password=PASSWORD).status_code == 303
    jane.sign_out()
    answer = jane.send_form(token, username="jane", password=PASSWORD)
    assert_page_refused(answer, 400, "form-expired")


def test_row_34_a_form_that_another_key_has_signed(make_service: MakeService) -> None:
    service, other = make_service(), make_service()
    service.add_account("jane")
    forger = other.browser()
    token = forger.form_token()
    browser = service.browser()
    browser.show(forger.cookie("__Host-usher-form") or "", "__Host-usher-form")
    answer = browser.send_form(token, username="jane", password=PASSWORD)
    assert_page_refused(answer, 400, "form-expired")


def test_row_34_what_was_planted_before_the_sign_in_is_replaced(service: Service) -> None:
    service.add_account("jane")
    browser = service.browser()
    token = browser.form_token()
    planted = service.signed_in("mallory").cookie()
    assert planted is not None
    browser.show(planted)
    assert browser.send_form(token, username="jane", password=PASSWORD).status_code == 303
    assert browser.user_id() == service.user_id_of("jane")
    thief = service.browser()
    thief.show(planted)
    assert_refused(thief.ask(), 401, "no-session")


@pytest.mark.parametrize("value", ["x", "A" * 43, "", "%00", "a b", '"quoted"'])
def test_row_34_a_made_up_cookie_becomes_nobodys_sign_in(service: Service, value: str) -> None:
    service.add_account("jane")
    browser = service.browser()
    browser.show(value)
    assert browser.sign_in("jane").status_code == 303
    thief = service.browser()
    thief.show(value)
    assert_refused(thief.ask(), 401, "no-session")


@pytest.mark.parametrize("name", ["admin", "root", "jane", "usher"])
@pytest.mark.parametrize("password", ["admin", "usher"])
def test_row_37_there_is_no_default_account(service: Service, name: str, password: str) -> None:
    answer = service.browser().sign_in(name, password)
    assert_page_refused(answer, 401, "sign-in-failed")


@pytest.mark.parametrize(
    "path",
    ["/sign-up", "/register", "/accounts", "/users", "/setup", "/admin", "/sandbox/accounts"],
)
def test_row_37_no_account_is_made_over_http(service: Service, path: str) -> None:
    answer = service.browser().ask(path)
    assert_refused(answer, 404, "not-found", event="request")


def test_signing_out(service: Service) -> None:
    browser = service.signed_in()
    answer = browser.sign_out()
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert [line["code"] for line in answer.audit_lines] == ["signed-out"]
    assert browser.cookie() is None
    assert_refused(browser.ask(), 401, "no-session")


def test_signing_out_with_a_form(service: Service) -> None:
    browser = service.signed_in()
    answer = browser.post(f"{service.prefix}/sign-out", data={"next": "/bye"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/bye")
    assert_refused(browser.ask(), 401, "no-session")


def test_signing_out_without_being_signed_in(service: Service) -> None:
    answer = service.browser().sign_out()
    assert answer.status_code == 204
    assert answer.audit_lines == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_signing_out_takes_a_post(service: Service, method: str) -> None:
    browser = service.signed_in()
    answer = browser.ask("/sign-out", method=method)
    assert_refused(answer, 405, "method-not-allowed", event="sign-out")
    assert browser.ask().status_code == 200


def test_session_says_whether_somebody_is_signed_in(service: Service) -> None:
    path = f"{service.prefix}/session"
    assert service.browser().get(path).members == {"signed_in": False}
    expected = {
        "signed_in": True,
        "provider": "local",
        "expires_at": int(service.clock()) + 30 * 60,
    }
    members = service.signed_in().get(path).members
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", members.pop("visitor"))
    assert members == expected
