# ruff: noqa: RUF001 (letters that look alike are the point)
"""Sign-in with a name and a password, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pytest
from argon2 import PasswordHasher

from flask_usher.database import Database
from flask_usher.providers import passwords as passwords_module
from flask_usher.providers.account_names import NO_NAME
from flask_usher.providers.accounts import Account, Accounts, NewAccount, table
from flask_usher.providers.base import AccountFacts, Identity, ProviderUnavailable, SignInFailed
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.passwords import Passwords, is_outdated, prepare
from flask_usher.testing import HOSTILE_TEXTS, Clock, FormProviderContract

PASSWORD = "tulip-vase-9"
PASSWORD_HASH = Passwords().hash(prepare(PASSWORD))
FORM = {"username": "jane", "password": PASSWORD}
CURRENT_PARAMETERS = "$argon2id$v=19$m=19456,t=2,p=1$"
OLD_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def provider(database: Database, clock: Clock) -> LocalProvider:
    return LocalProvider("local", Accounts(database), clock)


@pytest.fixture
def jane(provider: LocalProvider) -> Account:
    return provider.accounts.add(
        NewAccount(
            name="Jane",
            password_hash=PASSWORD_HASH,
            claims={"email": "jane@shop.example"},
            groups=("staff",),
        )
    )


class TestContract(FormProviderContract):
    @pytest.fixture(autouse=True)
    def _set_up(self, provider: LocalProvider, jane: Account) -> None:
        self._provider = provider

    def provider(self) -> LocalProvider:
        return self._provider

    def form(self) -> Mapping[str, str]:
        return FORM

    def end_all(self, identity: Identity) -> None:
        self._provider.accounts.delete(identity.subject)


def test_who_signs_in_is_who_the_account_says(provider: LocalProvider, jane: Account) -> None:
    assert provider.sign_in(FORM) == Identity(
        provider="local",
        subject=jane.id,
        signed_in_at=1000.0,
        claims={"email": "jane@shop.example", "preferred_username": "jane"},
        groups=("staff",),
        amr=("pwd",),
        epoch=0,
        account=AccountFacts(name="jane", created_at=jane.created_at),
    )


@pytest.mark.parametrize("name", ["JANE", " jane\t", "ＪＡＮＥ"])
@pytest.mark.usefixtures("jane")
def test_row_26_every_spelling_is_one_account(provider: LocalProvider, name: str) -> None:
    form = {"username": name, "password": PASSWORD}
    assert provider.sign_in(form) == provider.sign_in(FORM)
    assert provider.account_key(form) == "jane"


@pytest.mark.parametrize("name", ["", "a b", "a\0", "\ud800", "😀", "\u200b", "x" * 256])
def test_row_26_impossible_names_have_one_key(provider: LocalProvider, name: str) -> None:
    assert provider.account_key({"username": name}) == NO_NAME


def test_no_account_no_sign_in(provider: LocalProvider) -> None:
    assert provider.accounts.page() == []
    with pytest.raises(SignInFailed):
        provider.sign_in({"username": "admin", "password": "admin"})


Change = Callable[[Database, str], object]


def _nothing(database: Database, account_id: str) -> None:
    pass


def _disable(database: Database, account_id: str) -> None:
    Accounts(database).set_active(account_id, False)


def _delete(database: Database, account_id: str) -> None:
    Accounts(database).delete(account_id)


def _set_password(database: Database, account_id: str) -> None:
    Accounts(database).set_password(account_id, Passwords().hash(b"another-vase-7"))


def _with_columns(**columns: object) -> Change:
    def change(database: Database, account_id: str) -> None:
        with database.writing() as connection:
            connection.execute(table.update().where(table.c.id == account_id).values(columns))

    return change


FAILURES = [
    pytest.param(_nothing, "jane", "wrong", "wrong-password", id="wrong-password"),
    pytest.param(_nothing, "joan", PASSWORD, "unknown-account", id="unknown-account"),
    pytest.param(_delete, "jane", PASSWORD, "unknown-account", id="deleted"),
    pytest.param(_disable, "jane", PASSWORD, "account-disabled", id="disabled"),
    pytest.param(_disable, "jane", "wrong", "wrong-password", id="disabled-and-wrong"),
    pytest.param(_nothing, "a b", PASSWORD, "malformed", id="impossible-name"),
    pytest.param(_nothing, "jane\0", PASSWORD, "malformed", id="row27-nul"),
    pytest.param(_nothing, "jane\ud800", PASSWORD, "malformed", id="row27-surrogate"),
    pytest.param(
        _with_columns(claims="{"), "jane", PASSWORD, "account-damaged", id="bad-claims"
    ),
    *(
        pytest.param(
            _with_columns(password_hash=stored),
            "jane",
            PASSWORD,
            "account-damaged",
            id=f"bad-hash-{number}",
        )
        for number, stored in enumerate(
            [
                "",
                PASSWORD,
                "$2b$12$" + "x" * 53,
                CURRENT_PARAMETERS,
                f"{CURRENT_PARAMETERS}AAAAAAAAAAAAAAAAAAAAAA$",
                f"$argon2id$v=19$m=9999999,t=1,p=1${'A' * 22}${'A' * 43}",
            ]
        )
    ),
]


@pytest.mark.parametrize(("change", "name", "password", "reason"), FAILURES)
def test_row_21_every_failure_costs_the_same_hash(
    provider: LocalProvider,
    jane: Account,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    name: str,
    password: str,
    reason: str,
) -> None:
    change(database, jane.id)
    hasher = RecordingHasher()
    monkeypatch.setattr(passwords_module, "_hasher", hasher)
    with pytest.raises(SignInFailed) as failure:
        provider.sign_in({"username": name, "password": password})
    assert failure.value.reason == reason
    assert hasher.work == [CURRENT_PARAMETERS]


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="empty"),
        pytest.param("tulip\0", id="row27-nul"),
        pytest.param("tulip\ud800", id="row27-surrogate"),
        pytest.param("x" * 1025, id="row28-1025-bytes"),
    ],
)
@pytest.mark.parametrize("name", ["jane", "joan", "a b"])
@pytest.mark.usefixtures("jane")
def test_row_28_impossible_passwords_cost_no_hash(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch, name: str, password: str
) -> None:
    hasher = RecordingHasher()
    monkeypatch.setattr(passwords_module, "_hasher", hasher)
    with pytest.raises(SignInFailed) as failure:
        provider.sign_in({"username": name, "password": password})
    assert failure.value.reason == "malformed"
    assert hasher.work == []


def test_the_failure_does_not_carry_what_was_typed(
    provider: LocalProvider, jane: Account
) -> None:
    with pytest.raises(SignInFailed) as failure:
        provider.sign_in({"username": "jane", "password": "typed-in-secret"})
    assert "secret" not in repr(failure.value)


def test_row_21_an_older_hash_is_renewed_at_sign_in(
    provider: LocalProvider, jane: Account, database: Database
) -> None:
    old = OLD_HASHER.hash(PASSWORD)
    _with_columns(password_hash=old)(database, jane.id)
    identity = provider.sign_in(FORM)
    credentials = provider.accounts.credentials("jane")
    assert credentials is not None
    assert not is_outdated(credentials.password_hash)
    assert provider.current(identity) == identity
    assert provider.sign_in(FORM) == identity


def test_a_wrong_password_does_not_renew_the_hash(
    provider: LocalProvider, jane: Account, database: Database
) -> None:
    old = OLD_HASHER.hash(PASSWORD)
    _with_columns(password_hash=old)(database, jane.id)
    with pytest.raises(SignInFailed):
        provider.sign_in({"username": "jane", "password": "wrong"})
    credentials = provider.accounts.credentials("jane")
    assert credentials is not None
    assert credentials.password_hash == old


def test_a_password_set_while_an_older_hash_is_renewed_stays(
    provider: LocalProvider, jane: Account, database: Database
) -> None:
    _with_columns(password_hash=OLD_HASHER.hash(PASSWORD))(database, jane.id)
    new = provider.passwords.hash(b"another-vase-7")

    class Interrupted(Passwords):
        def hash(self, password: bytes) -> str:
            provider.accounts.set_password(jane.id, new)
            return super().hash(password)

    LocalProvider("local", provider.accounts, Clock(), passwords=Interrupted()).sign_in(FORM)
    credentials = provider.accounts.credentials("jane")
    assert credentials is not None
    assert credentials.password_hash == new


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_delete, id="row42-delete"),
        pytest.param(_disable, id="row42-disable"),
        pytest.param(_set_password, id="row42-new-password"),
        pytest.param(_with_columns(claims="{"), id="damaged-claims"),
        pytest.param(_with_columns(groups="[1]"), id="damaged-groups"),
    ],
)
class TestTakingAccessAway:
    def test_ends_sign_ins_at_once(
        self, provider: LocalProvider, jane: Account, database: Database, change: Change
    ) -> None:
        identity = provider.sign_in(FORM)
        change(database, jane.id)
        assert provider.current(identity) is None

    def test_ends_a_sign_in_that_is_just_going_on(
        self, provider: LocalProvider, jane: Account, database: Database, change: Change
    ) -> None:
        class Interrupted(Passwords):
            def verify(self, password: bytes, stored: str | None) -> bool:
                verified = super().verify(password, stored)
                change(database, jane.id)
                return verified

        slow = LocalProvider("local", provider.accounts, Clock(), passwords=Interrupted())
        identity = slow.sign_in(FORM)
        assert provider.current(identity) is None


def test_enabling_again_does_not_revive_older_sign_ins(
    provider: LocalProvider, jane: Account
) -> None:
    identity = provider.sign_in(FORM)
    provider.accounts.set_active(jane.id, False)
    provider.accounts.set_active(jane.id, True)
    assert provider.current(identity) is None
    assert provider.sign_in(FORM).epoch == 1


def test_an_account_made_anew_under_the_same_name_is_another_person(
    provider: LocalProvider, jane: Account
) -> None:
    identity = provider.sign_in(FORM)
    provider.accounts.delete(jane.id)
    provider.accounts.add(NewAccount(name="jane", password_hash=PASSWORD_HASH))
    assert provider.current(identity) is None
    assert provider.sign_in(FORM).subject != identity.subject


def test_current_tells_what_is_true_now_of_a_sign_in_of_then(
    provider: LocalProvider, jane: Account, database: Database, clock: Clock
) -> None:
    identity = provider.sign_in(FORM)
    clock.now = 2000.0
    _with_columns(claims='{"email": "new@shop.example"}', groups='["former"]')(
        database, jane.id
    )
    now = provider.current(identity)
    assert now is not None
    assert now.claims == {"email": "new@shop.example", "preferred_username": "jane"}
    assert now.groups == ("former",)
    assert now.signed_in_at == 1000.0


def test_claims_cannot_pretend_another_name(
    provider: LocalProvider, jane: Account, database: Database
) -> None:
    _with_columns(claims='{"preferred_username": "root"}')(database, jane.id)
    assert provider.sign_in(FORM).claims["preferred_username"] == "jane"


def test_too_many_at_once_is_no_failure_of_the_person(
    provider: LocalProvider, jane: Account
) -> None:
    class Full(Passwords):
        def verify(self, password: bytes, stored: str | None) -> bool:
            raise ProviderUnavailable

    busy = LocalProvider("local", provider.accounts, Clock(), passwords=Full())
    with pytest.raises(ProviderUnavailable):
        busy.sign_in(FORM)


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_subjects_that_cannot_be_are_nobody(provider: LocalProvider, text: str) -> None:
    identity = Identity(provider="local", subject=text, signed_in_at=0.0)
    assert provider.current(identity) is None


class RecordingHasher(PasswordHasher):
    """Remembers the parameters of all that it was made to work on."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=19456, parallelism=1)
        self.work: list[str] = []

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        made = super().hash(password, salt=salt)
        self.work.append(made[: len(CURRENT_PARAMETERS)])
        return made

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.work.append(str(hash)[: len(CURRENT_PARAMETERS)])
        return super().verify(hash, password)
