"""Signals for host apps: what they say, what they never say, and what a bad receiver can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from blinker import Signal
from flask import Flask, abort
from parts import ROOT
from support.refusals import assert_refused
from support.service import PASSWORD, MakeService, Service

from flask_usher import (
    Visit,
    current_state,
    sign_in_failed,
    signed_in,
    signed_out,
    token_issued,
    token_refused,
)

SIGNALS = {
    "token_issued": token_issued,
    "token_refused": token_refused,
    "signed_in": signed_in,
    "sign_in_failed": sign_in_failed,
    "signed_out": signed_out,
}
Connect = Callable[[Signal, Callable[..., Any]], None]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect receivers until the test ends."""
    connected: list[tuple[Signal, Callable[..., Any]]] = []

    def connect(signal: Signal, receiver: Callable[..., Any]) -> None:
        signal.connect(receiver)
        connected.append((signal, receiver))

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.fixture
def received(connect: Connect) -> list[tuple[str, Flask, dict[str, Any]]]:
    """Every signal that was sent: its name, the sender and what it says."""
    found: list[tuple[str, Flask, dict[str, Any]]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda sender, **values: found.append((name, sender, values))

    for name, signal in SIGNALS.items():
        connect(signal, note(name))
    return found


def test_a_visit_from_sign_in_to_sign_out(
    service: Service, received: list[tuple[str, Flask, dict[str, Any]]]
) -> None:
    service.add_account("jane")
    browser = service.browser()
    browser.sign_in("jane", "a wrong password")
    browser.sign_in("jane")
    browser.ask()
    browser.sign_out()
    browser.ask()
    assert [name for name, _, _ in received] == [
        "sign_in_failed",
        "signed_in",
        "token_issued",
        "signed_out",
        "token_refused",
    ]
    assert {sender for _, sender, _ in received} == {service.app}
    failed, entered, issued, left, refused = (values for _, _, values in received)
    assert (failed["code"], failed["provider"]) == ("sign-in-failed", "local")
    jane = entered["identity"]
    assert jane.claims["email"] == "jane@mail.example"
    assert issued["identity"].subject == jane.subject
    assert issued["expires_at"] == service.clock.now + 60
    assert (left["provider"], left["subject"]) == ("local", jane.subject)
    assert (refused["code"], refused["identity"]) == ("no-session", None)


def test_it_names_the_audit_line_and_comes_after_it(service: Service, connect: Connect) -> None:
    lines: list[tuple[str, list[str]]] = []

    def look(sender: Flask, visit: Any, **values: Any) -> None:
        written = [line["support_id"] for line in service.audit_lines()]
        lines.append((visit.support_id, written))

    connect(token_issued, look)
    connect(token_refused, look)
    service.signed_in().ask()
    service.browser().ask()
    assert [written[-1] for _, written in lines] == [support_id for support_id, _ in lines]
    assert len(lines) == 2


def test_nothing_is_said_of_what_is_not_on_record(
    make_service: MakeService, received: list[Any]
) -> None:
    service = make_service(audit={"file": "/dev/full"})
    browser = service.signed_in()
    assert browser.ask().status_code == 503
    service.add_account("sam")
    service.browser().sign_in("sam")
    browser.sign_out()
    assert received == []


def test_a_refusal_at_the_door_is_one_too(service: Service, received: list[Any]) -> None:
    service.signed_in().ask(headers={"Origin": "https://evil.example"})
    service.signed_in().ask("/nowhere")
    assert [(name, values["code"]) for name, _, values in received] == [
        ("token_refused", "cross-origin")
    ]


def test_no_token_no_cookie_and_no_password_is_in_any(
    service: Service, received: list[tuple[str, Flask, dict[str, Any]]]
) -> None:
    service.add_account("jane")
    browser = service.browser()
    browser.sign_in("jane", "a wrong password")
    browser.sign_in("jane")
    cookie, token = browser.cookie(), browser.ask().members["token"]
    browser.sign_out()
    assert len(received) == 4
    for secret in (cookie, token, PASSWORD, "a wrong password"):
        assert str(secret) not in repr(received)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda: {}["key"], id="error"),
        pytest.param(lambda: abort(403), id="abort"),
        pytest.param(lambda: int("x" * 5), id="value-error"),
    ],
)
def test_a_receiver_that_raises_changes_no_decision(
    service: Service, connect: Connect, received: list[Any], log: Any, fault: Any
) -> None:
    def fail(sender: Flask, **values: Any) -> None:
        fault()

    for signal in SIGNALS.values():
        connect(signal, fail)
    service.add_account("jane")
    browser = service.browser()
    assert browser.sign_in("jane").status_code == 303
    assert browser.ask().status_code == 200
    answer = service.browser().ask()
    assert_refused(answer, 401, "no-session")
    assert browser.sign_out().status_code == 204
    assert len(received) == 4
    assert answer.members["support_id"] in log.text
    assert len(service.issued()) == 1


def test_a_receiver_works_in_the_request(service: Service, connect: Connect) -> None:
    seen: list[Any] = []

    def look(sender: Flask, **values: Any) -> None:
        seen.append(current_state())

    connect(token_issued, look)
    service.signed_in().ask()
    assert seen == [service.state]


def test_a_receiver_of_one_app_hears_nothing_of_another(service: Service) -> None:
    found: list[Any] = []

    def note(sender: Flask, **values: Any) -> None:
        found.append(sender)

    other = Flask("other")
    with token_refused.connected_to(note, sender=other):
        service.browser().ask()
    assert found == []
    with token_refused.connected_to(note, sender=service.app):
        service.browser().ask()
    assert found == [service.app]


def test_a_muted_signal_is_not_sent(service: Service, received: list[Any]) -> None:
    with token_refused.muted():
        service.browser().ask()
    assert received == []


def test_other_lines_send_none(service: Service, received: list[Any]) -> None:
    visit = Visit(support_id="-", address="command line", site=None)
    service.state.audit.write("revocation", "sign-ins-ended", visit, count=2)
    assert received == []


def test_the_example_in_the_documentation(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/signals.md").read_text(), re.S
    )
    service = make_service()
    monkeypatch.setattr("flask_usher.Usher", lambda app: None)
    monkeypatch.setattr("flask.Flask", lambda name: service.app)
    names: dict[str, Any] = {"__name__": "example"}
    exec(example, names)
    service.signed_in().ask()
    service.browser().ask()
    assert names["outcomes"] == {("issued", "local"): 1, ("refused", "no-session"): 1}
