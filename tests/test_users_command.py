"""`usher users` and `usher db`, on both databases."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest
from support.command_line import CommandLine, command_line, provider, state

from flask_usher import schema
from flask_usher.database import Database
from flask_usher.providers.accounts import Account, NewAccount, table
from flask_usher.providers.base import Completion, SignInFailed
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.passwords import Passwords, prepare
from flask_usher.sign_ins import Absence, SignIn
from flask_usher.state import State

__all__ = ["command_line", "provider", "state"]

PASSWORD = "tulip-vase-9"
PASSWORD_HASH = Passwords().hash(prepare(PASSWORD))
OTHER_PASSWORD = "another-kettle-4"
FORM = {"username": "jane", "password": PASSWORD}


@pytest.fixture
def jane(provider: LocalProvider) -> Account:
    return provider.accounts.add(
        NewAccount(
            name="jane",
            password_hash=PASSWORD_HASH,
            claims={"given_name": "Jane", "email_verified": True},
            groups=("vip", "staff"),
        )
    )


class TestAdd:
    def test_makes_an_account_that_can_sign_in(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        output = command_line.succeed(
            *("users", "add", "Jane", "--group", "vip", "--group", "staff"),
            *("--claim", "given_name=Jane", "--claim", "email_verified=true"),
            *("--claim", "address.country=FR", "--claim", "claim:customer=47=11"),
            stdin=f"{PASSWORD}\n",
        )
        identity = provider.sign_in(FORM)
        assert identity.groups == ("vip", "staff")
        assert identity.claims == {
            "given_name": "Jane",
            "email_verified": True,
            "address": {"country": "FR"},
            "customer": "47=11",
            "preferred_username": "jane",
        }
        assert identity.subject in output
        assert PASSWORD not in output

    @pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
    def test_takes_one_line_as_the_password(
        self, command_line: CommandLine, provider: LocalProvider, ending: str
    ) -> None:
        command_line.succeed("users", "add", "jane", stdin=PASSWORD + ending)
        assert provider.sign_in(FORM)

    def test_may_keep_the_person_out_at_first(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        command_line.succeed("users", "add", "jane", "--disabled", stdin=PASSWORD)
        with pytest.raises(SignInFailed, match="account-disabled"):
            provider.sign_in(FORM)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize("name", ["jane", "JANE", " jane "])
    def test_row_26_refuses_a_name_that_is_taken(
        self, command_line: CommandLine, name: str
    ) -> None:
        assert "already" in command_line.fail("users", "add", name, stdin=OTHER_PASSWORD)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("", "it is empty"),
            ("jane doe", "U+0020 SPACE"),
            ("ja\u200bne", "U+200B ZERO WIDTH SPACE"),
            ("😀", "GRINNING FACE"),
            ("x" * 256, "longer than 255"),
        ],
    )
    def test_row_27_says_why_a_name_is_refused(
        self, command_line: CommandLine, name: str, why: str
    ) -> None:
        said = command_line.fail("users", "add", name, stdin=PASSWORD, code=2)
        assert why in " ".join(said.split())

    @pytest.mark.parametrize(
        ("password", "why"),
        [
            pytest.param(b"", "no password", id="nothing"),
            pytest.param(b"\n", "bytes", id="empty"),
            pytest.param(b"tulip-7\n", "at least 8 characters", id="row31-7-characters"),
            pytest.param(b"password\n", "easy to guess", id="row31-common"),
            pytest.param(b"www.shop.example\n", "name of the site", id="row31-site"),
            pytest.param(b"jane2026\n", "name of the site", id="row31-person"),
            pytest.param(b"Mary-Ann-7\n", "name of the site", id="row31-claim"),
            pytest.param(b"x1" * 513, "1,024 bytes", id="row28-1026-bytes"),
            pytest.param(b"tulip-vase-\xe9\n", "UTF-8", id="not-utf-8"),
            pytest.param(b"tulip\0vase-9\n", "control character", id="row27-nul"),
        ],
    )
    def test_says_why_a_password_is_refused(
        self,
        command_line: CommandLine,
        provider: LocalProvider,
        password: bytes,
        why: str,
    ) -> None:
        said = command_line.fail(
            *("users", "add", "jane", "--claim", "given_name=Mary-Ann"), stdin=password
        )
        assert why in said
        assert provider.accounts.page() == []

    @pytest.mark.parametrize(
        "claim",
        ["given_name", "foo=bar", "sub=1", "claim:sub=1", "claim:=1", "email_verified=maybe"],
    )
    def test_refuses_claims_that_cannot_be(self, command_line: CommandLine, claim: str) -> None:
        command_line.fail("users", "add", "jane", "--claim", claim, stdin=PASSWORD, code=2)

    def test_takes_no_password_as_an_argument(self, command_line: CommandLine) -> None:
        command_line.fail("users", "add", "jane", PASSWORD, code=2)
        command_line.fail("users", "add", "jane", "--password", PASSWORD, code=2)


class TestTakingAccessAway:
    CASES = (
        pytest.param("disable", ["jane"], "", id="row42-disable"),
        pytest.param("passwd", ["jane"], OTHER_PASSWORD, id="row42-passwd"),
        pytest.param("delete", ["jane"], "jane", id="row42-delete"),
        pytest.param("delete", ["JANE", "--yes"], "", id="row42-delete-yes"),
    )

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(("command", "arguments", "stdin"), CASES)
    def test_ends_every_sign_in_at_once(
        self,
        command_line: CommandLine,
        state: State,
        provider: LocalProvider,
        command: str,
        arguments: list[str],
        stdin: str,
    ) -> None:
        identity = provider.sign_in(FORM)
        cookies = [state.sign_ins.create(Completion(identity)) for _ in range(2)]
        assert all(isinstance(state.sign_ins.find(cookie), SignIn) for cookie in cookies)
        output = command_line.succeed("users", command, *arguments, stdin=stdin)
        assert "ended 2 sign-ins" in output
        assert [state.sign_ins.find(cookie) for cookie in cookies] == [Absence.NONE] * 2
        assert provider.current(identity) is None
        with pytest.raises(SignInFailed):
            provider.sign_in(FORM)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(("command", "arguments", "stdin"), CASES)
    def test_is_on_record(
        self, command_line: CommandLine, command: str, arguments: list[str], stdin: str
    ) -> None:
        command_line.succeed("users", command, *arguments, stdin=stdin)
        (line,) = command_line.audit_lines()
        assert line["event"] == "account"
        assert line["count"] == 0
        assert "jane" not in json.dumps(line)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(("command", "arguments", "stdin"), CASES)
    def test_row_165_changes_nothing_that_cannot_be_recorded(
        self,
        command_line: CommandLine,
        provider: LocalProvider,
        command: str,
        arguments: list[str],
        stdin: str,
    ) -> None:
        command_line.audit_file.mkdir()
        said = command_line.fail("users", command, *arguments, stdin=stdin)
        assert "audit-unavailable" in said
        assert provider.sign_in(FORM)


def test_passwd_sets_the_password(
    command_line: CommandLine, provider: LocalProvider, jane: Account
) -> None:
    command_line.succeed("users", "passwd", "jane", stdin=f"{OTHER_PASSWORD}\n")
    form = FORM | {"password": OTHER_PASSWORD}
    assert provider.sign_in(form).subject == jane.id


@pytest.mark.usefixtures("jane")
@pytest.mark.parametrize("password", ["short", "jane2026", ""])
def test_row_31_passwd_refuses_weak_passwords(
    command_line: CommandLine, provider: LocalProvider, password: str
) -> None:
    command_line.fail("users", "passwd", "jane", stdin=password)
    assert provider.sign_in(FORM)


def test_enable_lets_in_again(
    command_line: CommandLine, provider: LocalProvider, jane: Account
) -> None:
    command_line.succeed("users", "disable", "jane")
    command_line.succeed("users", "enable", "jane")
    assert provider.sign_in(FORM).subject == jane.id


@pytest.mark.usefixtures("jane")
@pytest.mark.parametrize("typed", ["joan\n", "\n", ""])
def test_delete_wants_the_name(
    command_line: CommandLine, provider: LocalProvider, typed: str
) -> None:
    command_line.fail("users", "delete", "jane", stdin=typed)
    assert provider.sign_in(FORM)


@pytest.mark.parametrize("command", ["show", "disable", "enable", "passwd", "delete"])
def test_who_is_not_there(command_line: CommandLine, command: str) -> None:
    assert "no account joan" in command_line.fail("users", command, "joan", stdin="joan\n")


class TestListAndShow:
    @pytest.mark.usefixtures("jane")
    def test_list_is_a_table(self, command_line: CommandLine) -> None:
        command_line.succeed("users", "add", "adam", "--disabled", stdin=PASSWORD)
        header, adam, jane = command_line.succeed("users", "list").splitlines()
        assert header.split() == ["NAME", "STATE", "SINCE", "GROUPS"]
        assert adam.split()[:2] == ["adam", "disabled"]
        assert jane.split()[:2] == ["jane", "active"]
        assert jane.endswith("vip, staff")

    def test_list_of_nobody(self, command_line: CommandLine) -> None:
        assert command_line.succeed("users", "list").split()[0] == "NAME"
        assert command_line.succeed("users", "list", "--json") == ""

    def test_list_goes_on_over_pages(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        names = [f"person-{number:04}" for number in range(1234)]
        provider.accounts.add_all([NewAccount(name=n, password_hash="x") for n in names])
        lines = command_line.succeed("users", "list", "--json").splitlines()
        assert [json.loads(line)["name"] for line in lines] == names

    @pytest.mark.parametrize("command", [("list",), ("show", "JANE")])
    def test_json(
        self, command_line: CommandLine, jane: Account, command: tuple[str, ...]
    ) -> None:
        found: dict[str, Any] = json.loads(command_line.succeed("users", *command, "--json"))
        assert found.pop("created_at") == found.pop("updated_at")
        assert found == {
            "id": jane.id,
            "name": "jane",
            "active": True,
            "damage": None,
            "groups": ["vip", "staff"],
            "claims": {"given_name": "Jane", "email_verified": True},
        }

    def test_show(self, command_line: CommandLine, jane: Account) -> None:
        output = command_line.succeed("users", "show", "jane")
        rows = dict(line.split(maxsplit=1) for line in output.splitlines())
        assert rows["given_name"] == "Jane"
        assert rows["state"] == "active"
        assert jane.id in output
        assert "argon2" not in output

    def test_what_people_wrote_does_not_reach_the_terminal_raw(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        provider.accounts.add(
            NewAccount(
                name="jane",
                password_hash="x",
                groups=("\x1b[2J",),
                claims={"name": "\x1b]0;owned\x07\u202e"},
            )
        )
        for command in (("list",), ("show", "jane")):
            output = command_line.succeed("users", *command)
            assert output.replace("\n", "").isprintable()
            assert r"\x1b" in output

    def test_damaged_records_are_shown_as_such(
        self, command_line: CommandLine, state: State, jane: Account
    ) -> None:
        with state.database.writing() as connection:
            connection.execute(table.update().values(claims="{"))
        assert "damaged" in command_line.succeed("users", "list")
        assert "claims or groups are damaged" in command_line.succeed("users", "show", "jane")
        assert "damaged" in command_line.fail("users", "enable", "jane")
        command_line.succeed("users", "delete", "jane", "--yes")


@pytest.mark.parametrize(
    "command", ["add", "disable", "enable", "passwd", "delete", "list", "show", "import"]
)
def test_help_teaches_with_an_example(command_line: CommandLine, command: str) -> None:
    assert f"  usher users {command}" in command_line.succeed("users", command, "--help")


@pytest.mark.slow
def test_a_typed_password_is_asked_for_twice_and_never_seen(
    command_line: CommandLine, provider: LocalProvider
) -> None:
    screen = _type_into_terminal(
        command_line,
        ["users", "add", "jane"],
        [("New password: ", PASSWORD), ("The same again: ", PASSWORD)],
    )
    assert "Added jane" in screen
    assert PASSWORD not in screen
    assert provider.sign_in(FORM)


def _type_into_terminal(
    command_line: CommandLine, arguments: list[str], answers: list[tuple[str, str]]
) -> str:
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = command_line.process(*arguments, start_new_session=True, **terminal)
    os.close(theirs)
    screen = ""
    for prompt, answer in answers:
        while not screen.endswith(prompt):
            screen += os.read(ours, 1024).decode()
        os.write(ours, f"{answer}\n".encode())
    while part := _read(ours):
        screen += part
    os.close(ours)
    assert process.wait() == 0, screen
    return screen


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 1024).decode()
    except OSError:  # how Linux says that the other end is closed
        return ""


class TestDatabaseCommands:
    @pytest.fixture
    def fresh(self, tmp_path: Path, empty_database_url: str) -> CommandLine:
        return CommandLine(tmp_path, empty_database_url)

    def test_upgrade_makes_the_tables(self, fresh: CommandLine) -> None:
        assert "usher db upgrade" in fresh.fail("db", "status")
        assert "usher db upgrade" in fresh.fail("users", "list")
        assert "before: none" in fresh.succeed("db", "upgrade")
        assert schema.HEAD in fresh.succeed("db", "status")
        assert "already" in fresh.succeed("db", "upgrade")
        fresh.succeed("users", "list")

    def test_a_database_that_does_not_answer(self, tmp_path: Path) -> None:
        command_line = CommandLine(tmp_path, f"sqlite:///{tmp_path}/no-folder/usher.db")
        for command in (["db", "status"], ["db", "upgrade"], ["users", "list"]):
            assert "store-unavailable" in command_line.fail(*command)

    def test_a_new_sqlite_file_is_private(self, tmp_path: Path) -> None:
        command_line = CommandLine(tmp_path, f"sqlite:///{tmp_path}/usher.db")
        command_line.succeed("db", "upgrade")
        database = Database(command_line.database_url)
        with database.writing() as connection:
            connection.execute(table.delete())
            modes = {file.stat().st_mode & 0o077 for file in tmp_path.glob("usher.db*")}
        database.close()
        assert modes == {0}
