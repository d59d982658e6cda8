"""The kill switch: no token on any host within a second, and nobody is signed out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.refusals import assert_refused
from support.service import MakeService, Service

from flask_usher.cli import main
from flask_usher.pauses import FRESH_SECONDS
from flask_usher.providers.base import Identity
from flask_usher.providers.local import LocalProvider

MESSAGE = "wrong conversations seen, incident 4711"


def usher(service: Service, *arguments: str) -> str:
    """Run a command on the service's settings and return what it says."""
    result = CliRunner().invoke(main, arguments, env=service.environment)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def hosts(make_service: MakeService) -> tuple[Service, Service]:
    """Two hosts with one database."""
    first = make_service()
    second = make_service(
        database=first.config["database"],
        secret_key=first.config["secret_key"],
        audit=first.config["audit"],
    )
    return first, second


def test_both_hosts_refuse_within_a_second_and_sign_ins_stay(
    hosts: tuple[Service, Service],
) -> None:
    first, second = hosts
    browsers = [first.signed_in("jane"), second.signed_in("jane")]
    assert [it.ask().status_code for it in browsers] == [200, 200]
    assert "To end it: usher resume" in usher(first, "pause", "--message", MESSAGE)
    time.sleep(FRESH_SECONDS)
    for browser in browsers:
        answer = browser.ask()
        assert_refused(answer, 403, "paused", retry=True)
        assert answer.members["retryable"] is True
        assert answer.headers["Retry-After"] == "30"
        assert MESSAGE not in answer.text
        assert answer.audit_lines[0]["reason"] == MESSAGE
        assert browser.get("/usher/session").members["signed_in"] is True
    assert usher(second, "resume") == "Tokens are issued again.\n"
    time.sleep(FRESH_SECONDS)
    assert [it.ask().status_code for it in browsers] == [200, 200]
    assert usher(second, "resume") == "There was no pause.\n"


def test_who_signs_in_during_a_pause_waits_for_its_end_too(service: Service) -> None:
    service.add_account("jane")
    service.state.admission.pauses.pause("")
    browser = service.browser()
    assert browser.sign_in().status_code == 303
    assert_refused(browser.ask(), 403, "paused", retry=True)
    assert "reason" not in service.audit_lines()[-1]
    assert service.state.admission.pauses.resume()
    assert browser.ask().status_code == 200


def test_a_second_pause_takes_the_new_message_and_keeps_its_beginning(service: Service) -> None:
    pauses = service.state.admission.pauses
    first = pauses.pause("one")
    service.clock.advance(60)
    second = pauses.pause("two")
    assert (second.message, second.since) == ("two", first.since)
    assert pauses.current() == second
    assert pauses.resume()


def test_the_operator_may_choose_an_anonymous_chat_meanwhile(make_service: MakeService) -> None:
    service = make_service(policy={"activation": {"paused": "anonymous"}})
    service.state.admission.pauses.pause("")
    answer = service.signed_in("jane").ask()
    assert (answer.status_code, answer.members["activation"]) == (403, "anonymous")


def test_the_commands_are_on_record(service: Service) -> None:
    usher(service, "pause", "--message", MESSAGE)
    usher(service, "resume")
    lines = [it for it in service.audit_lines() if it["event"] == "pause"]
    assert [(it["code"], it.get("reason")) for it in lines] == [
        ("paused", MESSAGE),
        ("resumed", None),
    ]


def test_a_pause_that_can_not_be_recorded_is_in_force(make_service: MakeService) -> None:
    service = make_service()
    log = Path(service.config["audit"]["file"])
    log.unlink(missing_ok=True)
    log.mkdir()
    result = CliRunner().invoke(main, ["pause"], env=service.environment)
    assert result.exit_code == 1
    assert "Paused since" in result.output
    assert "audit-unavailable" in result.output
    assert service.state.admission.pauses.current() is not None
    result = CliRunner().invoke(main, ["resume"], env=service.environment)
    assert result.exit_code == 1
    assert service.state.admission.pauses.current() is not None


def test_who_asked_before_a_pause_and_waited_for_a_provider_gets_no_token(
    hosts: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hosts
    browser = first.signed_in("jane")
    current = LocalProvider.current

    def answer_late(provider: LocalProvider, identity: Identity) -> Identity | None:
        second.state.admission.pauses.pause("")
        time.sleep(FRESH_SECONDS)
        return current(provider, identity)

    monkeypatch.setattr(LocalProvider, "current", answer_late)
    assert_refused(browser.ask(), 403, "paused", retry=True)


@pytest.mark.parametrize("message", ["two\nlines", "x" * 201, "\x1b[2J"])
def test_a_message_is_one_short_line(service: Service, message: str) -> None:
    result = CliRunner().invoke(main, ["pause", "--message", message], env=service.environment)
    assert result.exit_code == 2
    assert service.state.admission.pauses.current() is None


def test_a_pause_that_can_not_be_read_lets_nobody_in(service: Service) -> None:
    browser = service.signed_in("jane")
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE usher_pause RENAME TO usher_away")
    try:
        time.sleep(FRESH_SECONDS)
        assert_refused(browser.ask(), 503, "store-unavailable")
    finally:
        with service.state.database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE usher_away RENAME TO usher_pause")
    assert browser.ask().status_code == 200


def test_it_works_on_postgresql(postgresql_service: Service) -> None:
    pauses = postgresql_service.state.admission.pauses
    pauses.pause(MESSAGE)
    assert_refused(postgresql_service.signed_in("jane").ask(), 403, "paused", retry=True)
    assert pauses.resume()
