"""The audit log: what a line holds, what it never holds, and lines of several writers."""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.installations import SECRET
from support.keys import private_key
from support.minting import issue, make_minter
from support.threads import together

from flask_usher.audit import AuditLog, Visit
from flask_usher.audit.sinks import FileSink, StreamSink
from flask_usher.errors import AuditUnavailable, Code
from flask_usher.keys import Secret
from flask_usher.providers.base import Identity

NOW = 1_800_000_000.25
KEY = Secret("secret-key", SECRET.encode())
OTHER_KEY = Secret("secret-key", SECRET[::-1].encode())
VISIT = Visit(support_id="k7", address="192.0.2.1", site="https://www.shop.example")
JANE = Identity(
    provider="local",
    subject="4b6f5c1e-subject",
    signed_in_at=0.0,
    claims={"email": "jane@shop.example", "given_name": "Jane"},
    groups=("vip-customers",),
)
WHERE = {"support_id": "k7", "address": "192.0.2.1", "site": "https://www.shop.example"}


def audit_log(file: Path | int, key: Secret = KEY, now: float = NOW) -> AuditLog:
    sink = StreamSink(file) if isinstance(file, int) else FileSink(file)
    return AuditLog(sink, key, lambda: now)


def lines_of(file: Path) -> list[dict[str, Any]]:
    text = file.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def test_the_line_of_a_token(file: Path) -> None:
    token = make_minter(visitor_data={"city": "city"}).mint(issue(city=5))
    log = audit_log(file)
    log.write("token", "issued", VISIT, identity=JANE, token=token)
    assert lines_of(file) == [
        {
            "time": "2027-01-15T08:00:00.250Z",
            "event": "token",
            "code": "issued",
            **WHERE,
            "provider": "local",
            "subject": log.pseudonym("local:4b6f5c1e-subject"),
            "token_sha256": token.sha256,
            "key": private_key("signing").fingerprint[:19],
            "dropped": ["city"],
        }
    ]


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"reason": "wrong-password"}, {"reason": "wrong-password"}, id="reason"),
        pytest.param({"policy": "3f9c2a"}, {"policy": "3f9c2a"}, id="policy"),
        pytest.param({"rule": "staff-first"}, {"rule": "staff-first"}, id="rule"),
        pytest.param({"shadow": "issued"}, {"shadow": "issued"}, id="shadow-issues"),
        pytest.param(
            {"shadow": Code.NOT_ALLOWED}, {"shadow": "not-allowed"}, id="shadow-refuses"
        ),
        pytest.param({"count": 0}, {"count": 0}, id="count"),
        pytest.param(
            {"token": make_minter().mint(issue())}, {"token_sha256", "key"}, id="token"
        ),
        pytest.param({"account": "jane"}, {"account"}, id="account"),
        pytest.param({"identity": JANE}, {"provider", "subject"}, id="identity"),
    ],
)
def test_a_line_holds_what_is_known_and_nothing_else(
    file: Path, given_: dict[str, Any], found: Any
) -> None:
    audit_log(file).write("sign-in", Code.SIGN_IN_FAILED, VISIT, **given_)
    (line,) = lines_of(file)
    assert line["code"] == "sign-in-failed"
    assert set(line) == {"time", "event", "code", *WHERE} | set(found)
    if isinstance(found, dict):
        assert found.items() <= line.items()


def test_a_request_from_no_page_has_no_site(file: Path) -> None:
    audit_log(file).write("token", "issued", Visit("k7", "192.0.2.1", None))
    assert "site" not in lines_of(file)[0]


@pytest.mark.parametrize(
    ("now", "time"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.9999, "2027-01-15T08:00:00.999Z"),
        (2_208_988_800.0, "2040-01-01T00:00:00.000Z"),
    ],
)
def test_row_126_times_are_utc_with_milliseconds(file: Path, now: float, time: str) -> None:
    audit_log(file, now=now).write("token", "issued", VISIT)
    assert lines_of(file)[0]["time"] == time


