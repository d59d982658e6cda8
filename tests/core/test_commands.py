"""The command line: what it says, what it returns, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from support.command_line import CommandLine, command_line, provider, state
from support.installations import SECRET, Installation
from support.keys import private_pem, public_key, public_pem, rsa_key, spki
from support.minting import ISSUER, issue, make_minter
from support.secrecy import assert_holds_nothing_of

from flask_usher import keys, schema
from flask_usher.cli import main
from flask_usher.database import Database
from flask_usher.providers.accounts import Account, NewAccount
from flask_usher.providers.base import Completion, Identity
from flask_usher.providers.local import LocalProvider
from flask_usher.sign_ins import Absence, SignIn
from flask_usher.state import State

__all__ = ["command_line", "provider", "state"]


def usher(*arguments: object, stdin: str | bytes = "") -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def failure(*arguments: object, stdin: str | bytes = "", code: int = 1) -> str:
    """Run a command that must fail and return what it says."""
    result = usher(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result.stderr


def success(*arguments: object, stdin: str | bytes = "") -> str:
    """Run a command that must succeed and return its output."""
    result = usher(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = [pytest.param(path, command, id=" ".join(path)) for path, command in commands(main)]
GROUPS = [param for param in COMMANDS if isinstance(param.values[1], click.Group)]
LEAVES = [param for param in COMMANDS if param not in GROUPS]


class TestHelp:
    @pytest.mark.parametrize(("path", "command"), COMMANDS)
    def test_every_command_teaches(self, path: tuple[str, ...], command: click.Command) -> None:
        text = success(*path, "--help")
        assert text == success(*path, "-h")
        assert len(text.splitlines()) > 5
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"--{parameter.name} says nothing"

    @pytest.mark.parametrize(("path", "command"), LEAVES)
    def test_every_command_shows_an_example(
        self, path: tuple[str, ...], command: click.Command
    ) -> None:
        _, _, examples = (command.help or "").partition("Example")
        assert "usher " in examples
        assert path[-1] in examples

    @pytest.mark.parametrize("path", [(), *(param.values[0] for param in GROUPS)], ids=str)
    def test_lists_of_commands_are_not_cut(self, path: tuple[str, ...]) -> None:
        text = success(*path, "--help")
        _, listed = text.split("Commands:\n")
        assert listed.strip()
        assert "..." not in listed

    def test_without_a_command_it_says_where_to_begin(self) -> None:
        text = failure(code=2)
        assert "usher demo" in text
        assert "usher check" in text

    def test_the_version(self) -> None:
        assert success("--version").startswith("usher, version ")

    @pytest.mark.parametrize("arguments", [["nothing"], ["keys", "nothing"], ["check", "--x"]])
    def test_what_is_no_command_is_a_usage_error(self, arguments: list[str]) -> None:
        assert "Usage: " in failure(*arguments, code=2)


class TestCheck:
    def test_good_settings(self, command_line: CommandLine) -> None:
        text = command_line.succeed("check")
        assert text.endswith("All is well.\n")
        for shown in (
            "https://www.shop.example/usher",
            "signing-key.pem",
            keys.fingerprint(rsa_key("signing").public_key()),
            "iadvize-production",
            str(command_line.audit_file),
            "sandbox          off",
        ):
            assert shown in text
        assert SECRET not in text

    def test_a_sandbox_is_shown_in_capitals(self, installation: Installation) -> None:
        key = installation.file("sandbox.pem", private_pem(rsa_key("recipient")))
        path = installation.toml(
            public_url="http://127.0.0.1:8000", sandbox={"recipient_key": str(key)}
        )
        success("--settings", path, "db", "upgrade")
        assert "sandbox          ON: no real iAdvize" in success("--settings", path, "check")

    def test_faults_are_listed_and_nothing_else(self, installation: Installation) -> None:
        path = installation.toml(public_url="x", url_prefix="y", token={"user_id": "z"})
        result = usher("--settings", path, "check")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: the settings have 3 faults:\n  public_url\n")
        assert result.stderr.count("    found     ") == 3
        assert result.stderr.count("    expected  ") == 3

    def test_settings_that_are_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        text = failure("check")
        assert str(tmp_path / "usher.toml") in text
        assert "USHER_SETTINGS" in text
        assert str(tmp_path / "other.toml") in failure("--settings", "other.toml", "check")
        monkeypatch.setenv("USHER_SETTINGS", str(tmp_path / "named.toml"))
        assert str(tmp_path / "named.toml") in failure("check")

    def test_it_makes_no_file(self, installation: Installation) -> None:
        path = installation.toml(audit={"file": str(installation.folder / "audit.log")})
        before = sorted(installation.folder.iterdir())
        assert "usher db upgrade" in failure("--settings", path, "check")
        assert sorted(installation.folder.iterdir()) == before

    def test_tables_that_are_missing_are_said(
        self, tmp_path: Path, empty_database_url: str
    ) -> None:
        line = CommandLine(tmp_path, empty_database_url)
        assert "Run: usher db upgrade" in line.fail("check")
        line.succeed("db", "upgrade")
        line.succeed("check")

    def test_row_177_a_database_that_is_away_is_said_without_its_password(
        self, installation: Installation
    ) -> None:
        url = "postgresql+psycopg://usher:hunter2hunter2@127.0.0.1:1/usher"
        text = failure("--settings", installation.toml(database={"url": url}), "check")
        assert "database.url" in text
        assert "connection failed" in text
        assert "127.0.0.1" in text
        assert "hunter2" not in text

    def test_a_file_that_is_no_database_is_said(self, installation: Installation) -> None:
        installation.file("usher.db", "This is no database. " * 100)
        text = failure("--settings", installation.toml(), "check")
        assert "    found     file is not a database\n" in text

    @pytest.mark.parametrize("name", ["no/audit.log", "folder", "/dev/null/audit.log"])
    def test_row_165_an_audit_log_that_cannot_be_written_is_named(
        self, command_line: CommandLine, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = command_line.folder / name
        (command_line.folder / "folder").mkdir()
        monkeypatch.setenv("USHER__AUDIT__FILE", str(file))
        text = command_line.fail("check")
        assert "audit.file" in text
        assert str(file) in text


class TestKeys:
    def test_the_usual_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        said = success("keys", "generate")
        assert "mode 0600" in said
        success("keys", "secret")
        result = usher("keys", "public", "--key", "signing-key.pem")
        made = keys.load_private_key(tmp_path / "signing-key.pem")
        assert result.stdout == keys.public_pem(made.public_key)
        assert f"Fingerprint: {made.fingerprint}\n" in result.stderr
        assert made.fingerprint in said
        assert len(keys.load_secret(tmp_path / "secret-key").value) == 88

    def test_the_key_in_the_settings_is_shown(self, installation: Installation) -> None:
        path = installation.toml()
        shown = success("--settings", path, "keys", "public")
        assert shown.encode() == public_pem(rsa_key("signing").public_key())

    @pytest.mark.parametrize("bits", [2048, 3072])
    def test_the_size_can_be_chosen(self, tmp_path: Path, bits: int) -> None:
        success("keys", "generate", "--out", tmp_path / "key.pem", "--bits", bits)
        assert keys.load_private_key(tmp_path / "key.pem").private_key.key_size == bits

    @pytest.mark.parametrize("bits", ["1024", "512", "0", "-1", "2049", "x"])
    def test_a_weak_size_cannot(self, tmp_path: Path, bits: str) -> None:
        out = tmp_path / "key.pem"
        failure("keys", "generate", "--out", out, "--bits", bits, code=2)
        assert not out.exists()

    @pytest.mark.parametrize("command", ["generate", "secret"])
    def test_a_file_that_is_there_is_not_replaced(self, tmp_path: Path, command: str) -> None:
        out = tmp_path / "there"
        out.write_text("precious")
        text = failure("keys", command, "--out", out)
        assert f"{out} is there already" in text
        assert out.read_text() == "precious"

    @pytest.mark.parametrize("command", ["generate", "secret"])
    def test_a_folder_that_is_missing_is_said(self, tmp_path: Path, command: str) -> None:
        out = tmp_path / "no" / "key"
        text = failure("keys", command, "--out", out)
        assert f"{out} can't be written: No such file or directory" in text

    def test_no_private_key_is_ever_printed(self, tmp_path: Path) -> None:
        out = tmp_path / "key.pem"
        results = [
            usher("keys", "generate", "--out", out),
            usher("keys", "public", "--key", out),
        ]
        public = spki(keys.load_private_key(out).public_key)
        for result in results:
            assert "PRIVATE" not in result.output
            body = "".join(result.output.split())
            for line in out.read_text().splitlines()[1:-1]:
                assert line not in body or line in public

    def test_a_key_that_is_none_is_said(self, tmp_path: Path) -> None:
        assert "does not exist" in failure("keys", "public", "--key", tmp_path / "no.pem")


@pytest.fixture
def jane(provider: LocalProvider) -> Account:
    return provider.accounts.add(NewAccount(name="jane", password_hash="x"))


def signed_in(state: State, subject: str, count: int) -> list[str]:
    identity = Identity(provider="local", subject=subject, signed_in_at=state.clock())
    return [state.sign_ins.create(Completion(identity)) for _ in range(count)]


def alive(state: State, cookies: list[str]) -> int:
    return sum(isinstance(state.sign_ins.find(cookie), SignIn) for cookie in cookies)


class TestRevoke:
    def test_row_42_of_one_account(
        self, command_line: CommandLine, state: State, jane: Account
    ) -> None:
        hers, others = signed_in(state, jane.id, 3), signed_in(state, "somebody", 2)
        said = command_line.succeed("sign-ins", "revoke", "--account", "Jane")
        assert said == "Ended 3 sign-ins.\n"
        assert (alive(state, hers), alive(state, others)) == (0, 2)
        assert state.sign_ins.find(hers[0]) is Absence.NONE
        (line,) = command_line.audit_lines()
        assert (line["event"], line["code"], line["count"]) == (
            "revocation",
            "sign-ins-ended",
            3,
        )
        assert "jane" not in command_line.audit_file.read_text()

    def test_row_43_of_everybody(
        self, command_line: CommandLine, state: State, jane: Account
    ) -> None:
        cookies = signed_in(state, jane.id, 1) + signed_in(state, "somebody", 2)
        assert command_line.succeed("sign-ins", "revoke", "--all") == "Ended 3 sign-ins.\n"
        assert alive(state, cookies) == 0
        assert command_line.succeed("sign-ins", "revoke", "--all") == "Ended 0 sign-ins.\n"

    def test_one_is_one(self, command_line: CommandLine, state: State) -> None:
        signed_in(state, "somebody", 1)
        assert command_line.succeed("sign-ins", "revoke", "--all") == "Ended 1 sign-in.\n"

    @pytest.mark.parametrize("arguments", [[], ["--all", "--account", "jane"]])
    def test_one_or_everybody(
        self, command_line: CommandLine, state: State, arguments: list[str]
    ) -> None:
        cookies = signed_in(state, "somebody", 1)
        text = command_line.fail("sign-ins", "revoke", *arguments, code=2)
        assert "either --account NAME or --all" in text
        assert alive(state, cookies) == 1

    @pytest.mark.parametrize(
        ("name", "code"), [("nobody", 1), ("", 2), ("a\u202eb", 2), ("x" * 300, 2)]
    )
    def test_an_account_that_is_not_there(
        self, command_line: CommandLine, state: State, name: str, code: int
    ) -> None:
        cookies = signed_in(state, "somebody", 1)
        text = command_line.fail("sign-ins", "revoke", "--account", name, code=code)
        assert "no account" in text
        assert alive(state, cookies) == 1
        assert not command_line.audit_file.exists()

    def test_row_165_nothing_is_ended_without_a_record(
        self, command_line: CommandLine, state: State
    ) -> None:
        cookies = signed_in(state, "somebody", 1)
        command_line.audit_file.mkdir()
        text = command_line.fail("sign-ins", "revoke", "--all")
        assert "audit-unavailable" in text
        assert alive(state, cookies) == 1

    def test_without_tables(self, tmp_path: Path, empty_database_url: str) -> None:
        line = CommandLine(tmp_path, empty_database_url)
        assert "usher db upgrade" in line.fail("sign-ins", "revoke", "--all")


class TestInspect:
    @pytest.fixture
    def files(self, installation: Installation) -> dict[str, Path]:
        return {
            "recipient": installation.file("r.pem", private_pem(rsa_key("recipient"))),
            "signing": installation.folder / "signing-key.pem",
            "public": installation.file("p.pem", public_pem(rsa_key("signing").public_key())),
            "base64": installation.file("b.txt", spki(rsa_key("signing").public_key())),
            "other": installation.file("o.pem", private_pem(rsa_key("other"))),
        }

    @pytest.fixture
    def token(self) -> str:
        return make_minter(clock=fresh_clock()).mint(issue()).value

    def test_without_keys_it_shows_what_anybody_can_see(self, token: str) -> None:
        text = success("inspect", token)
        assert f"{len(token)} bytes" in text
        assert '"alg": "RSA-OAEP-256"' in text
        assert "not judged decrypts" in text
        assert "FAILED" not in text
        assert "local:42" not in text

    @pytest.mark.parametrize("key", ["signing", "public", "base64"])
    def test_with_both_keys_it_judges_every_rule(
        self, token: str, files: dict[str, Path], key: str
    ) -> None:
        text = success(
            *("inspect", token, "--recipient-key", files["recipient"]),
            *("--signing-key", files[key], "--issuer", ISSUER),
        )
        assert '"https://iadvize.com/userId": "local:42"' in text
        assert "time left     " in text
        assert "not judged" not in text
        assert "FAILED" not in text

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_stdin(self, token: str, files: dict[str, Path], end: str) -> None:
        text = success("inspect", "-", "--recipient-key", files["recipient"], stdin=token + end)
        assert "local:42" in text

    def test_json_is_for_programs(self, token: str, files: dict[str, Path]) -> None:
        text = success(
            *("inspect", token, "--recipient-key", files["recipient"]),
            *("--signing-key", files["signing"], "--issuer", ISSUER, "--json"),
        )
        found = json.loads(text)
        assert found["accepted"] is True
        assert found["inner_header"] == {"alg": "RS256"}
        assert found["claims"]["iss"] == ISSUER
        assert found["token_bytes"] == len(token)
        assert {check["passed"] for check in found["checks"]} == {True}

    @pytest.mark.parametrize(
        ("minter", "failed"),
        [
            pytest.param({"clock": lambda: 1_000_000_000}, "not-expired", id="expired"),
            pytest.param({"recipient_key": "other"}, "decrypts", id="other-recipient"),
            pytest.param({"issuer": "https://evil.example"}, "issuer", id="other-issuer"),
        ],
    )
    def test_a_bad_token_fails(
        self, files: dict[str, Path], minter: dict[str, Any], failed: str
    ) -> None:
        if "recipient_key" in minter:
            minter = {"recipient_key": public_key("other")}
        token = make_minter(**({"clock": fresh_clock()} | minter)).mint(issue()).value
        arguments = (
            *("inspect", token, "--recipient-key", files["recipient"]),
            *("--signing-key", files["signing"], "--issuer", ISSUER),
        )
        result = usher(*arguments)
        assert result.exit_code == 1
        assert f"FAILED     {failed} " in result.stdout
        assert json.loads(usher(*arguments, "--json").stdout)["accepted"] is False

    def test_another_signing_key_fails(self, token: str, files: dict[str, Path]) -> None:
        result = usher(
            *("inspect", token, "--recipient-key", files["recipient"]),
            *("--signing-key", files["other"]),
        )
        assert result.exit_code == 1
        assert "FAILED     signature " in result.stdout

    @pytest.mark.parametrize(
        "garbage",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"hello", id="word"),
            pytest.param(b"....", id="dots"),
            pytest.param(b"\xff\xfe\x00", id="bytes"),
            pytest.param("a.é.\x1b[31m.d.e".encode(), id="escapes"),
            pytest.param(b"." * 2_000_000, id="2-mb"),
            pytest.param(b"eyJhbGciOiJub25lIn0..", id="none"),
        ],
    )
    @pytest.mark.parametrize("form", [[], ["--json"]])
    def test_garbage_fails_in_words(
        self, files: dict[str, Path], garbage: bytes, form: list[str]
    ) -> None:
        result = usher(
            "inspect", "-", "--recipient-key", files["recipient"], *form, stdin=garbage
        )
        assert result.exit_code == 1
        assert "\x1b" not in result.stdout
        if form:
            json.loads(result.stdout)

    def test_what_a_token_holds_does_not_steer_the_terminal(
        self, files: dict[str, Path]
    ) -> None:
        minter = make_minter(clock=fresh_clock(), visitor_data={"city": "city"})
        token = minter.mint(issue("é\x9b31m\u202e\x07", city="Orléans")).value
        text = usher("inspect", token, "--recipient-key", files["recipient"]).stdout
        assert "Orléans" in text
        assert all(character.isprintable() or character == "\n" for character in text)

    @pytest.mark.parametrize(
        ("option", "content", "problem"),
        [
            pytest.param("--recipient-key", None, "does not exist", id="no-recipient"),
            pytest.param("--signing-key", None, "No such file", id="no-signer"),
            pytest.param("--recipient-key", b"x", "is no PEM private key", id="text"),
            pytest.param("--signing-key", b"x", "is no public key", id="signer-text"),
            pytest.param(
                "--recipient-key",
                lambda: public_pem(rsa_key("recipient").public_key()),
                "holds a public key",
                id="public-recipient",
            ),
            pytest.param(
                "--signing-key",
                lambda: public_pem(rsa_key("weak", 1024).public_key()),
                "1024 bits",
                id="weak-signer",
            ),
            pytest.param(
                "--signing-key",
                lambda: public_pem(rsa_key("signing").public_key())[:200],
                "is damaged or not a public key",
                id="damaged-signer",
            ),
        ],
    )
    def test_a_key_that_is_none_is_said(
        self, tmp_path: Path, token: str, option: str, content: Any, problem: str
    ) -> None:
        path = tmp_path / "key.pem"
        if content is not None:
            path.write_bytes(content() if callable(content) else content)
            path.chmod(0o600)
        text = failure("inspect", token, option, path)
        assert f"{path}: " in text
        assert problem in text
        assert_holds_nothing_of(path.read_bytes() if path.exists() else b"", text)

    def test_a_key_that_others_may_read_is_refused(
        self, token: str, files: dict[str, Path]
    ) -> None:
        files["recipient"].chmod(0o644)
        text = failure("inspect", token, "--recipient-key", files["recipient"])
        assert "can be read or changed by others" in text
        assert "chmod 600" in text


def fresh_clock() -> Callable[[], float]:
    return time.time


START = "from flask_usher import create_app; create_app(); print('started')"


@pytest.mark.parametrize("broken", ["missing", "readable", "garbage", "swapped"])
def test_row_123_a_service_with_a_broken_key_refuses_to_start_and_says_why(
    installation: Installation, broken: str
) -> None:
    key = installation.folder / "signing-key.pem"
    if broken == "missing":
        key.unlink()
    elif broken == "readable":
        key.chmod(0o644)
    elif broken == "garbage":
        key.write_bytes(os.urandom(100))
    else:
        key.write_bytes(public_pem(rsa_key("recipient").public_key()))
    environment = os.environ | {"USHER_SETTINGS": str(installation.toml())}
    result = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True
    )
    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("flask_usher.errors.SettingsError: ")
    assert f"token.signing_key: found '{key}'; expected a usable file. {key}: " in result.stderr
    assert "PRIVATE KEY" not in result.stderr


def test_the_same_service_with_a_good_key_starts(installation: Installation) -> None:
    path = installation.toml()
    database = Database(f"sqlite:///{installation.folder / 'usher.db'}")
    schema.upgrade(database)
    database.close()
    result = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | {"USHER_SETTINGS": str(path)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "started\n", "")
