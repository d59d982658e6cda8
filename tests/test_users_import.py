"""`usher users import`, on both databases."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from support.command_line import CommandLine, command_line, provider, state

from flask_usher.account_files.records import MAX_RECORD_BYTES
from flask_usher.providers.accounts import Accounts, NewAccount
from flask_usher.providers.local import LocalProvider

__all__ = ["command_line", "provider", "state"]

PASSWORD = "tulip-vase-9"
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
FORMATS = ["csv", "jsonl"]


def write(folder: Path, content: str | bytes, name: str = "people.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def as_csv(*rows: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def as_json(*objects: Mapping[str, object]) -> str:
    return "".join(json.dumps(item) + "\n" for item in objects)


def many(names: Sequence[str]) -> str:
    return as_csv(("username", "password_hash"), *((name, HASH) for name in names))


def names_in(accounts: Accounts) -> list[str]:
    return [account.name for account in accounts.page(limit=10_000)]


class TestWhatIsImported:
    def test_csv(self, command_line: CommandLine, provider: LocalProvider) -> None:
        content = as_csv(
            (
                *("username", "password", "password_hash", "active", "groups"),
                *("given_name", "email_verified", "address.country", "claim:customer"),
            ),
            ("Jane", PASSWORD, "", "", "vip; staff;vip", "Jane", "true", "FR", "0042"),
            ("sam", "", HASH, "No", "", "", "", "", ""),
        )
        output = command_line.succeed("users", "import", write(command_line.folder, content))
        assert output == "Imported 2 accounts; 0 were there already; 0 faulty lines.\n"
        jane = provider.sign_in({"username": "jane", "password": PASSWORD})
        assert jane.groups == ("vip", "staff")
        assert jane.claims == {
            "given_name": "Jane",
            "email_verified": True,
            "address": {"country": "FR"},
            "customer": "0042",
            "preferred_username": "jane",
        }
        sam = provider.accounts.credentials("sam")
        assert sam is not None
        assert (sam.account.active, sam.account.claims) == (False, {})
        assert sam.password_hash == HASH

    def test_json_lines(self, command_line: CommandLine, provider: LocalProvider) -> None:
        content = as_json(
            {
                "username": "Jane",
                "password": PASSWORD,
                "active": True,
                "groups": ["vip", "staff"],
                "address": {"country": "FR", "formatted": "1 rue X\nParis"},
                "email_verified": False,
                "claim:customer": 42,
                "nickname": None,
            },
            {"username": "sam", "password_hash": HASH, "active": False},
        )
        file = write(command_line.folder, f"{content}\n \n", "people.jsonl")
        assert command_line.succeed("users", "import", file).startswith("Imported 2 accounts")
        jane = provider.sign_in({"username": "jane", "password": PASSWORD})
        assert jane.groups == ("vip", "staff")
        assert jane.claims == {
            "address": {"country": "FR", "formatted": "1 rue X\nParis"},
            "email_verified": False,
            "customer": 42,
            "preferred_username": "jane",
        }

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(f"\ufeffusername,password\njane,{PASSWORD}\n", id="bom"),
            pytest.param(f"username,password\r\njane,{PASSWORD}\r\n", id="crlf"),
            pytest.param(f"username,password\njane,{PASSWORD}", id="no-last-line-break"),
            pytest.param(f" username , password \njane,{PASSWORD}\n\n\n", id="blank-lines"),
            pytest.param(f'"username","password"\n"jane","{PASSWORD}"\n', id="quoted"),
            pytest.param(f"password,username\n{PASSWORD},jane\n", id="other-order"),
        ],
    )
    def test_csv_in_every_dress(
        self, command_line: CommandLine, provider: LocalProvider, content: str
    ) -> None:
        command_line.succeed("users", "import", write(command_line.folder, content))
        assert provider.sign_in({"username": "jane", "password": PASSWORD})

    def test_quoted_cells_may_have_line_breaks(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        content = as_csv(
            ("username", "password_hash", "address.formatted"),
            ("jane", HASH, "1 rue X\nParis"),
            ("b a d", HASH, ""),
        )
        said = command_line.fail("users", "import", write(command_line.folder, content))
        jane = provider.accounts.by_name("jane")
        assert jane is not None
        assert jane.claims == {"address": {"formatted": "1 rue X\nParis"}}
        assert said.startswith("line 4: ") or "\nline 4: " in said

    @pytest.mark.parametrize(
        ("format_name", "content"),
        [
            ("csv", f"username,password\njane,{PASSWORD}\n"),
            ("jsonl", as_json({"username": "jane", "password": PASSWORD})),
        ],
    )
    def test_standard_input(
        self,
        command_line: CommandLine,
        provider: LocalProvider,
        format_name: str,
        content: str,
    ) -> None:
        command_line.succeed("users", "import", "-", "--format", format_name, stdin=content)
        assert provider.sign_in({"username": "jane", "password": PASSWORD})

    @pytest.mark.parametrize("format_name", FORMATS)
    def test_nothing_at_all(self, command_line: CommandLine, format_name: str) -> None:
        content = "username,password\n" if format_name == "csv" else ""
        file = write(command_line.folder, content, f"people.{format_name}")
        assert command_line.succeed("users", "import", file).startswith("Imported 0 accounts")

    def test_is_on_record(self, command_line: CommandLine) -> None:
        file = write(command_line.folder, many(["jane", "joan"]))
        command_line.succeed("users", "import", file)
        (line,) = command_line.audit_lines()
        assert (line["event"], line["code"], line["count"]) == ("account", "imported", 2)


CSV_FAULTS = [
    pytest.param("", PASSWORD, "", {}, "username is missing", id="no-name"),
    pytest.param("b a d", PASSWORD, "", {}, "U+0020 SPACE", id="row27-name"),
    pytest.param("b\u200bad", PASSWORD, "", {}, "ZERO WIDTH SPACE", id="row26-name"),
    pytest.param("b\0ad", PASSWORD, "", {}, "control character", id="row27-nul"),
    pytest.param("x" * 256, PASSWORD, "", {}, "longer than 255", id="long-name"),
    pytest.param("bad", "", "", {}, "password or password_hash", id="no-password"),
    pytest.param("bad", PASSWORD, HASH, {}, "only one", id="two-passwords"),
    pytest.param("bad", "tulip-7", "", {}, "at least 8", id="row31-short"),
    pytest.param("bad", "password", "", {}, "easy to guess", id="row31-common"),
    pytest.param("bad", "www.shop.example", "", {}, "name of the site", id="row31-site"),
    pytest.param("bad", "x1" * 513, "", {}, "1,024 bytes", id="row28-1026-bytes"),
    pytest.param("bad", "", "$2b$12$abc", {}, "argon2id", id="bcrypt"),
    pytest.param("bad", "", HASH[:-1], {}, "argon2id", id="truncated-hash"),
    pytest.param("bad", PASSWORD, "", {"active": "maybe"}, "true or false", id="active"),
    pytest.param("bad", PASSWORD, "", {"groups": "a;;b"}, "empty name", id="groups"),
    pytest.param("bad", PASSWORD, "", {"email": "a\0"}, "control character", id="claim"),
    pytest.param("bad", PASSWORD, "", {"email_verified": "2"}, "true or false", id="truth"),
]

JSON_FAULTS = [
    pytest.param("{", "not JSON", id="truncated"),
    pytest.param("[]", "not a JSON object", id="list"),
    pytest.param('"jane"', "not a JSON object", id="text"),
    pytest.param("null", "not a JSON object", id="null"),
    pytest.param('{"a":' * 10_000, "", id="row16-deep"),
    pytest.param('{"username": "bad", "username": "bad"}', "twice", id="row16-duplicate"),
    pytest.param('{"username": NaN}', "NaN", id="row16-nan"),
    pytest.param('{"claim:x": %s}' % ("9" * 5000), "", id="row16-5000-digits"),
    pytest.param('{"claim:x": 9007199254740992}', "2^53", id="2-to-the-53"),
    pytest.param('{"claim:x": 1.5}', "whole number", id="fraction"),
    pytest.param('{"claim:x": []}', "must be a text", id="claim-list"),
    pytest.param('{"claim:sub": "1"}', "unknown field", id="reserved-claim"),
    pytest.param('{"given-name": "x"}', "unknown field 'given-name'", id="unknown"),
    pytest.param('{"username": 42}', "username must be a text", id="number-as-name"),
    pytest.param('{"username": ""}', "it is empty", id="empty-name"),
    pytest.param('{"username": "\\ud800"}', "not UTF-8", id="row27-surrogate"),
    pytest.param('{"password": "\\ud800"}', "not UTF-8", id="row27-password-surrogate"),
    pytest.param('{"email": "\\ud800"}', "not UTF-8", id="row16-claim-surrogate"),
    pytest.param('{"password": 12345678}', "must be a text", id="number-as-password"),
    pytest.param('{"password_hash": []}', "argon2id", id="list-as-hash"),
    pytest.param('{"active": 1}', "true or false", id="number-as-truth"),
    pytest.param('{"groups": {}}', "list of texts", id="object-as-groups"),
    pytest.param('{"groups": [1]}', "groups must be a text", id="number-in-groups"),
    pytest.param('{"groups": [""]}', "empty name", id="empty-group"),
    pytest.param('{"address": "here"}', "address must be an object", id="text-as-address"),
    pytest.param('{"address": {"planet": "x"}}', "unknown field", id="unknown-address"),
]


class TestFaultyLines:
    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize(("name", "password", "stored", "more", "why"), CSV_FAULTS)
    def test_csv_fault_is_told_and_the_rest_imported(
        self,
        command_line: CommandLine,
        provider: LocalProvider,
        name: str,
        password: str,
        stored: str,
        more: dict[str, str],
        why: str,
    ) -> None:
        content = as_csv(
            ("username", "password", "password_hash", *more),
            ("adam", "", HASH, *("" for _ in more)),
            (name, password, stored, *more.values()),
            ("zoe", "", HASH, *("" for _ in more)),
        )
        result = command_line.run("users", "import", write(command_line.folder, content))
        assert result.exit_code == 1
        assert any(
            line.startswith("line 3: ") and why in line for line in result.stderr.splitlines()
        )
        assert result.stdout.startswith("Imported 2 accounts; 0 were there already; 1 faulty")
        assert names_in(provider.accounts) == ["adam", "zoe"]
        assert PASSWORD not in result.output
        assert "argon2id$v=19$m=64" not in result.output

    @pytest.mark.parametrize(("line", "why"), JSON_FAULTS)
    def test_json_fault_is_told_and_the_rest_imported(
        self, command_line: CommandLine, provider: LocalProvider, line: str, why: str
    ) -> None:
        adam, zoe = ({"username": name, "password_hash": HASH} for name in ("adam", "zoe"))
        content = f"{as_json(adam)}{line}\n{as_json(zoe)}"
        result = command_line.run(
            "users", "import", write(command_line.folder, content, "people.ndjson")
        )
        assert result.exit_code == 1
        assert any(
            told.startswith("line 2: ") and why in told for told in result.stderr.splitlines()
        )
        assert names_in(provider.accounts) == ["adam", "zoe"]

    def test_all_faults_are_told_in_the_order_of_lines(self, command_line: CommandLine) -> None:
        content = as_csv(
            ("username", "password", "active"),
            ("a", "password", ""),
            ("b b", "", "maybe"),
            ("c", PASSWORD, ""),
            ("d",),
            ("c", PASSWORD, ""),
        )
        said = command_line.fail("users", "import", write(command_line.folder, content))
        told = [line.split(":")[0] for line in said.splitlines() if line.startswith("line")]
        assert told == ["line 2", "line 3", "line 3", "line 3", "line 5", "line 6"]

    def test_bad_utf_8_is_told(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        rows = many(["adam", "caf!", "zoe"]).encode().replace(b"caf!", b"caf\xe9")
        said = command_line.fail("users", "import", write(command_line.folder, rows))
        assert "line 3: username is not UTF-8" in said
        assert names_in(provider.accounts) == ["adam", "zoe"]

    @pytest.mark.parametrize("second", ["jane", "JANE", " jane"])
    def test_row_26_a_name_may_be_there_once(
        self, command_line: CommandLine, provider: LocalProvider, second: str
    ) -> None:
        file = write(command_line.folder, many(["jane", "joan", second]))
        said = command_line.fail("users", "import", file)
        assert "line 4: the same username is on line 2" in said
        assert names_in(provider.accounts) == ["jane", "joan"]

    @pytest.mark.parametrize("format_name", FORMATS)
    def test_huge_lines_are_told_and_passed_over(
        self, command_line: CommandLine, provider: LocalProvider, format_name: str
    ) -> None:
        rows = [{"username": name, "password_hash": HASH} for name in ("adam", "bob", "zoe")]
        rows[1]["username"] = "x" * (3 * MAX_RECORD_BYTES)
        csv_rows = as_csv(("username", "password_hash"), *(list(row.values()) for row in rows))
        content = csv_rows if format_name == "csv" else as_json(*rows)
        file = write(command_line.folder, content, f"people.{format_name}")
        said = command_line.fail("users", "import", file)
        assert f"line {3 if format_name == 'csv' else 2}: the record is longer" in said
        assert names_in(provider.accounts) == ["adam", "zoe"]

    def test_a_quote_that_is_not_closed_costs_no_more_than_it_must(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        rows = [(f"person-{number}", PASSWORD, "x" * 1000) for number in range(80)]
        content = as_csv(("username", "password", "claim:note"), *rows)
        content = content.replace("person-10,", '"person-10,')
        said = command_line.fail("users", "import", write(command_line.folder, content))
        assert "line 12: the record, up to line" in said
        assert "is a quote not closed?" in said
        imported = names_in(provider.accounts)
        assert {"person-0", "person-9", "person-79"} <= set(imported)
        assert "person-10" not in imported

    def test_a_quote_that_is_not_closed_at_the_end(self, command_line: CommandLine) -> None:
        content = many(["jane"]) + f'"joan,{HASH}\n'
        said = command_line.fail("users", "import", write(command_line.folder, content))
        assert "line 3: not CSV" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param("", "must name the columns", id="empty"),
        pytest.param("username\njane\n", "missing columns: password", id="no-password"),
        pytest.param(f"password\n{PASSWORD}\n", "missing columns: username", id="no-name"),
        pytest.param(
            f"username,password,pasword_hash\njane,{PASSWORD},\n",
            "unknown columns: 'pasword_hash'",
            id="unknown",
        ),
        pytest.param(f"username,password,username\na,{PASSWORD},b\n", "twice", id="twice"),
        pytest.param(f"username;password\njane;{PASSWORD}\n", "Commas", id="semicolons"),
        pytest.param(f"jane,{PASSWORD}\n", "unknown columns", id="no-header"),
        pytest.param('"username', "no CSV header", id="open-quote"),
        pytest.param("x" * 10**6, "no CSV header", id="huge-header"),
        pytest.param(
            f"username,password\njane,{PASSWORD}\n".encode("utf-16"), "UTF-16", id="utf-16"
        ),
        pytest.param("username,claim:sub,password\n", "unknown columns", id="reserved"),
    ],
)
def test_files_that_cannot_be_used(
    command_line: CommandLine, provider: LocalProvider, content: str | bytes, why: str
) -> None:
    said = command_line.fail("users", "import", write(command_line.folder, content))
    assert "nothing imported" in said
    assert why in said
    assert names_in(provider.accounts) == []


@pytest.mark.parametrize("arguments", [["no-such.csv"], ["-"], ["--format", "xml", "-"]])
def test_usage(command_line: CommandLine, arguments: list[str]) -> None:
    command_line.fail("users", "import", *arguments, code=2)


def test_the_name_must_tell_the_format(command_line: CommandLine) -> None:
    file = write(command_line.folder, many(["jane"]), "people.txt")
    assert "--format" in command_line.fail("users", "import", file, code=2)
    command_line.succeed("users", "import", file, "--format", "csv")


class TestRunningItAgain:
    def test_passes_over_who_is_there_and_changes_nothing(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        there = provider.accounts.add(
            NewAccount(name="jane", password_hash="kept", claims={"name": "Jane"})
        )
        file = write(command_line.folder, many(["JANE", "joan"]))
        output = command_line.succeed("users", "import", file)
        assert output == "Imported 1 account; 1 were there already; 0 faulty lines.\n"
        assert provider.accounts.by_name("jane") == there

    def test_mended_lines_are_imported(
        self, command_line: CommandLine, provider: LocalProvider
    ) -> None:
        file = write(command_line.folder, many(["adam", "b a d"]))
        command_line.fail("users", "import", file)
        write(command_line.folder, many(["adam", "bad"]))
        assert "Imported 1 account; 1 were" in command_line.succeed("users", "import", file)
        assert names_in(provider.accounts) == ["adam", "bad"]

    @pytest.mark.slow
    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
    def test_after_an_interruption_goes_on_where_it_stopped(
        self, command_line: CommandLine, provider: LocalProvider, how: signal.Signals
    ) -> None:
        names = [f"person-{number:04}" for number in range(500)]
        process = command_line.process(
            *("users", "import", "--format", "csv", "-"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write("".join(many(names).splitlines(keepends=True)[:251]).encode())
        process.stdin.flush()
        while len(names_in(provider.accounts)) < 200:
            assert process.poll() is None
        process.send_signal(how)
        # The pipe stays open until the process is gone: the end of the input did not stop it.
        assert process.wait() == (1 if how == signal.SIGINT else -how)
        process.stdin.close()
        there = {account.name: account.id for account in provider.accounts.page(limit=1000)}
        assert len(there) == 200
        output = command_line.succeed(
            "users", "import", write(command_line.folder, many(names))
        )
        assert output.startswith("Imported 300 accounts; 200 were there already;")
        assert names_in(provider.accounts) == names
        after = {account.name: account.id for account in provider.accounts.page(limit=1000)}
        assert there.items() <= after.items()

    def test_somebody_else_making_the_same_account_meanwhile(
        self,
        command_line: CommandLine,
        provider: LocalProvider,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        existing = Accounts.existing

        def too_early(accounts: Accounts, names: Sequence[str]) -> set[str]:
            found = existing(accounts, names)
            accounts.add(NewAccount(name="jane", password_hash="theirs"))
            return found

        monkeypatch.setattr(Accounts, "existing", too_early)
        file = write(command_line.folder, many(["adam", "jane", "zoe"]))
        output = command_line.succeed("users", "import", file)
        assert output.startswith("Imported 2 accounts; 1 were there already;")
        jane = provider.accounts.credentials("jane")
        assert jane is not None
        assert jane.password_hash == "theirs"


class TestProgress:
    def test_percentages_where_there_is_no_terminal(self, command_line: CommandLine) -> None:
        file = write(command_line.folder, many([f"person-{number}" for number in range(50)]))
        result = command_line.run("users", "import", file)
        told = [line for line in result.stderr.splitlines() if line.endswith("%")]
        assert told == [f"Importing {percent} %" for percent in range(10, 101, 10)]
        assert result.stdout.startswith("Imported 50 accounts;")

    @pytest.mark.slow
    def test_a_bar_on_a_terminal(self, command_line: CommandLine) -> None:
        file = write(command_line.folder, many([f"person-{number}" for number in range(50)]))
        ours, theirs = pty.openpty()
        process = command_line.process(
            "users", "import", file, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"Imported 50 accounts;")
        process.stdout.close()
        assert process.wait() == 0
        assert b"100%" in os.read(ours, 65536)
        os.close(ours)