def test_no_person_and_no_token_is_in_a_line(file: Path) -> None:
    token = make_minter().mint(issue())
    audit_log(file).write(
        "token", "issued", VISIT, identity=JANE, account="jane-doe", token=token
    )
    text = file.read_text()
    for secret in ("jane", "Jane", JANE.subject, 'shop.example"}', "vip", "eyJ", token.value):
        assert secret not in text


HOSTILE = [
    pytest.param("a\r\nb", id="row151-line-break"),
    pytest.param('a"}\n{"code":"issued"', id="row36-forged-line"),
    pytest.param("a\u2028b\u2029c\x85d", id="row151-line-separators"),
    pytest.param("a\x1b[31mb\x9b2Jc", id="row151-ansi"),
    pytest.param("a\x00b\x7f", id="row151-nul"),
    pytest.param("a\u202eb\u200b", id="row151-bidi"),
    pytest.param("a\ud800b", id="lone-surrogate"),
    pytest.param("<script>alert(1)</script>", id="row151-markup"),
    pytest.param("${jndi:ldap://127.0.0.1/a}", id="row36-jndi"),
    pytest.param("😀é", id="not-ascii"),
    pytest.param("x" * 100_000, id="long"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_field(file: Path, text: str) -> None:
    visit = Visit(support_id="k7", address=text, site=text)
    audit_log(file).write(
        "sign-in", "sign-in-failed", visit, account=text, reason=text, policy=text, rule=text
    )
    raw = file.read_bytes()
    assert raw.count(b"\n") == 1
    assert re.fullmatch(rb"[ -~]{1,10000}\n", raw)
    (line,) = lines_of(file)
    assert line["code"] == "sign-in-failed"
    for field in ("site", "reason", "address", "policy", "rule"):
        assert line[field] == text[:256]
    assert re.fullmatch(r"[0-9a-f]{32}", line["account"])


@given(st.text(), st.text(), st.text())
def test_any_text_makes_one_line(site: str, reason: str, account: str) -> None:
    read, write = os.pipe()
    try:
        visit = Visit(support_id="k7", address="192.0.2.1", site=site)
        audit_log(write).write("sign-in", "x", visit, account=account, reason=reason)
        raw = os.read(read, 65536)
    finally:
        os.close(read)
        os.close(write)
    assert raw.count(b"\n") == 1
    assert raw.isascii()
    assert json.loads(raw)["reason"] == reason[:256]


def test_pseudonyms_are_stable_and_hang_on_the_secret(file: Path) -> None:
    log = audit_log(file)
    assert log.pseudonym("local:1") == audit_log(file).pseudonym("local:1")
    assert log.pseudonym("local:1") != log.pseudonym("local:2")
    assert log.pseudonym("local:1") != audit_log(file, OTHER_KEY).pseudonym("local:1")
    assert re.fullmatch(r"[0-9a-f]{32}", log.pseudonym("local:1"))


def test_an_account_name_and_a_subject_have_different_pseudonyms(file: Path) -> None:
    jane = Identity(provider="local", subject="jane", signed_in_at=0.0)
    audit_log(file).write("sign-in", "signed-in", VISIT, identity=jane, account="jane")
    (line,) = lines_of(file)
    assert line["account"] != line["subject"]


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_file_is_the_owners_alone_and_is_appended_to(file: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        audit_log(file).write("token", "issued", VISIT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    audit_log(file).write("token", "issued", VISIT)
    assert len(lines_of(file)) == 2


def test_a_descriptor_is_written_to_and_stays_open(tmp_path: Path) -> None:
    file = tmp_path / "stdout"
    with file.open("ab") as stream:
        log = audit_log(stream.fileno())
        log.check()
        log.write("token", "issued", VISIT)
        log.write("token", "issued", VISIT)
        stream.write(b"still open\n")
    assert file.read_text().count('"issued"') == 2
    assert file.read_text().endswith("still open\n")


def test_row_165_a_reader_that_has_gone_away(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(AuditUnavailable):
            audit_log(write).write("token", "issued", VISIT)
    finally:
        os.close(write)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda folder: folder / "no" / "audit.log", id="row165-no-folder"),
        pytest.param(lambda folder: folder, id="row165-folder"),
        pytest.param(lambda folder: Path("/dev/full"), id="row165-full"),
        pytest.param(lambda folder: folder / ("x" * 300), id="row165-long-name"),
        pytest.param(lambda folder: Path("/dev/null/audit.log"), id="row165-below-a-file"),
    ],
)
def test_a_line_that_cannot_be_written_is_said(tmp_path: Path, place: Any) -> None:
    log = audit_log(place(tmp_path))
    for _ in range(3):
        with pytest.raises(AuditUnavailable) as error:
            log.write("token", "issued", VISIT, identity=JANE)
        assert error.value.code is Code.AUDIT_UNAVAILABLE
        assert error.value.retry_after


@pytest.mark.parametrize("name", ["no/audit.log", ""])
def test_row_165_the_check_tells_before_the_first_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuditUnavailable):
        audit_log(tmp_path / name).check()


def test_row_165_it_heals_by_itself(tmp_path: Path) -> None:
    log = audit_log(tmp_path / "later" / "audit.log")
    with pytest.raises(AuditUnavailable):
        log.write("token", "issued", VISIT)
    (tmp_path / "later").mkdir()
    log.check()
    log.write("token", "issued", VISIT)
    lost, line = lines_of(tmp_path / "later" / "audit.log")
    assert lost == {"time": line["time"], "event": "audit", "code": "lines-lost", "count": 1}
    assert line["code"] == "issued"


class Broken:
    """A sink that takes nothing while it is broken."""

    def __init__(self) -> None:
        self.broken = True
        self.lines: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        if self.broken:
            raise OSError(5, "broken")
        self.lines.append(json.loads(line))

    def check(self) -> None:
        """All seems well: only a line shows that it is not."""


@pytest.mark.parametrize("best_effort", [True, False])
def test_row_165_every_line_that_was_lost_is_counted(best_effort: bool) -> None:
    sink = Broken()
    log = AuditLog(sink, KEY, lambda: NOW, best_effort=best_effort)
    log.check()
    for _ in range(3):
        with nullcontext() if best_effort else pytest.raises(AuditUnavailable):
            log.write("token", "issued", VISIT)
        with pytest.raises(AuditUnavailable):
            log.check()
    sink.broken = False
    log.write("token", "issued", VISIT)
    log.write("token", "issued", VISIT)
    assert [(it["code"], it.get("count")) for it in sink.lines] == [
        ("lines-lost", 3),
        ("issued", None),
        ("issued", None),
    ]


def test_row_165_the_check_tries_again_what_failed() -> None:
    sink = Broken()
    log = AuditLog(sink, KEY, lambda: NOW, best_effort=True)
    log.write("token", "issued", VISIT)
    sink.broken = False
    log.check()
    log.check()
    assert [(it["code"], it["count"]) for it in sink.lines] == [("lines-lost", 1)]


def test_row_165_losses_of_many_threads_are_counted() -> None:
    sink = Broken()
    log = AuditLog(sink, KEY, lambda: NOW, best_effort=True)

    def work(number: int) -> None:
        for turn in range(200):
            sink.broken = turn % 20 != number
            log.write("token", "issued", VISIT)

    together(8, work)
    sink.broken = False
    log.check()
    written = sum(it["code"] == "issued" for it in sink.lines)
    assert written + sum(it.get("count", 0) for it in sink.lines) == 8 * 200


def test_the_service_log_says_once_that_lines_are_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Broken()
    log = AuditLog(sink, KEY, lambda: NOW, best_effort=True)
    for _ in range(3):
        log.write("token", "issued", VISIT)
    sink.broken = False
    log.check()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "3 lines were lost" in caplog.text
