"""The provider that the documentation builds works: as it stands there, and installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from parts import ROOT
from support.installations import SECRET
from support.keys import rsa_key
from support.service import KeyFiles

from flask_usher.providers.passwords import Passwords
from flask_usher.testing import ChatTokens

PAGE = ROOT / "docs/own-provider.md"
FILE = re.compile(r"```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)```", re.S)
FILES = dict(FILE.findall(PAGE.read_text()))
ORIGIN = "https://www.shop.example"

SIGN_IN = """
import json, sys, re
from flask_usher import create_app

client = create_app(json.load(sys.stdin)).test_client()
ask = {"base_url": "https://www.shop.example"}
page = client.get("/usher/sign-in", **ask).text
form = {
    "form_token": re.search(r'name="form_token" value="([^"]+)"', page)[1],
    "username": "1234 5678",
    "password": "481516",
}
client.post("/usher/sign-in", data=form, **ask)
headers = {"X-Usher-Client": "test"}
print(client.post("/usher/token", json={}, headers=headers, **ask).text)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, and `installed` with what pip makes of them."""
    folder = tmp_path_factory.mktemp("own-provider")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    target = ("--target", str(folder / "installed"))
    command = [sys.executable, "-m", "pip", "install", *options, *target, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "installed")},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_has_the_files_that_it_tells_of() -> None:
    assert FILES.keys() == {
        "shop_club.py",
        "pyproject.toml",
        "usher.toml",
        "test_shop_club.py",
        "example_of_the_fake.py",
    }


def test_its_own_tests_pass(folder: Path) -> None:
    done = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop_club.py")
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 10


def test_the_example_of_the_fake_runs(folder: Path) -> None:
    done = run(folder, "-W", "error", "example_of_the_fake.py")
    assert (done.returncode, done.stderr) == (0, "")


def test_it_satisfies_the_type_checker(folder: Path) -> None:
    """As far as the page itself goes: Usher's own types are checked elsewhere."""
    options = ("--strict", "--ignore-missing-imports", "--follow-imports=skip")
    allowed = ("--allow-subclassing-any", "--no-warn-return-any")
    done = run(folder, "-m", "mypy", *options, *allowed, "shop_club.py")
    assert done.returncode == 0, done.stdout


def test_a_member_who_signs_in_gets_a_token(
    folder: Path, tmp_path: Path, sqlite_template: Path
) -> None:
    files = KeyFiles.make(tmp_path)
    shutil.copy(sqlite_template, tmp_path / "usher.db")
    members = tmp_path / "members.json"
    jane = {"given_name": "Jane", "pin_hash": Passwords().hash(b"481516"), "pin_changes": 0}
    members.write_text(json.dumps({"12345678": jane}))
    (tmp_path / "secret-key").write_text(SECRET)
    (tmp_path / "secret-key").chmod(0o600)
    settings = tomllib.loads(FILES["usher.toml"]) | {
        "public_url": ORIGIN,
        "secret_key": str(tmp_path / "secret-key"),
        "token": {
            "signing_key": str(files.signing),
            "recipient_key": str(files.recipient_public),
        },
        "database": {"url": f"sqlite:///{tmp_path / 'usher.db'}"},
        "audit": {"file": str(tmp_path / "audit.log")},
    }
    settings["providers"]["members"]["members"] = str(members)
    done = run(folder, "-c", SIGN_IN, given=json.dumps(settings))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    tokens = ChatTokens(
        recipient_key=rsa_key("recipient"),
        signing_key=rsa_key("signing").public_key(),
        issuer=ORIGIN,
        clock=lambda: answer["expires_at"] - 60,
    )
    assert answer["token"] == tokens.about("members:12345678")
