"""Rules at the address for tokens: what the page learns, what is on record, new versions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.refusals import assert_refused
from support.service import Answer, MakeService, Service

from flask_usher.providers import accounts

RULE = """
[[rules]]
code = "staff-only"
refuse_when = "!('staff' in identity.groups)"
message = "Only for staff until March."
remedy = "Add them to the group staff."
"""
OPEN = "rules = []\n"
WITHIN_SECONDS = 10
Members = dict[str, Any]


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def served(make_service: MakeService, file: Path, text: str) -> Service:
    """Return a service with this policy."""
    file.write_text(text)
    return make_service(policy={"file": str(file)})


def change(file: Path, text: str) -> None:
    """Put a new policy in the place of the old one."""
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


def wait_until(service: Service, is_so: Callable[[Members], bool]) -> Members:
    """Wait until readiness says so, and return all that it says."""
    until = time.monotonic() + WITHIN_SECONDS
    while not is_so(members := readiness(service)):
        assert time.monotonic() < until, members
        time.sleep(0.05)
    return members


def readiness(service: Service) -> Members:
    """Return what the service says of itself."""
    return service.browser().get("/usher/health/ready").members


def own_refusal(answer: Answer, **differences: Any) -> None:
    """Check what a page learns of a rule: its code, and nothing else of it."""
    assert answer.status_code == 403
    problem = answer.members
    expected = {"activation": "none", "retryable": False, "status": 403} | differences
    assert problem | expected == problem
    assert problem["type"] == f"urn:usher:problem:{problem['code']}"
    for secret in ("identity", "groups", "March", "Add them", "refuse_when"):
        assert secret not in answer.text


def test_the_page_learns_the_code_and_the_audit_line_the_rest(
    make_service: MakeService, policy_file: Path
) -> None:
    service = served(make_service, policy_file, RULE)
    answer = service.signed_in("jane").ask()
    assert_refused(answer, 403, "staff-only")
    own_refusal(answer)
    (line,) = answer.audit_lines
    assert line["rule"] == "staff-only"
    assert line["reason"] == "Only for staff until March."
    assert line["policy"] == service.browser().get("/usher/health/ready").members["policy"]


def test_what_a_rule_says_of_the_page(make_service: MakeService, policy_file: Path) -> None:
    text = RULE + 'activation = "anonymous"\nretryable = true\nsign_in_helps = true\n'
    answer = served(make_service, policy_file, text).signed_in("jane").ask()
    own_refusal(answer, activation="anonymous", retryable=True, sign_in_url="/usher/sign-in")


def test_a_rule_that_can_not_be_decided_refuses(
    make_service: MakeService, policy_file: Path
) -> None:
    text = RULE.replace("!('staff' in identity.groups)", "identity.claims.risk > 3")
    answer = served(make_service, policy_file, text).signed_in("jane").ask()
    assert_refused(answer, 403, "staff-only")
    assert answer.audit_lines[0]["reason"] == "risk is absent"


def put_into_group(service: Service, group: str) -> None:
    """Change the group of everybody."""
    with service.state.database.writing() as connection:
        connection.execute(accounts.table.update().values(groups=f'["{group}"]'))


def test_row_144_who_leaves_a_group_has_no_next_token(
    make_service: MakeService, policy_file: Path
) -> None:
    service = served(make_service, policy_file, RULE)
    browser = service.signed_in("sam")
    put_into_group(service, "staff")
    assert browser.ask().status_code == 200
    put_into_group(service, "customers")
    assert_refused(browser.ask(), 403, "staff-only")


def test_the_shadow_is_on_record_and_never_answers(
    make_service: MakeService, policy_file: Path
) -> None:
    service = served(make_service, policy_file, RULE.replace("[[rules]]", "[[shadow.rules]]"))
    answer = service.signed_in("jane").ask()
    assert answer.status_code == 200
    assert answer.audit_lines[0]["shadow"] == "staff-only"
    version = readiness(service)["policy"]
    change(policy_file, RULE + "[[shadow.rules]]\ncode = 'x'\nrefuse_when = 'false'\n")
    wait_until(service, lambda members: members["policy"] != version)
    answer = service.signed_in("jane").ask()
    assert_refused(answer, 403, "staff-only")
    assert answer.audit_lines[0]["shadow"] == "issued"


def test_row_176_a_faulty_policy_shows_in_readiness_and_changes_nothing(
    make_service: MakeService, policy_file: Path
) -> None:
    service = served(make_service, policy_file, RULE)
    browser = service.signed_in("jane")
    version = browser.get("/usher/health/ready").members["policy"]
    change(policy_file, "[[rules]]\n")
    members = wait_until(service, lambda it: it["checks"]["policy"] == "degraded")
    assert (members["status"], members["policy"]) == ("degraded", version)
    assert service.browser().get("/usher/health/ready").status_code == 200
    assert_refused(browser.ask(), 403, "staff-only")
    change(policy_file, OPEN)
    wait_until(service, lambda it: it["checks"]["policy"] == "ok")
    assert browser.ask().status_code == 200


def test_row_138_a_reload_under_load_loses_and_mixes_no_decision(
    make_service: MakeService, policy_file: Path
) -> None:
    """Every answer agrees with the version that its audit line names."""
    service = served(make_service, policy_file, RULE)
    service.add_account("jane")
    done = threading.Event()
    answers: list[Answer] = []

    def ask() -> None:
        browser = service.signed_in("jane")
        while not done.is_set():
            answers.append(browser.ask())
            service.clock.advance(1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for text in (OPEN, RULE, OPEN):
        change(policy_file, text)
        time.sleep(1.2)
    done.set()
    for thread in threads:
        thread.join()
    lines = {line["support_id"]: line for line in service.audit_lines()}
    assert {answer.status_code for answer in answers} == {200, 403}
    assert len(lines) == len(answers)
    by_version: dict[str, set[str]] = {}
    for line in lines.values():
        by_version.setdefault(line["policy"], set()).add(line["code"])
    assert sorted(map(sorted, by_version.values())) == [["issued"], ["staff-only"]]
