"""What becomes of tokens, sign-ins and readiness while the audit log can't be written."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from support.refusals import assert_sealed
from support.service import MakeService, Service
from support.threads import together


def readiness(service: Service) -> tuple[int, str, str]:
    answer = service.browser().get("/usher/health/ready")
    return answer.status_code, answer.members["status"], answer.members["checks"]["audit"]


READY = (200, "ready", "ok")
NOT_READY = (503, "not ready", "unavailable")
DEGRADED = (200, "degraded", "degraded")


@contextmanager
def syslog_daemon(address: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(address))
        daemon.setblocking(False)
        yield daemon
    address.unlink()


def lines_from(daemon: socket.socket) -> list[dict[str, Any]]:
    """Return what has come in, each message one line."""
    lines = []
    while True:
        try:
            message = daemon.recv(65536).decode()
        except BlockingIOError:
            return lines
        lines.append(json.loads(message[message.index("{") :]))


def test_row_165_syslog_goes_down_and_comes_back(
    make_service: MakeService, tmp_path: Path
) -> None:
    address = tmp_path / "log"
    service = make_service(audit={"file": "stdout", "syslog": str(address)})
    browser = service.signed_in()
    assert readiness(service) == NOT_READY
    with syslog_daemon(address) as daemon:
        assert readiness(service) == READY
        tokens = [browser.ask().members["token"] for _ in range(3)]
        lines = lines_from(daemon)
        assert [line["token_sha256"] for line in lines] == [
            sha256(token.encode()).hexdigest() for token in tokens
        ]
    for _ in range(2):
        assert_sealed(browser.ask(), 503)
        assert readiness(service) == NOT_READY
    with syslog_daemon(address) as daemon:
        assert readiness(service) == READY
        assert browser.ask().status_code == 200
        lost, issued = lines_from(daemon)
        assert (lost["code"], lost["count"]) == ("lines-lost", 2)
        assert issued["code"] == "issued"


def test_row_165_best_effort_counts_what_is_lost(
    make_service: MakeService, tmp_path: Path
) -> None:
    folder = tmp_path / "audit"
    log = {"file": str(folder / "audit.log"), "when_unavailable": "count"}
    service = make_service(audit=log)
    browser = service.signed_in()
    assert readiness(service) == DEGRADED
    answers = [browser.ask() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert service.browser().ask().status_code == 401
    assert readiness(service) == DEGRADED
    folder.mkdir()
    assert readiness(service) == READY
    token = browser.ask().members["token"]
    lost, issued = service.audit_lines()
    assert (lost["code"], lost["count"]) == ("lines-lost", 4)
    assert issued["token_sha256"] == sha256(token.encode()).hexdigest()


def test_row_165_a_sign_in_stands_with_best_effort(make_service: MakeService) -> None:
    service = make_service(audit={"file": "/dev/full", "when_unavailable": "count"})
    service.add_account("jane")
    browser = service.browser()
    assert browser.sign_in("jane").status_code == 303
    assert browser.ask().status_code == 200
    assert browser.sign_out().status_code == 204


def test_row_165_readiness_learns_from_the_last_line(make_service: MakeService) -> None:
    service = make_service(audit={"file": "/dev/full"})
    assert readiness(service) == READY
    assert_sealed(service.signed_in().ask(), 503)
    assert readiness(service) == NOT_READY


def test_row_165_no_token_without_its_line_while_the_log_comes_and_goes(
    make_service: MakeService, tmp_path: Path
) -> None:
    folder, away = tmp_path / "audit", tmp_path / "away"
    folder.mkdir()
    service = make_service(
        audit={"file": str(folder / "audit.log")},
        limits={"tokens_per_person": "10000 per 60 seconds"},
    )
    browsers = [service.signed_in() for _ in range(4)]
    log, refused = service.audit_file, []
    # Else each request would look how long the file is that moves.
    service.config["audit"] = {"file": str(tmp_path / "none")}

    def ask(number: int) -> list[str]:
        if number == 4:
            for _ in range(20):
                folder.rename(away)
                refused.append(service.browser().ask().status_code)
                away.rename(folder)
                if log.exists():
                    log.rename(folder / f"audit.log.{len(refused)}")
            return []
        answers = [browsers[number].ask() for _ in range(60)]
        assert {answer.status_code for answer in answers} <= {200, 503}
        return [it.members["token"] for it in answers if it.status_code == 200]

    tokens = [token for tokens in together(5, ask) for token in tokens]
    assert refused == [503] * 20
    lines = [
        json.loads(line) for file in folder.iterdir() for line in file.read_text().splitlines()
    ]
    issued = [line["token_sha256"] for line in lines if line["code"] == "issued"]
    assert sorted(issued) == sorted(sha256(token.encode()).hexdigest() for token in tokens)


STDOUT_SERVICE = """
import os, sys
from flask_usher import create_app

client = create_app().test_client()
headers = {"X-Usher-Client": "test/1", "Content-Type": "application/json"}
for _ in sys.stdin:
    answer = client.post("/usher/token", data="{}", headers=headers, base_url=sys.argv[1])
    ready = client.get("/usher/health/ready", base_url=sys.argv[1])
    print(answer.status_code, ready.status_code, file=sys.stderr, flush=True)
"""


def test_row_165_the_reader_of_the_standard_output_goes_away(
    make_service: MakeService,
) -> None:
    service = make_service(audit={"file": "stdout"})
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", STDOUT_SERVICE, service.origin],
        env=os.environ | service.environment,
        stdin=subprocess.PIPE,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert process.stdin is not None
    assert process.stderr is not None
    with process, process.stderr as told:
        process.stdin.write("go\n")
        process.stdin.flush()
        assert told.readline() == "401 200\n"
        assert json.loads(os.read(read, 65536))["code"] == "no-session"
        os.close(read)
        process.stdin.write("go\ngo\n")
        process.stdin.close()
        assert told.read().split("\n")[-3:] == ["503 503", "503 503", ""]
    assert process.returncode == 0
