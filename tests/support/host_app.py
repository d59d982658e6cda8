"""The shop of `examples/host_app` in a process of its own, and visitors who ask it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from parts import ROOT
from support.server import free_port
from support.service import FORM_TOKEN, USER_ID

EXAMPLE = ROOT / "examples/host_app"
JANE, JOHN = "jane@quire.example", "john@quire.example"
PASSWORD = "paper-under-the-lamp"
COOKIE = "quire"
READY_WITHIN_SECONDS = 120


@dataclass(frozen=True)
class Shop:
    """A copy of the example that runs, with its state in `var`."""

    origin: str
    folder: Path
    prefix: str
    environment: dict[str, str]

    @property
    def var(self) -> Path:
        """Where its keys and databases are."""
        return self.folder / "var"

    def visitor(self) -> Visitor:
        """Return somebody who has just come."""
        return Visitor(self)

    def signed_in(self, email: str = JANE) -> Visitor:
        """Return somebody who is signed in to the shop."""
        visitor = self.visitor()
        assert visitor.sign_in(email).status_code == 303
        return visitor

    def set_active(self, email: str, active: bool) -> None:
        """Change the shop's own table."""
        with closing(sqlite3.connect(self.var / "shop.db")) as connection, connection:
            connection.execute(
                "update customers set active = ? where email = ?", (active, email)
            )

    def run(self, *command: str | Path, stdin: str = "") -> str:
        """Run a command as the shop's operator would, and return what it prints."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@dataclass
class Visitor:
    """Somebody with a browser that keeps cookies."""

    shop: Shop
    http: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self.http.get(self.shop.origin + path, allow_redirects=False, timeout=20)

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form of the shop."""
        return self.http.post(
            self.shop.origin + path,
            data={"form_token": self.form_token(), **fields},
            allow_redirects=False,
            timeout=20,
        )

    def form_token(self) -> str:
        """Return what makes the shop's forms good."""
        return _token_in(self.get("/"))

    def sign_in(self, email: str = JANE, password: str = PASSWORD) -> requests.Response:
        """Fill in the shop's own form."""
        return self.post("/sign-in", email=email, password=password, next="/account")

    def sign_out(self) -> requests.Response:
        """Press the shop's own button."""
        return self.post("/sign-out")

    def sign_in_at_usher(self, name: str, password: str) -> requests.Response:
        """Fill in Usher's form."""
        path = f"{self.shop.prefix}/sign-in"
        fields = {"form_token": _token_in(self.get(path))}
        return self.http.post(
            self.shop.origin + path,
            data=fields | {"username": name, "password": password},
            headers={"Origin": self.shop.origin},
            allow_redirects=False,
            timeout=20,
        )

    def ask(self, **headers: str) -> requests.Response:
        """Ask for a token as `usher.js` does."""
        defaults = {"X-Usher-Client": "usher.js/1", "Origin": self.shop.origin}
        return self.http.post(
            f"{self.shop.origin}{self.shop.prefix}/token",
            json={},
            headers=defaults | headers,
            timeout=20,
        )

    def refusal(self) -> str:
        """Ask for a token and return the code of the refusal."""
        answer = self.ask()
        assert answer.status_code >= 400
        assert "token" not in answer.json()
        return str(answer.json()["code"])

    def claims(self) -> dict[str, Any]:
        """Ask for a token, and let the stand-in for iAdvize verify and open it."""
        answer = self.ask()
        assert answer.status_code == 200, answer.text
        verdict = requests.post(
            f"{self.shop.origin}{self.shop.prefix}/sandbox/authenticate",
            json={"token": answer.json()["token"]},
            timeout=20,
        ).json()
        assert verdict["status"] == "authentication-success", verdict
        claims: dict[str, Any] = verdict["inspection"]["claims"]
        return claims

    def user_id(self) -> str:
        """Return the userId in a token."""
        return str(self.claims()[USER_ID])

    def cookie(self) -> str | None:
        """Return the shop's session cookie."""
        return self.http.cookies.get(COOKIE)


StartShop = Callable[..., Shop]


@contextmanager
def running(folder: Path, variables: Mapping[str, str]) -> Iterator[Shop]:
    """Run the copy of the example in `folder`, by its one command."""
    port = free_port()
    origin, var = f"http://127.0.0.1:{port}", folder / "var"
    environment = os.environ | {
        "SHOP_DEMO_PASSWORD": PASSWORD,
        "SHOP_FOLDER": str(var),
        "USHER_SETTINGS": str(var / "usher.toml"),
        "USHER__PUBLIC_URL": origin,
        **variables,
    }
    log = folder / "log"
    command = [sys.executable, folder / "run.py", f"--port={port}", f"--var={var}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(origin, process, log)
        prefix = variables.get("USHER__URL_PREFIX", "/usher")
        yield Shop(origin, folder, prefix, environment)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@pytest.fixture(scope="session")
def start_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartShop]:
    """Start shops by `start(**variables)`; `lines` replaces what the example says."""
    with ExitStack() as stack:

        def start(lines: tuple[str, str] | None = None, **variables: str) -> Shop:
            folder = tmp_path_factory.mktemp("shop") / "copy"
            ignored = shutil.ignore_patterns("var", "__pycache__")
            shutil.copytree(EXAMPLE, folder, ignore=ignored)
            if lines is not None:
                _replace(folder / "app/__init__.py", *lines)
            return stack.enter_context(running(folder, variables))

        yield start


@pytest.fixture(scope="session")
def example_shop(start_shop: StartShop) -> Shop:
    """The example as it is."""
    return start_shop()


def _token_in(page: requests.Response) -> str:
    found = FORM_TOKEN.search(page.text)
    assert found is not None, page.text
    return found[1]


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def _wait(origin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not _answers(origin):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def _answers(origin: str) -> bool:
    try:
        return requests.get(origin, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
