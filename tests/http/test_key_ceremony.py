"""Replacing a key while tokens are made: everywhere within a second, and no mixed token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.key_ceremony import (
    Hosts,
    fingerprint,
    opened,
    refused,
    run,
    sha256,
    states,
    status,
    step,
)
from support.keys import public_pem, rsa_key
from support.refusals import assert_refused
from support.service import Answer, Browser, Service
from support.softhsm import PIN, SoftHsm

from flask_usher.cli.key_steps import ceremony_of
from flask_usher.key_rotation import Purpose, StepRefused
from flask_usher.key_rotation.ring import FRESH_SECONDS
from flask_usher.presence import Presence
from flask_usher.production import store_faults
from flask_usher.workers import Standing


def wait() -> None:
    """Let all workers read which keys are in force."""
    time.sleep(FRESH_SECONDS)


def pair(browser: Browser) -> tuple[str, str]:
    """Ask for a token, and return the names of the keys that it was made with."""
    answer = browser.ask()
    assert answer.status_code == 200, answer.text
    signer, recipient, _ = opened(answer.members["token"])
    return signer, recipient


def test_the_ceremony_from_the_first_key_to_the_second_and_back(hosts: Hosts) -> None:
    first, second = hosts.first, hosts.another()
    browsers = [first.signed_in("jane"), second.signed_in("jane")]

    def assert_pairs(signer: str, recipient: str = "recipient") -> None:
        wait()
        assert [pair(it) for it in browsers] == [(signer, recipient)] * 2

    assert states(first) == {"signing": "current", "other": "not staged", "third": "not staged"}
    staged = run(first, "stage", hosts.files("other")[0])
    assert staged.stdout.encode() == public_pem(rsa_key("other").public_key())
    assert fingerprint("other") in staged.stderr
    assert "usher keys confirm FINGERPRINT" in staged.stderr
    assert states(second)["other"] == "next"
    assert_pairs("signing")
    assert "usher keys switch" in step(second, "confirm", fingerprint("other"))
    assert_pairs("signing")
    assert "usher keys rollback" in step(first, "switch")
    assert states(second) == {"other": "current", "signing": "previous", "third": "not staged"}
    assert_pairs("other")
    step(second, "rollback")
    assert states(first) == {"other": "next", "signing": "current", "third": "not staged"}
    assert_pairs("signing")
    step(first, "switch")
    assert_pairs("other")
    assert "put the key in force first" in step(second, "retire", "--yes")
    assert states(first) == {
        "other": "current",
        "signing": "retired",
        "third": "not staged",
    }
    assert_pairs("other")
    step(first, "stage", "--recipient")
    # As `openssl … | base64` prints it.
    step(first, "confirm", "--recipient", fingerprint("recipient-2") + "=")
    step(second, "switch", "--recipient")
    assert_pairs("other", "recipient-2")
    step(first, "rollback", "--recipient")
    assert_pairs("other", "recipient")
    assert states(first)["other"] == "current"


STEPS = [
    (["switch"], ("other", "recipient")),
    (["switch", "--recipient"], ("other", "recipient-2")),
    (["rollback"], ("signing", "recipient-2")),
    (["rollback", "--recipient"], ("signing", "recipient")),
]
PAUSE_SECONDS = 0.02


@pytest.mark.slow
def test_tokens_asked_for_while_keys_are_switched_are_all_whole(hosts: Hosts) -> None:
    both = [hosts.first, hosts.another()]
    for option, name in (([], "other"), (["--recipient"], "recipient-2")):
        step(hosts.first, "stage", *option, *hosts.files(name))
        step(hosts.first, "confirm", *option, fingerprint(name))
    answers: list[tuple[float, Answer, float]] = []
    end = threading.Event()

    def keep_asking(browser: Browser) -> None:
        while not end.wait(PAUSE_SECONDS):
            begun = time.monotonic()
            answers.append((begun, browser.ask(), time.monotonic()))

    browsers = [it.signed_in("jane") for it in both for _ in range(2)]
    threads = [threading.Thread(target=keep_asking, args=(it,)) for it in browsers]
    # Each pair may be used from when its step begins until the workers have seen the next.
    pairs, begun, seen = [("signing", "recipient")], [float("-inf")], []
    for thread in threads:
        thread.start()
    try:
        for number, (arguments, new) in enumerate(STEPS):
            wait()
            pairs.append(new)
            begun.append(time.monotonic())
            step(both[number % 2], *arguments)
            seen.append(time.monotonic() + FRESH_SECONDS)
            wait()
    finally:
        end.set()
        for thread in threads:
            thread.join()
    seen.append(float("inf"))
    assert {it.status_code for _, it, _ in answers} == {200}
    used = [(opened(it.members["token"])[:2], start, stop) for start, it, stop in answers]
    assert {pair for pair, _, _ in used} == set(pairs)
    times = list(zip(pairs, begun, seen, strict=True))
    for pair, start, stop in used:
        assert pair in {it for it, since, until in times if since <= stop and start <= until}


def test_the_audit_line_names_the_key_that_signed(hosts: Hosts) -> None:
    browser = hosts.first.signed_in("jane")
    for signer in ("signing", "other"):
        answer = browser.ask()
        assert opened(answer.members["token"])[0] == signer
        (line,) = answer.audit_lines
        assert line["token_sha256"] == sha256(answer.members["token"])
        assert line["key"] == fingerprint(signer)[:19]
        if signer == "signing":
            step(hosts.first, "stage", *hosts.files("other"))
            step(hosts.first, "confirm", fingerprint("other"))
            step(hosts.first, "switch")
            wait()


def test_each_step_is_on_record(hosts: Hosts) -> None:
    step(hosts.first, "stage", fingerprint("other"))
    refused(hosts.first, "switch")
    step(hosts.first, "confirm", fingerprint("other"))
    step(hosts.first, "switch")
    step(hosts.first, "rollback")
    step(hosts.first, "retire", fingerprint("other"), "--yes")
    lines = [it for it in hosts.first.audit_lines() if it["event"] == "keys"]
    assert [(it["code"], it["key"], it["reason"]) for it in lines] == [
        ("staged", fingerprint("other"), "signing key"),
        ("confirmed", fingerprint("other"), "signing key"),
        ("switched", fingerprint("other"), "signing key"),
        ("rolled-back", fingerprint("signing"), "signing key"),
        ("retired", fingerprint("other"), "signing key"),
    ]


def test_without_the_audit_log_there_is_no_step(hosts: Hosts) -> None:
    hosts.first.audit_file.unlink(missing_ok=True)
    hosts.first.audit_file.mkdir()
    assert "audit-unavailable" in refused(hosts.first, "stage", *hosts.files("other"))


# What is refused, and what to do then


def staged(hosts: Hosts) -> None:
    step(hosts.first, "stage", *hosts.files("other"))


def confirmed(hosts: Hosts) -> None:
    staged(hosts)
    step(hosts.first, "confirm", fingerprint("other"))


def switched(hosts: Hosts) -> None:
    confirmed(hosts)
    step(hosts.first, "switch")


def retired(hosts: Hosts) -> None:
    switched(hosts)
    step(hosts.first, "retire", "--yes")


def nothing(hosts: Hosts) -> None:
    pass


OTHER, THIRD, FIRST = fingerprint("other"), fingerprint("third"), fingerprint("signing")
REFUSED = [
    (nothing, ["stage"], "there are several new keys", "Name one of them"),
    (nothing, ["stage", "no.pem"], "does not list that key", "It lists"),
    (nothing, ["stage", FIRST], "is on record already", "usher keys status"),
    (nothing, ["confirm", OTHER], "there is no next key", "First: usher keys stage"),
    (nothing, ["switch"], "there is no next key", "First: usher keys stage"),
    (nothing, ["switch", "--recipient"], "no next key", "usher keys stage --recipient"),
    (nothing, ["rollback"], "there is no previous key", "usher keys status"),
    (nothing, ["retire", "--yes"], "there is no previous key", "usher keys status"),
    (nothing, ["retire", FIRST, "--yes"], "neither the previous", "usher keys status"),
    (staged, ["stage", THIRD], "is the next key still", f"usher keys retire {OTHER}"),
    (staged, ["confirm", THIRD], "is not the fingerprint of the next", "keys status"),
    (staged, ["confirm", OTHER + "=="], "is not the fingerprint of the next", "keys status"),
    (staged, ["confirm", OTHER[:-1]], "is not the fingerprint of the next", "keys status"),
    (staged, ["confirm", ""], "is not the fingerprint of the next", "keys status"),
    (staged, ["confirm", OTHER.lower()], "is not the fingerprint", "keys status"),
    (staged, ["switch"], "has not confirmed", "usher keys confirm FINGERPRINT"),
    (staged, ["rollback"], "there is no previous key", "usher keys status"),
    (confirmed, ["confirm", OTHER], "is confirmed already", "usher keys switch"),
    (switched, ["switch"], "there is no next key", "usher keys stage"),
    (switched, ["confirm", OTHER], "there is no next key", "usher keys stage"),
    (switched, ["stage", THIRD], "is the previous key still", "usher keys retire"),
    (switched, ["retire", OTHER, "--yes"], "neither the previous", "usher keys status"),
    (switched, ["retire", THIRD, "--yes"], "neither the previous", "usher keys status"),
    (retired, ["rollback"], "there is no previous key", "usher keys status"),
    (retired, ["stage", FIRST], "no key is used twice", "usher keys status"),
    (retired, ["retire", "--yes"], "there is no previous key", "usher keys status"),
]


@pytest.mark.parametrize(
    ("before", "arguments", "problem", "remedy"),
    [
        pytest.param(*it, id=f"{it[0].__name__}-{it[1][0]}-{number}")
        for number, it in enumerate(REFUSED)
    ],
)
def test_a_step_out_of_turn_is_refused(
    hosts: Hosts,
    before: Callable[[Hosts], None],
    arguments: list[str],
    problem: str,
    remedy: str,
) -> None:
    before(hosts)
    said = refused(hosts.first, *arguments)
    assert problem in said
    assert remedy in said
    if arguments[0] == "confirm" and before is staged:
        # Who may copy it from here has not compared it with iAdvize's.
        assert OTHER not in said


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="nothing"),
        pytest.param("y\n", id="y"),
        pytest.param("yes\n", id="yes"),
        pytest.param(f"{OTHER}\n", id="another"),
    ],
)
def test_who_retires_a_key_types_its_fingerprint(hosts: Hosts, typed: str) -> None:
    switched(hosts)
    refused(hosts.first, "retire", typed=typed)
    assert run(hosts.first, "retire", typed=FIRST + "\n").exit_code == 0
    assert states(hosts.first)["signing"] == "retired"


def test_row_165_no_key_is_retired_that_the_audit_log_would_not_tell(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    switched(hosts)
    audit = Path(hosts.first.config["audit"]["file"])

    def typed(*_: object, **__: object) -> str:
        # While the question stands there, the log is lost.
        audit.unlink()
        audit.mkdir()
        return FIRST

    monkeypatch.setattr("click.prompt", typed)
    assert run(hosts.first, "retire").exit_code == 1
    audit.rmdir()
    assert states(hosts.first)["signing"] == "previous"


def test_a_staged_key_may_be_given_up(hosts: Hosts) -> None:
    staged(hosts)
    step(hosts.first, "retire", OTHER, "--yes")
    step(hosts.first, "stage")
    assert states(hosts.first) == {"third": "next", "signing": "current", "other": "retired"}


def test_where_all_keys_are_known_there_is_none_to_stage(hosts: Hosts) -> None:
    host = hosts.another(signing_key=hosts.files("signing"))
    assert "Add the new key to it on every host" in refused(host, "stage")


def test_without_tables_it_says_what_to_run(hosts: Hosts) -> None:
    with hosts.first.state.database.writing() as connection:
        connection.exec_driver_sql("UPDATE usher_alembic_version SET version_num = '0005'")
    try:
        for command in (["stage"], ["status"]):
            result = run(hosts.first, *command)
            assert result.exit_code == 1
            assert "usher db upgrade" in result.output
    finally:
        with hosts.first.state.database.writing() as connection:
            connection.exec_driver_sql("UPDATE usher_alembic_version SET version_num = '0006'")


# Hosts that do not have the key


def announced(service: Service) -> Presence:
    """Make the process known that serves on a host."""
    presence = service.state.presence
    presence.announce()
    return presence


def test_row_176_a_worker_without_the_key_keeps_everybody_from_switching(hosts: Hosts) -> None:
    old = hosts.another(signing_key=hosts.files("signing"))
    confirmed(hosts)
    presences = [announced(hosts.first), announced(old)]
    said = refused(hosts.first, "switch")
    assert f"these workers do not have {OTHER}" in said
    assert "List it in token.signing_key there and reload" in said
    entry = next(it for it in status(hosts.first) if it["fingerprint"] == OTHER)
    assert (entry["workers"], len(entry["workers_without"])) == (2, 1)
    presences[1].leave()
    announced(hosts.another())
    step(hosts.first, "switch")


def test_staging_changes_nothing_for_workers_that_sign_with_another_key(hosts: Hosts) -> None:
    announced(hosts.first)
    wrong = hosts.another(signing_key=hosts.files("other", "signing"))
    said = refused(wrong, "stage")
    assert f"sign with another key than {OTHER}" in said
    assert "first in token.signing_key" in said
    step(hosts.first, "stage", *hosts.files("other"))


def test_staging_a_recipient_key_demands_the_first_one_everywhere(hosts: Hosts) -> None:
    announced(hosts.another(recipient_key=hosts.files("recipient")))
    wrong = hosts.another(recipient_key=hosts.files("recipient-2", "recipient"))
    said = refused(wrong, "stage", "--recipient")
    assert f"these workers do not have {fingerprint('recipient-2')}" in said


def test_row_176_who_switches_must_have_the_key_too(hosts: Hosts) -> None:
    without = hosts.another(signing_key=hosts.files("signing"))
    confirmed(hosts)
    assert f"this host does not have {OTHER}" in refused(without, "switch")


def test_row_176_nobody_goes_back_to_a_key_that_is_not_everywhere(hosts: Hosts) -> None:
    without = hosts.another(signing_key=hosts.files("other"))
    switched(hosts)
    assert f"this host does not have {FIRST}" in refused(without, "rollback")
    announced(without)
    assert f"these workers do not have {FIRST}" in refused(hosts.first, "rollback")


@pytest.mark.parametrize("purpose", ["signing", "recipient"])
def test_row_176_a_host_without_the_key_in_force_issues_nothing_and_says_so(
    hosts: Hosts, purpose: str
) -> None:
    old_name, name = {
        "signing": ("signing", "other"),
        "recipient": ("recipient", "recipient-2"),
    }[purpose]
    old = hosts.another(**{f"{purpose}_key": hosts.files(old_name)})
    browsers = [hosts.first.signed_in("jane"), old.signed_in("jane")]
    option = [] if purpose == "signing" else ["--recipient"]
    step(hosts.first, "stage", *option, *hosts.files(name))
    step(hosts.first, "confirm", *option, fingerprint(name))
    step(hosts.first, "switch", *option)
    wait()
    assert name in pair(browsers[0])
    answer = browsers[1].ask()
    assert_refused(answer, 503, "key-unavailable")
    reason = answer.audit_lines[0]["reason"]
    assert reason == f"the {purpose} key in force, {fingerprint(name)}, is not on this host"
    assert fingerprint(name) not in answer.text
    ready = old.browser().get("/usher/health/ready")
    assert (ready.status_code, ready.members["checks"]["keys"]) == (503, "unavailable")
    assert hosts.first.browser().get("/usher/health/ready").status_code == 200
    said = run(old, "status")
    assert said.exit_code == 1
    assert "not on this host" in said.stdout
    assert "a key in force is missing somewhere" in said.stderr
    step(hosts.first, "rollback", *option)
    wait()
    assert pair(browsers[1]) == ("signing", "recipient")


def test_what_the_settings_list_first_does_not_matter_once_a_key_is_on_record(
    hosts: Hosts,
) -> None:
    turned = hosts.another(signing_key=hosts.files("third", "other", "signing"))
    staged(hosts)
    assert pair(turned.signed_in("jane"))[0] == "signing"


@pytest.mark.parametrize("word", ["stage", "confirm", "switch", "rollback", "retire"])
def test_of_two_hosts_that_take_the_same_step_one_wins(hosts: Hosts, word: str) -> None:
    before, arguments = {
        "stage": (nothing, [OTHER]),
        "confirm": (staged, [OTHER]),
        "switch": (confirmed, []),
        "rollback": (switched, []),
        "retire": (switched, [FIRST]),
    }[word]
    before(hosts)
    results: list[str] = []
    start = threading.Barrier(2)

    def take(service: Service) -> None:
        ceremony = ceremony_of(service.state, Purpose.SIGNING)
        start.wait()
        try:
            getattr(ceremony, word)(*arguments)
            results.append("won")
        except StepRefused as error:
            results.append(str(error))

    threads = [
        threading.Thread(target=take, args=(it,)) for it in (hosts.first, hosts.another())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("won") == 1
    (said,) = (it for it in results if it != "won")
    assert "usher keys " in said


def test_the_fingerprint_pins_the_first_key(hosts: Hosts) -> None:
    host = hosts.another(signing_key_fingerprint=FIRST)
    switched(hosts)
    assert pair(host.signed_in("jane"))[0] == "other"


def test_differing_keys_of_workers_are_told(hosts: Hosts) -> None:
    announced(hosts.first)
    standing = Standing("p", FIRST, frozenset())
    Presence(hosts.first.state.database, lambda: standing).announce()
    text = run(hosts.first, "status").stdout
    assert "on 1 of 2 workers; missing: " in text


@pytest.mark.softhsm
def test_a_key_in_a_file_is_replaced_by_one_in_a_token(hosts: Hosts, softhsm: SoftHsm) -> None:
    softhsm.add_key("next", rsa_key("other"))
    host = hosts.another(signing_key=[*hosts.files("signing"), softhsm.uri("next")])
    browser = host.signed_in("jane")
    assert pair(browser)[0] == "signing"
    step(host, "stage")
    step(host, "confirm", OTHER)
    step(host, "switch")
    wait()
    assert pair(browser)[0] == "other"
    softhsm.go_away()
    assert_refused(browser.ask(), 503, "key-unavailable")
    # Where the settings name no key that is away, a command needs no answer of it.
    step(hosts.another(signing_key=hosts.files("signing")), "rollback")
    wait()
    assert pair(browser)[0] == "signing"
    softhsm.come_back()
    step(host, "switch")
    wait()
    assert pair(browser)[0] == "other"
    assert PIN not in run(host, "status").output


def test_row_124_settings_without_the_key_in_force_stop_the_start(hosts: Hosts) -> None:
    switched(hosts)
    without = hosts.another(signing_key=hosts.files("signing"))
    (fault,) = store_faults(without.state)
    assert f"the signing key in force, {OTHER}, is not on this host" in fault.found
    assert "usher keys status" in fault.expected
    assert list(store_faults(hosts.first.state)) == []
