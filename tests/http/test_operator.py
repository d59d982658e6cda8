"""The operator's page: for operators only, and nothing in it that a stranger wrote can act."""

from __future__ import annotations

import csv
import io
import os
import re
import socket
from typing import Any

import pytest
from support.outcomes import FAILED, granted, report
from support.refusals import assert_refused, assert_sealed
from support.service import Browser, MakeService, Service

from flask_usher.providers import accounts

PAGE, CSV = "/usher/operator", "/usher/operator/outcomes.csv"
STRANGE = "<script>alert(1)</script>\r\n\u202e=HYPERLINK(1)"


@pytest.fixture
def on(make_service: MakeService) -> Service:
    """A service with the page."""
    return make_service(operator={"group": "operators"})


def operator(service: Service, name: str = "olga") -> Browser:
    """Return the browser of somebody in the group."""
    browser = service.signed_in(name)
    with service.state.database.writing() as connection:
        table = accounts.table
        in_group = table.update().values(groups='["operators"]').where(table.c.name == name)
        connection.execute(in_group)
    return browser


@pytest.mark.parametrize("path", [PAGE, CSV])
def test_row_186_off_unless_the_settings_have_the_table(service: Service, path: str) -> None:
    for browser in (service.browser(), operator(service)):
        assert_refused(browser.get(path), 404, "not-found", event="request")


def test_nobody_yet_is_sent_to_the_sign_in_page_and_back(on: Service) -> None:
    browser = on.browser()
    answer = browser.get(f"{PAGE}?period=7d")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/usher/sign-in?next=/usher/operator?period%3D7d"
    assert browser.get(CSV).status_code == 303
    operator(on, "jane")
    browser.get(answer.headers["Location"])
    landed = browser.sign_in("jane", next=f"{PAGE}?period=7d")
    assert landed.headers["Location"] == f"{PAGE}?period=7d"


@pytest.mark.parametrize("path", [PAGE, CSV])
def test_who_is_not_in_the_group_is_refused(on: Service, path: str) -> None:
    answer = on.signed_in("jane").get(path)
    assert_sealed(answer, 403)
    assert answer.mimetype == "text/html"
    assert "for operators" in answer.text
    lines = [(line["event"], line["code"]) for line in answer.audit_lines]
    assert lines == [("operator", "operators-only")]


@pytest.mark.parametrize(("path", "code"), [(PAGE, "opened"), (CSV, "downloaded")])
def test_each_look_is_on_record(on: Service, path: str, code: str) -> None:
    answer = operator(on).get(path)
    assert answer.status_code == 200
    (line,) = answer.audit_lines
    assert (line["event"], line["code"]) == ("operator", code)
    assert line["subject"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_leaving_the_group_or_being_disabled_counts_at_once(on: Service) -> None:
    browser = operator(on)
    assert browser.get(PAGE).status_code == 200
    with on.state.database.writing() as connection:
        connection.execute(accounts.table.update().values(groups="[]"))
    assert browser.get(PAGE).status_code == 403
    with on.state.database.writing() as connection:
        connection.execute(accounts.table.update().values(active=False))
    assert browser.get(PAGE).status_code == 303


@pytest.mark.parametrize("period", ["1h", "1d", "7d", "90d", "", "1y", "<script>"])
def test_periods(on: Service, period: str) -> None:
    answer = operator(on).get(PAGE, query_string={"period": period})
    assert answer.status_code == 200
    current = re.findall(r'period=(\w+)" aria-current="page"', answer.text)
    assert current == [period if period in {"1h", "1d", "7d", "90d"} else "1d"]
    assert "<script" not in answer.text


def strange_outcomes(service: Service, browser: Browser) -> str:
    """Make some of everything; return the support id of a failure."""
    report(browser, granted(browser))
    report(browser, granted(browser), status="error", code="=1+1")
    support_id = granted(browser)
    report(browser, support_id, status="failed", reason=STRANGE)
    report(browser, granted(browser), **FAILED)
    service.browser().ask()
    assert service.state.outcomes.save()
    return support_id


def tile(text: str, name: str) -> str:
    """Return the number under a heading of the sums."""
    found = re.search(rf"<dt>{name}</dt><dd>([^<]+)", text)
    assert found is not None
    return found[1].strip()


def test_row_151_what_strangers_wrote_is_shown_and_does_nothing(on: Service) -> None:
    browser = operator(on)
    support_id = strange_outcomes(on, browser)
    answer = browser.get(PAGE)
    text = answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\r\\n\\u202e" in text
    for harmful in ("<script", "\u202e", "style=", "onload", "javascript:"):
        assert harmful not in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert support_id in text
    assert tile(text, "Tokens granted") == "4"
    assert tile(text, "Chats activated") == "1"
    assert tile(text, "Never activated") == "3"
    assert tile(text, "of these, iAdvize said no") == "2"
    assert tile(text, "Refused") == "1"


def test_row_151_no_cell_of_the_csv_is_a_formula(on: Service) -> None:
    browser = operator(on)
    strange_outcomes(on, browser)
    answer = browser.get(CSV)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="outcomes.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert sum(int(row[head.index("granted")]) for row in rows) == 4
    assert any("HYPERLINK" in name for name in head)
    assert not [it for row in (head, *rows) for it in row if it and it[0] in "=+-@\t\r"]


def test_the_state_of_the_service_without_its_secrets(on: Service) -> None:
    browser = operator(on)
    text = browser.get(PAGE).text
    settings = on.state.settings
    assert settings.token.signing_key[0].fingerprint in text
    assert settings.recipient_keys[0].fingerprint in text
    assert on.state.admission.policies.current().version in text
    on.state.presence.announce()
    assert f"worker {socket.gethostname()} {os.getpid()}" in browser.get(PAGE).text
    for hidden in (str(on.folder), settings.database.url, settings.token.signing_key[0].source):
        assert hidden not in text
    on.state.admission.pauses.pause("wrong <b>conversations</b>")
    paused = browser.get(PAGE).text
    assert "wrong &lt;b&gt;conversations" in paused
    assert "paused since" in paused


def test_the_page_needs_the_database_and_no_token(
    on: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = operator(on)

    def fail(*_: Any) -> None:
        raise AssertionError("the page mints nothing")

    monkeypatch.setattr("flask_usher.minter.Minter.mint", fail)
    assert browser.get(PAGE).status_code == 200
    with on.state.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE usher_outcomes")
    answer = browser.get(PAGE)
    assert answer.status_code == 503
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(on: Service, method: str) -> None:
    assert operator(on).ask("/operator", method=method).status_code == 405


@pytest.mark.parametrize("path", ["/operator/", "//operator", "/OPERATOR", "/operator;x"])
def test_row_183_no_other_spelling(on: Service, path: str) -> None:
    assert operator(on).get(f"/usher{path}").status_code == 404
