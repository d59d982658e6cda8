"""People who ask at the same time, on many threads: each token is for whoever asked."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from support.service import USER_ID, Browser, MakeService, Service
from support.threads import together

from flask_usher import Credentials, Issue
from flask_usher.audit import Visit
from flask_usher.minter import Token

PEOPLE = ("jane", "sam", "kim")
UNLIMITED = dict.fromkeys(("tokens_per_person", "tokens_per_address"), "9999999 per 1 seconds")
THREADS = 8


class OpenMinter:
    """Mints tokens that anybody can read, without the cryptography that takes all the time."""

    def minter(self) -> OpenMinter:
        return self

    def mint(self, decision: Issue) -> Token:
        return Token(value=decision.user_id, expires_at=60, expires_in=60)


class Office:
    """People who are signed in, and the userId that the tokens of each must hold."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookies = {
            name: [service.signed_in(name).cookie() or "" for _ in range(3)] for name in PEOPLE
        }
        self.user_ids = {name: service.user_id_of(name) for name in PEOPLE}

    def ask(self, browser: Browser, dice: random.Random) -> tuple[str, str]:
        """Change who is signed in and ask; return who must be in the token, and the token."""
        name = dice.choice(PEOPLE)
        browser.show(dice.choice(self.cookies[name]))
        answer = browser.ask()
        assert answer.status_code == 200
        return self.user_ids[name], answer.members["token"]


@pytest.fixture
def office(make_service: MakeService) -> Office:
    return Office(make_service(limits=UNLIMITED))


def asked_by_many(office: Office, count: int) -> list[tuple[str, str]]:
    def ask(number: int) -> list[tuple[str, str]]:
        browser = office.service.browser()
        dice = random.Random(number)
        return [office.ask(browser, dice) for _ in range(count // THREADS)]

    return [pair for pairs in together(THREADS, ask) for pair in pairs]


def test_row_14_nobody_gets_the_token_of_somebody_else(office: Office) -> None:
    pairs = asked_by_many(office, 2000)
    opened = [office.service.open_token(token)[USER_ID] for _, token in pairs]
    assert opened == [user_id for user_id, _ in pairs]
    assert len({token for _, token in pairs}) == len(pairs) == len(office.service.issued())


@pytest.mark.slow
def test_row_14_nobody_does_in_a_hundred_thousand_interleavings(office: Office) -> None:
    """The same behind the views, where a hundred thousand take seconds."""
    readable: Any = OpenMinter()
    admission = replace(office.service.state.admission, key_ring=readable)

    def ask(number: int) -> set[tuple[str, str]]:
        dice = random.Random(number)
        visit = Visit("-", f"192.0.2.{number}", None)
        pairs = set()
        for _ in range(100_000 // THREADS):
            name = dice.choice(PEOPLE)
            cookie = dice.choice(office.cookies[name])
            token, _ = admission.admit(Credentials(cookie), visit)
            assert isinstance(token, Token)
            pairs.add((office.user_ids[name], token.value))
        return pairs

    pairs = set().union(*together(THREADS, ask))
    assert pairs == {(user_id, user_id) for user_id in office.user_ids.values()}
    assert len(office.service.issued()) == 100_000
