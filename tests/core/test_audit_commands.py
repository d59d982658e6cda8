"""`usher audit show` and `usher audit tail`."""

from __future__ import annotations

import gzip
import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.command_line import CommandLine, command_line
from support.installations import Installation
from support.service import PASSWORD

from flask_usher.audit.reader import canonical_id

__all__ = ["command_line"]

JANE = "7XK2M-9QFT4"
SAM = "0123A-BCDEF"


def line(support_id: str = JANE, code: str = "issued", **fields: Any) -> dict[str, Any]:
    """Return the fields of a line."""
    return {
        "time": "2026-03-01T09:30:12.481Z",
        "event": "token",
        "code": code,
        "support_id": support_id,
        "address": "203.0.113.7",
        **fields,
    }


def text_of(*lines: Mapping[str, Any]) -> str:
    return "".join(json.dumps(it) + "\n" for it in lines)


def minutes_ago(minutes: float) -> str:
    then = datetime.fromtimestamp(time.time() - 60 * minutes, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def usher(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, f"sqlite:///{tmp_path / 'usher.db'}")


Write = Callable[..., Path]


@pytest.fixture
def write(usher: CommandLine) -> Write:
    """Write lines to the log, or to a file beside it; each is newer than those before."""
    written = 0

    def write(*lines: Mapping[str, Any], name: str = "audit.log") -> Path:
        nonlocal written
        file = usher.folder / name
        text = text_of(*lines).encode()
        file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
        written += 1
        os.utime(file, (1_700_000_000 + written,) * 2)
        return file

    return write


class TestShow:
    def test_a_token(self, usher: CommandLine, write: Write) -> None:
        write(line(SAM), line(provider="local", subject="5e1b", policy="3f9c", shadow="issued"))
        told = usher.succeed("audit", "show", JANE)
        assert told.startswith(f"{JANE}  token: issued\n  A token was issued.\n")
        for label, value in {
            "when": "2026-03-01T09:30:12.481Z",
            "address": "203.0.113.7",
            "provider": "local",
            "policy version": "3f9c",
            "shadow policy": "issued",
        }.items():
            assert re.search(rf"^  {label} +{re.escape(value)}$", told, re.M)
        assert SAM not in told

    def test_a_refusal_is_explained(self, usher: CommandLine, write: Write) -> None:
        write(line(code="not-allowed", rule="staff-first", reason="not staff"))
        told = usher.succeed("audit", "show", JANE)
        assert "The policy does not allow a token (403)." in told
        assert "the audit line names the rule" in told
        assert re.search(r"^  rule +staff-first$", told, re.M)

    def test_a_refusal_by_a_rule_of_the_operators_own(
        self, usher: CommandLine, write: Write
    ) -> None:
        rule = {"code": "staff-first", "refuse_when": "true", "remedy": "Wait until May."}
        Installation(usher.folder).toml(
            audit={"file": str(usher.audit_file)}, policy={"rules": [rule]}
        )
        file = write(line(code="staff-first", rule="staff-first"))
        assert "\n  Wait until May.\n" in usher.succeed("audit", "show", JANE)
        told = usher.succeed("audit", "show", JANE, "--file", str(file))
        assert re.search(r"^  rule +staff-first$", told, re.M)

    def test_all_its_lines_from_all_files(self, usher: CommandLine, write: Write) -> None:
        write(line(reason="first"), name="audit.log.2.gz")
        write(line(reason="second"), line(SAM), name="audit.log-20260301")
        write(line(reason="third"), name="audit.log.1")
        write(line(reason="fourth"), line(reason="fifth"))
        write(line(reason="not the log's"), name="audit.log.orig")
        write(line(reason="not the log's"), name="other-audit.log.1")
        told = usher.succeed("audit", "show", "--json", JANE).splitlines()
        reasons = [json.loads(it)["reason"] for it in told]
        assert reasons == ["first", "second", "third", "fourth", "fifth"]

    @pytest.mark.parametrize("lines", [0, 3])
    def test_nothing(self, usher: CommandLine, write: Write, lines: int) -> None:
        write(*[line(SAM)] * lines)
        assert f"nothing is recorded under {JANE}" in usher.fail("audit", "show", JANE)

    def test_no_log(self, usher: CommandLine) -> None:
        assert "there is no " in usher.fail("audit", "show", JANE)
        assert "there is no " in usher.fail("audit", "tail")
        missing = str(usher.folder / "no" / "audit.log")
        assert "No such file" in usher.fail("audit", "show", JANE, "--file", missing)

    @pytest.mark.parametrize(
        "read_out",
        ["7xk2m-9qft4", "7XK2M9QFT4", "7XK2M 9QFT4", " 7xk2m - 9qft4 "],
    )
    def test_however_it_is_read_out(
        self, usher: CommandLine, write: Write, read_out: str
    ) -> None:
        write(line())
        assert JANE in usher.succeed("audit", "show", read_out)

    def test_by_the_id_in_the_log_of_nginx(self, usher: CommandLine, write: Write) -> None:
        write(
            line(request_id="0af7651916cd43dd8448eb211c80319c"), line(SAM, request_id="1" * 32)
        )
        told = usher.succeed("audit", "show", "0af7651916cd43dd8448eb211c80319c")
        assert re.search(r"^  request +0af7651916cd43dd8448eb211c80319c$", told, re.M)
        assert JANE in told
        assert SAM not in told
        assert "nothing is recorded" in usher.fail("audit", "show", "2" * 32)

    def test_letters_that_look_like_digits(self) -> None:
        assert canonical_id("O1I1L-ABCDE") == "01111-ABCDE"

    @pytest.mark.parametrize(
        "text", ["", "-", "7XK2M", "7XK2M-9QFT44", "7XK2M-9QFTU", "é" * 10]
    )
    def test_what_is_no_support_id(self, usher: CommandLine, write: Write, text: str) -> None:
        write(line())
        usher.fail("audit", "show", "--", text, code=2)

    def test_the_id_in_another_field_is_not_it(self, usher: CommandLine, write: Write) -> None:
        write(line(SAM, site=JANE), line(SAM, site=f'"support_id": "{JANE}"'))
        usher.fail("audit", "show", JANE)

    def test_lines_that_are_none_are_passed_over(
        self, usher: CommandLine, write: Write
    ) -> None:
        file = write(line())
        damaged = f'{{"support_id": "{JANE}", "co\n{JANE}\n[1, "{JANE}"]\n{"{" * 99_999}\n\n'
        text = damaged + file.read_text() + f'{{"support_id": "{JANE}"'
        file.write_text(text)
        assert usher.succeed("audit", "show", "--json", JANE) == text_of(line())

    def test_row_151_hostile_text_is_escaped(self, usher: CommandLine, write: Write) -> None:
        hostile = "a\x1b[31m\r\nb\u202e\u2028\x9b2J<script>"
        write(line(code=hostile, site=hostile, reason=hostile, event=hostile))
        for command in (("show", JANE), ("tail",)):
            told = usher.succeed("audit", *command)
            assert not set(told) & set("\x1b\r\u202e\u2028\x9b")
            assert "\\x1b[31m\\r\\nb\\u202e" in told
        for command in (("show", "--json", JANE), ("tail", "--json")):
            told = usher.succeed("audit", *command)
            assert re.fullmatch(r"[ -~]+\n", told)

    def test_lines_around_the_ends_of_blocks(
        self, usher: CommandLine, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flask_usher.audit.reader.BLOCK_BYTES", 50)
        lines = [line(JANE if n % 3 else SAM, count=n, reason="r" * n) for n in range(90)]
        write(*lines)
        told = usher.succeed("audit", "show", "--json", JANE).splitlines()
        assert [json.loads(it)["count"] for it in told] == [n for n in range(90) if n % 3]

    @pytest.mark.parametrize(
        "before",
        ["", "Mar  1 09:30:12 host usher[12]: ", "<86>Mar  1 09:30:12 usher[12]: "],
        ids=["journal", "file", "socket"],
    )
    def test_from_the_platforms_log(self, usher: CommandLine, before: str) -> None:
        piped = "".join(f"{before}{json.dumps(line(it))}\n" for it in (SAM, JANE))
        told = usher.succeed("audit", "show", "--json", JANE, "--file", "-", stdin=piped)
        assert told == text_of(line(JANE))

    @pytest.mark.parametrize("command", [("show", JANE), ("tail",)], ids=["show", "tail"])
    def test_no_file_to_read(self, usher: CommandLine, command: tuple[str, ...]) -> None:
        settings = usher.settings.read_text()
        written = f'"file" = {json.dumps(str(usher.audit_file))}'
        places = {'"file" = "stdout"': "docker", '"syslog" = "/dev/log"': "-t usher"}
        for place, hint in places.items():
            assert written in settings
            usher.settings.write_text(settings.replace(written, place))
            told = usher.fail("audit", *command)
            assert "journalctl -o cat" in told
            assert hint in told
            assert f"usher audit {command[0]}" in told

    def test_a_file_that_is_damaged(self, usher: CommandLine, write: Write) -> None:
        write(line())
        (usher.folder / "audit.log.1.gz").write_bytes(b"no gzip at all")
        assert "can't be read" in usher.fail("audit", "show", JANE)


class TestTail:
    def codes(self, usher: CommandLine, *options: str, **how: Any) -> list[str]:
        told = usher.succeed("audit", "tail", "--json", *options, **how)
        return [json.loads(it)["code"] for it in told.splitlines()]

    def test_the_last_ten_in_their_order(self, usher: CommandLine, write: Write) -> None:
        write(*(line(code=f"c{n}") for n in range(30)))
        assert self.codes(usher) == [f"c{n}" for n in range(20, 30)]

    @pytest.mark.parametrize("count", [0, 1, 7, 100])
    def test_so_many(self, usher: CommandLine, write: Write, count: int) -> None:
        write(*(line(code=f"c{n}") for n in range(20)), name="audit.log.1")
        write(*(line(code=f"c{n}") for n in range(20, 25)))
        assert self.codes(usher, "-n", str(count)) == [f"c{n}" for n in range(25)][25 - count :]

    def test_in_columns(self, usher: CommandLine, write: Write) -> None:
        write(
            line(code="not-allowed", rule="staff-first", reason="not staff", provider="brand")
        )
        assert usher.succeed("audit", "tail").split() == [
            *("2026-03-01", "09:30:12", "token", "not-allowed", JANE, "203.0.113.7", "brand"),
            *("staff-first", "not", "staff"),
        ]

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (["--code", "issued"], [0, 3]),
            (["--code", "issued", "--code", "no-session"], [0, 1, 3]),
            (["--event", "sign-in"], [2]),
            (["--provider", "brand"], [2, 3]),
            (["--provider", "brand", "--code", "issued"], [3]),
            (["--code", "none"], []),
            (["--code", "issued", "-n", "1"], [3]),
        ],
    )
    def test_only_some(
        self, usher: CommandLine, write: Write, options: list[str], found: list[int]
    ) -> None:
        lines = [
            line(provider="local"),
            line(code="no-session"),
            line(event="sign-in", code="sign-in-failed", provider="brand"),
            line(provider="brand"),
        ]
        write(*lines)
        told = usher.succeed("audit", "tail", "--json", *options)
        assert told == text_of(*(lines[number] for number in found))
        piped = usher.succeed(
            *("audit", "tail", "--json", "--file", "-", *options), stdin=text_of(*lines)
        )
        assert piped == told

    @pytest.mark.parametrize(("since", "found"), [("90s", 1), ("10m", 2), ("3h", 3), ("2d", 4)])
    def test_since(self, usher: CommandLine, write: Write, since: str, found: int) -> None:
        ages = [3 * 24 * 60, 24 * 60, 120, 5, 1]
        lines = [line(time=minutes_ago(age)) for age in ages]
        write(*lines[:2], name="audit.log.1")
        write(*lines[2:])
        told = usher.succeed("audit", "tail", "--json", "--since", since)
        assert told == text_of(*lines[5 - found :])

    @pytest.mark.parametrize("since", ["", "10", "m", "-5m", "10x", "1.5h"])
    def test_since_when(self, usher: CommandLine, since: str) -> None:
        usher.fail("audit", "tail", f"--since={since}", code=2)

    def test_lines_around_the_ends_of_blocks(
        self, usher: CommandLine, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flask_usher.audit.reader.BACK_BYTES", 50)
        write(*(line(code=f"c{n}", reason="r" * n) for n in range(90)))
        assert self.codes(usher, "-n", "90") == [f"c{n}" for n in range(90)]

    def test_a_line_that_is_being_written_is_not_shown(
        self, usher: CommandLine, write: Write
    ) -> None:
        file = write(line())
        with file.open("a") as stream:
            stream.write('{"code": "half')
        assert self.codes(usher) == ["issued"]


class Follower:
    """`usher audit tail -f`, running."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.buffer = b""

    def codes(self, count: int) -> list[str]:
        """Return the codes of the next lines, when they are there."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while self.buffer.count(b"\n") < count:
            readable, _, _ = select.select([descriptor], [], [], 30)
            assert readable, f"no line came; so far {self.buffer!r}"
            self.buffer += os.read(descriptor, 65536)
        *lines, self.buffer = self.buffer.split(b"\n")
        return [json.loads(it)["code"] for it in lines]


Follow = Callable[..., Follower]


@pytest.fixture
def follow(usher: CommandLine) -> Iterator[Follow]:
    processes = []

    def follow(*options: str, **how: Any) -> Follower:
        arguments = ("audit", "tail", "-f", "--json", *options)
        process = usher.process(*arguments, stdout=subprocess.PIPE, **how)
        processes.append(process)
        return Follower(process)

    yield follow
    for process in processes:
        process.kill()
        process.communicate()


def append(file: Path, *lines: Mapping[str, Any]) -> None:
    with file.open("a") as stream:
        stream.write(text_of(*lines))


def test_following_across_rotations(usher: CommandLine, write: Write, follow: Follow) -> None:
    file = write(line(code="c0"), line(code="c1"))
    follower = follow("-n", "1")
    assert follower.codes(1) == ["c1"]
    append(file, line(code="c2"))
    assert follower.codes(1) == ["c2"]
    for number in (3, 6, 9):
        moved = file.rename(file.with_suffix(f".{number}"))
        append(moved, line(code=f"c{number}"))
        append(file, line(code=f"c{number + 1}"))
        append(file, line(code=f"c{number + 2}"))
        assert follower.codes(3) == [f"c{number + more}" for more in range(3)]
    file.write_text("")
    append(file, line(code="after"))
    assert follower.codes(1) == ["after"]


def test_following_only_some_of_a_file_to_come(usher: CommandLine, follow: Follow) -> None:
    follower = follow("--code", "issued")
    append(usher.audit_file, line(code="no-session"), line(code="issued"))
    append(usher.audit_file, line(code="no-session"), line(code="issued"))
    assert follower.codes(2) == ["issued", "issued"]
    follower.process.send_signal(signal.SIGINT)
    _, _ = follower.process.communicate(timeout=30)
    assert follower.process.returncode == 0


def test_following_the_standard_input(follow: Follow) -> None:
    follower = follow("--file", "-", "--code", "issued", stdin=subprocess.PIPE)
    assert follower.process.stdin is not None
    for _ in range(2):
        follower.process.stdin.write(text_of(line(code="no-session"), line()).encode())
        follower.process.stdin.flush()
        assert follower.codes(1) == ["issued"]


def test_the_lines_of_one_account(command_line: CommandLine) -> None:
    command_line.succeed("db", "upgrade")
    for name in ("jane", "sam"):
        command_line.succeed("users", "add", name, stdin=f"{PASSWORD}\n")
    command_line.succeed("users", "disable", "sam")
    command_line.succeed("users", "disable", "jane")
    codes = [it["code"] for it in command_line.audit_lines()]
    told = command_line.succeed("audit", "tail", "--json", "--account", "JANE").splitlines()
    assert len(told) == len(codes) // 2
    hashes = {json.loads(it)["account"] for it in told}
    assert len(hashes) == 1
    subject = json.loads(told[0])["subject"]
    append(command_line.audit_file, line(subject=subject), line(subject="another"))
    again = command_line.succeed("audit", "tail", "--json", "--account", "jane").splitlines()
    assert json.loads(again[-1])["subject"] == subject
    assert len(again) == len(told) + 1
    command_line.succeed("users", "delete", "jane", "--yes")
    gone = command_line.succeed("audit", "tail", "--json", "--account", "jane").splitlines()
    assert {json.loads(it)["account"] for it in gone} == hashes
    assert command_line.succeed("audit", "tail", "--account", "nobody") == ""
