"""The real service, as `make run` starts it, and what a visitor does with it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page
from support.server import free_port

PASSWORD = "lantern-over-still-water"
READY_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Service:
    """A running `usher demo`."""

    origin: str
    var: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def shop(self) -> str:
        """The address of the demo shop."""
        return f"{self.origin}/usher/sandbox/"

    def sign_in(self, page: Page, name: str = "jane", password: str = PASSWORD) -> None:
        """Go to the sign-in page from the shop and fill it in."""
        page.goto(self.shop)
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()

    def account_id(self, name: str) -> str:
        """Return the id of an account, from the database."""
        with sqlite3.connect(self.var / "usher.db") as connection:
            row = connection.execute("select id from usher_accounts where name = ?", [name])
            account_id: str = row.fetchone()[0]
        connection.close()
        return account_id

    def expire_sign_ins(self) -> None:
        """Make every sign-in one whose time is over, as a long night does."""
        with sqlite3.connect(self.var / "usher.db") as connection:
            connection.execute("update usher_sign_ins set expires_at = 1")
        connection.close()

    def set_active(self, name: str, active: bool) -> None:
        """Enable or disable an account, through the sandbox."""
        body: dict[str, str | bool] = {"name": name, "active": active}
        answer = requests.post(f"{self.origin}/usher/sandbox/accounts", json=body, timeout=10)
        answer.raise_for_status()

    def audit(self, code: str) -> list[dict[str, Any]]:
        """Return the audit lines with this code."""
        lines = [json.loads(it) for it in self.log.read_text().splitlines() if it[:1] == "{"]
        return [line for line in lines if line["code"] == code]

    def stop(self) -> None:
        """End the process."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(15)


def start(
    folder: Path, environment: Mapping[str, str], port: int | None = None, workers: int = 1
) -> Service:
    """Start the service with its state in `folder` and wait until it is ready."""
    port = port or free_port()
    usher = Path(sys.executable).with_name("usher")
    log = folder / f"log-{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                usher,
                "demo",
                f"--port={port}",
                f"--var={folder / 'var'}",
                f"--workers={workers}",
            ],
            env={**os.environ, "USHER_DEMO_PASSWORD": PASSWORD, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = Service(f"http://127.0.0.1:{port}", folder / "var", log, process)
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not _is_ready(service.origin):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return service


def _is_ready(origin: str) -> bool:
    try:
        return requests.get(f"{origin}/usher/health/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
