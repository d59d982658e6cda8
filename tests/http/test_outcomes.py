"""`POST /usher/outcomes`: what pages report is counted once, and nothing else is believed."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.outcomes import FAILED, FORM, failures, figures, granted, report
from support.refusals import assert_sealed
from support.server import free_port, serving
from support.service import ALLOWED_ORIGIN, Answer, Browser, LogText, MakeService, Service

from flask_usher.outcomes.tables import LONGEST_LABEL, Event, metadata

TOKEN = "eyJhbGciOiJSU0EtT0FFUC0yNTYi.c2VjcmV0.aXY.Y2lwaGVy.dGFn"


@pytest.fixture
def jane(service: Service) -> Browser:
    return service.signed_in("jane")


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """Check a refusal. Reports are no decisions: a bad one leaves no line in the audit log."""
    assert_sealed(answer, status)
    assert answer.members["code"] == code
    assert answer.audit_lines == []


def assert_nothing_counted(service: Service) -> None:
    counted = figures(service).counts.keys() - {Event.GRANTED, Event.REFUSED}
    assert counted == set()


def all_rows(service: Service) -> str:
    """Return every row of every table of outcomes, as text."""
    service.state.outcomes.save()
    with service.state.database.reading() as connection:
        return str([connection.execute(sa.select(it)).all() for it in metadata.sorted_tables])


def test_a_report_is_taken_and_joined_with_what_was_granted(
    service: Service, jane: Browser
) -> None:
    activated, failed, _ = granted(jane), granted(jane), granted(jane)
    answer = report(jane, activated)
    assert (answer.status_code, answer.data) == (202, b"")
    assert answer.headers["Cache-Control"] == "no-store"
    assert report(jane, failed, **FAILED).status_code == 202
    found = figures(service)
    assert found.total(Event.GRANTED) == 3
    assert found.of(Event.ACTIVATED) == {"secured": 1}
    assert found.of(Event.FAILED) == {"invalid-key": 1}
    assert (found.activated, found.never_activated, found.unreported) == (1, 2, 1)
    assert 58 < (found.median(Event.TOKEN_LIFE) or 0) <= 59
    assert 500 < (found.median(Event.ACTIVATED_MS) or 0) <= 650


def test_refusals_are_counted_by_code_and_without_any_report(service: Service) -> None:
    service.browser().ask()
    service.browser().ask()
    service.browser().ask(headers={"X-Usher-Client": None})
    expected = {"no-session": 2, "client-header-required": 1}
    assert figures(service).of(Event.REFUSED) == expected


def test_who_was_refused_reports_too(service: Service) -> None:
    browser = service.browser()
    support_id = browser.ask().members["support_id"]
    refused = report(browser, support_id, status="refused", code="no-session")
    assert refused.status_code == 202
    (failure,) = failures(service)
    assert (failure.support_id, failure.label) == (support_id, "no-session")
    assert failure.time == service.clock()


@pytest.mark.parametrize("status", ["activated", "failed", "refused", "error"])
@pytest.mark.parametrize("mode", ["secured", "anonymous"])
def test_every_status_and_mode(service: Service, jane: Browser, status: str, mode: str) -> None:
    assert report(jane, granted(jane), status=status, mode=mode).status_code == 202
    counted = figures(service)
    event = Event.REFUSAL_SEEN if status == "refused" else Event(status)
    assert counted.total(event) == 1
    assert counted.activated == int((status, mode) == ("activated", "secured"))


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("A valid authentication option must be provided", "invalid-option"),
        ("An activation is already ongoing", "already-ongoing"),
        ("A login is already ongoing", "already-ongoing"),
        ("Can't activate twice, please logout first", "activated-twice"),
        ("Can\u2019t activate twice, please logout first.", "activated-twice"),
        ("Failed to fetch authentication with a server error", "server-error"),
        ("Failed to authenticate visitor from credentials : 12", "credentials"),
        ("malformed token", "malformed-token"),
        ("Invalid key", "invalid-key"),
        ("expired token", "expired-token"),
        (None, "unstated"),
        ("  ", "unstated"),
        ("Clé invalide", '"Clé invalide"'),
        ("invalid-key", '"invalid-key"'),
        pytest.param("a\r\nb\x1b[31m", '"a\\r\\nb\\x1b[31m"', id="row151-line-breaks"),
        pytest.param("a\u2028b\x00\u202ec", '"a\\u2028b\\x00\\u202ec"', id="row151-unseen"),
        pytest.param("x" * 9000, '"' + "x" * 198 + '"', id="row153-long", marks=()),
        pytest.param("\x00" * 200, None, id="row151-only-unseen"),
        pytest.param(f"bad token {TOKEN}!", '"bad token [token]!"', id="row152-token"),
        pytest.param(f"header {TOKEN[:20]}", '"header [token]"', id="row152-half-a-token"),
    ],
)  # fmt: skip
def test_row_151_reasons_become_labels_of_one_line(
    service: Service, jane: Browser, reason: str | None, label: str | None
) -> None:
    body = FORM | {"support_id": granted(jane), "status": "failed"}
    # Over 2 KB nothing is read; a reason is cut off long before.
    short = None if reason is None else reason[:1500]
    raw = json.dumps(body | {"reason": short}, ensure_ascii=False).encode()
    assert jane.ask("/outcomes", data=raw).status_code == 202
    (found,) = figures_by_label(service, Event.FAILED)
    (failure,) = failures(service)
    assert found == failure.label
    assert len(found) <= LONGEST_LABEL
    assert found.isprintable()
    if label is not None:
        assert found == label


def figures_by_label(service: Service, event: Event) -> Counter[str]:
    """Return the counters as they are stored, with the texts of strangers."""
    service.state.outcomes.save()
    table = metadata.tables["usher_outcomes"]
    statement = sa.select(table.c.label, table.c.count).where(table.c.event == event)
    with service.state.database.reading() as connection:
        return Counter(dict(connection.execute(statement).all()))  # type: ignore[arg-type]


def test_row_152_a_whole_callback_object_leaves_no_token(
    service: Service, jane: Browser, log: LogText
) -> None:
    answer = jane.ask()
    token = answer.members["token"]
    callback = {
        "authentication": {
            "option": {"type": "SECURED_AUTHENTICATION", "token": token[:600]},
            "status": "authentication-failure",
            "reason": "invalid key",
        }
    }
    sent = report(jane, answer.members["support_id"], **FAILED, **callback, token=token[:200])
    assert sent.status_code == 202
    rows = all_rows(service)
    assert "invalid-key" in rows
    for text in (rows, log.text, service.audit_file.read_text()):
        assert "eyJ" not in text
        assert token[:40] not in text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"status": "great"}, 400, id="row153-unknown-status"),
        pytest.param({"status": None}, 400, id="row153-no-status"),
        pytest.param({"status": ["failed"]}, 400, id="row153-status-list"),
        pytest.param({"status": {"a": 1}}, 400, id="row153-status-object"),
        pytest.param({"v": 2}, 400, id="version"),
        pytest.param({"v": "1"}, 400, id="version-text"),
        pytest.param({"mode": "secret"}, 400, id="mode"),
        pytest.param({"mode": {}}, 400, id="mode-object"),
        pytest.param({"reason": 5}, 400, id="reason-number"),
        pytest.param({"code": ["x"]}, 400, id="code-list"),
        pytest.param({"timings": [1]}, 400, id="timings-list"),
        pytest.param({"timings": {"token_ms": "8"}}, 400, id="timing-text"),
        pytest.param({"timings": {"token_ms": True}}, 400, id="timing-bool"),
        pytest.param({"token_remaining_s": "60"}, 400, id="remaining-text"),
        pytest.param({"support_id": 7}, 400, id="support-id-number"),
        pytest.param({"extra": 1, "authentication": {"x": []}}, 202, id="row153-extra-keys"),
        pytest.param({"timings": {"token_ms": -5, "activated_ms": 10**12}}, 202, id="absurd"),
        pytest.param({"timings": None, "token_remaining_s": -(10**9)}, 202, id="no-timings"),
        pytest.param({"token_remaining_s": -3}, 202, id="expired-on-arrival"),
    ],
)
def test_what_is_reported_has_one_form(
    service: Service, jane: Browser, changes: dict[str, Any], status: int
) -> None:
    answer = report(jane, granted(jane), **changes)
    assert answer.status_code == status
    if status == 202:
        assert figures(service).activated == 1
        return
    assert_problem(answer, 400, "malformed-request")
    assert_nothing_counted(service)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "malformed-request", id="empty"),
        pytest.param(b"[]", 400, "malformed-request", id="list"),
        pytest.param(b"{}", 400, "malformed-request", id="nothing-in-it"),
        pytest.param(b"{" * 900, 400, "malformed-request", id="deep"),
        pytest.param(b'{"v": NaN}', 400, "malformed-request", id="nan"),
        pytest.param(b'{"v": 1, "v": 1}', 400, "malformed-request", id="twice"),
        pytest.param(b"\xff\xfe{\x00", 400, "malformed-request", id="utf-16"),
        pytest.param(b"{%s}" % (b" " * 2047), 413, "content-too-large", id="row153-2-kb"),
        pytest.param(b" " * 17000, 413, "content-too-large", id="row153-16-kb"),
    ],
)
def test_row_153_bodies(
    service: Service, jane: Browser, body: bytes, status: int, code: str
) -> None:
    answer = jane.ask("/outcomes", data=body)
    assert_sealed(answer, status)
    assert answer.members["code"] == code
    assert_nothing_counted(service)


def test_row_153_after_thirty_in_a_minute_one_browser_is_refused(
    service: Service, jane: Browser
) -> None:
    sam = service.signed_in("sam")
    ids = [granted(jane) for _ in range(40)]
    statuses = Counter(report(jane, support_id).status_code for support_id in ids)
    assert statuses == {202: 30, 429: 10}
    refused = report(jane, ids[0])
    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == "60"
    assert report(sam, granted(sam)).status_code == 202
    before = service.audit_size()
    for _ in range(1000):
        assert report(jane, ids[0]).status_code == 429
    assert service.audit_size() == before
    assert figures(service).activated == 31
    service.clock.advance(61)
    assert report(jane, ids[35]).status_code == 202


@pytest.mark.parametrize("cookies", [True, False], ids=["changing-cookies", "no-cookie"])
def test_row_153_behind_one_address_there_is_a_limit_too(
    make_service: MakeService, cookies: bool
) -> None:
    service = make_service(limits={"reports_per_address": "40 per 60 seconds"})
    statuses: Counter[int] = Counter()
    for number in range(50):
        browser = service.browser()
        if cookies:
            browser.show(f"made-up-{number}")
        statuses[report(browser, "AAAAA-AAAAA").status_code] += 1
    assert statuses == ({404: 40, 429: 10} if cookies else {404: 30, 429: 20})


def test_row_154_a_second_report_is_taken_and_not_counted(
    service: Service, jane: Browser
) -> None:
    support_id = granted(jane)
    for _ in range(3):
        assert report(jane, support_id).status_code == 202
    assert report(jane, support_id, **FAILED).status_code == 202
    assert figures(service).activated == 1
    assert report(jane, support_id, **FAILED).status_code == 202
    counted = figures(service)
    assert (counted.activated, counted.total(Event.FAILED)) == (1, 0)
    assert failures(service) == []


def changed(support_id: str) -> str:
    """Return another id that looks the same."""
    return support_id[:-1] + ("0" if support_id[-1] != "0" else "1")


def test_row_154_unknown_old_and_other_peoples_ids_are_one_answer(
    service: Service, jane: Browser
) -> None:
    sam = service.signed_in("sam")
    support_id, old = granted(jane), granted(jane)
    answers = [
        report(jane, changed(support_id)),
        report(jane, ""),
        report(jane, support_id.lower()),
        report(jane, "7XK2M-9QFT" + "\u0664"),
        report(sam, support_id),
        report(service.browser(), support_id),
    ]
    service.clock.advance(20 * 60)
    answers.append(report(jane, old))
    told = set()
    for answer in answers:
        assert_problem(answer, 404, "not-found")
        told.add(json.dumps(answer.members | {"support_id": None}))
    assert len(told) == 1
    assert_nothing_counted(service)


def test_row_154_a_report_changes_nothing_on_record(service: Service, jane: Browser) -> None:
    support_id = granted(jane)
    before = service.audit_file.read_bytes()
    report(jane, support_id, **FAILED)
    failures(service)
    assert service.audit_file.read_bytes() == before


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"Origin": "https://evil.test"}, "cross-origin", id="row154-origin"),
        pytest.param({"Origin": "null"}, "cross-origin", id="row154-null"),
        pytest.param({"X-Usher-Client": None}, "client-header-required", id="row154-client"),
        pytest.param({"Sec-Fetch-Mode": "no-cors"}, "cross-origin", id="row154-no-cors"),
        pytest.param({"Sec-Purpose": "prefetch"}, "cross-origin", id="row154-prefetch"),
    ],
)
def test_row_154_only_allowed_pages_report(
    service: Service, jane: Browser, headers: dict[str, Any], code: str
) -> None:
    answer = report(jane, granted(jane), headers=headers)
    assert_sealed(answer, 403)
    assert answer.members["code"] == code
    assert_nothing_counted(service)


def test_a_beacon_without_a_preflight_is_refused(service: Service, jane: Browser) -> None:
    raw = json.dumps(FORM | {"support_id": granted(jane)})
    answer = jane.ask("/outcomes", data=raw, headers={"Content-Type": "text/plain"})
    assert_problem(answer, 415, "unsupported-media-type")


def test_an_allowed_page_of_another_origin_reports(service: Service, jane: Browser) -> None:
    headers = {"Origin": ALLOWED_ORIGIN, "Sec-Fetch-Site": "same-site"}
    preflight = jane.open(
        "/usher/outcomes",
        method="OPTIONS",
        headers=headers | {"Access-Control-Request-Method": "POST"},
    )
    assert preflight.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
    assert "X-Usher-Client" in preflight.headers["Access-Control-Allow-Headers"]
    answer = report(jane, granted(jane), headers=headers)
    assert answer.status_code == 202
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(service: Service, method: str) -> None:
    answer = service.browser().ask("/outcomes", method=method)
    assert_sealed(answer, 405)
    assert answer.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    "path", ["/outcomes/", "//outcomes", "/OUTCOMES", "/outcomes;x", "/outcomes%2f"]
)
def test_row_183_no_other_spelling(service: Service, jane: Browser, path: str) -> None:
    raw = json.dumps(FORM | {"support_id": granted(jane)}).encode()
    answer = jane.ask(path, data=raw)
    assert_sealed(answer, 404)
    assert_nothing_counted(service)


def test_a_database_that_is_away_costs_reports_and_no_tokens(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, log: LogText
) -> None:
    service = make_service()
    jane = service.signed_in("jane")
    monkeypatch.setattr("flask_usher.outcomes.recorder.MOST_REPORTS", 2)
    ids = [granted(jane) for _ in range(3)]
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE usher_outcomes RENAME TO away")
    assert [report(jane, it).status_code for it in ids[:2]] == [202, 202]
    assert not service.state.outcomes.save()
    refused = report(jane, ids[2])
    assert_problem(refused, 503, "store-unavailable")
    assert refused.headers["Retry-After"] == "5"
    assert jane.ask().status_code == 200
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO usher_outcomes")
    counted = figures(service)
    assert (counted.total(Event.GRANTED), counted.activated) == (4, 2)
    assert report(jane, ids[2]).status_code == 202
    assert "can't be saved" in log.text
    assert "saved again" in log.text


def test_the_token_path_writes_nothing(service: Service, jane: Browser) -> None:
    granted(jane)
    statements: list[str] = []
    engines = (service.state.database.engine, service.state.database._read_engine)

    def seen(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        # Others are of the thread in the background.
        if threading.current_thread() is threading.main_thread():
            statements.append(statement.split()[0])

    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", seen)
    try:
        granted(jane)
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", seen)
    assert set(statements) == {"SELECT"}
    assert len(statements) <= 3


@pytest.mark.slow
def test_what_two_workers_count_comes_together_and_ends_well(
    make_service: MakeService, tmp_path: Path
) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    service = make_service(public_url=origin, allowed_origins=[])
    request = (
        f"POST /usher/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Usher-Client: test/1\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    ).encode()
    with serving(service, port, tmp_path / "log", workers=2) as server:
        for _ in range(60):
            assert server.statuses(request) == [401]
    # Told to stop a moment after the last one, and long before anything was due to be saved.
    assert figures(service).of(Event.REFUSED) == {"no-session": 60}
