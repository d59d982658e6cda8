"""Fixtures: the whole service in a temporary folder, and browsers that ask it over WSGI."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc import jwe, jws
from joserfc.jwk import RSAKey
from support.keys import private_pem, rsa_key
from werkzeug.test import Client, TestResponse

from flask_usher import State, Usher, create_app, keys, workers
from flask_usher.key_rotation import records as key_records
from flask_usher.outcomes.tables import metadata as outcome_tables
from flask_usher.providers import accounts
from flask_usher.providers.accounts import Account, NewAccount
from flask_usher.providers.base import Completion, Identity
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.passwords import Passwords, prepare
from flask_usher.sign_ins import logouts, replays
from flask_usher.sign_ins import records as sign_in_records
from flask_usher.testing import Clock

ORIGIN = "https://shop.example"
ALLOWED_ORIGIN = "https://www.brand.example"
PASSWORD = "violet-otter-41-harbour"
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
USER_ID = "https://iadvize.com/userId"
START = 1_800_000_000.0
EVERYTHING = slice(None)


@dataclass(frozen=True)
class KeyFiles:
    """Files with RSA keys."""

    signing: Path
    other_signing: Path
    recipient: Path
    recipient_public: Path

    @classmethod
    def make(cls, folder: Path) -> KeyFiles:
        """Write new keys to a folder."""
        files = cls(*(folder / name for name in ("a.pem", "b.pem", "r.pem", "r-public.pem")))
        keys.write_private_file(files.signing, private_pem(rsa_key("signing")))
        keys.write_private_file(files.other_signing, private_pem(rsa_key("other")))
        keys.write_private_file(files.recipient, private_pem(rsa_key("recipient")))
        files.recipient_public.write_text(keys.public_pem(rsa_key("recipient").public_key()))
        return files


class Answer(TestResponse):
    """An answer, and where in the audit log the lines are that were written for it."""

    service: Service
    audit_span: slice

    @property
    def audit_lines(self) -> list[dict[str, Any]]:
        """The audit lines that were written while the answer was made."""
        return self.service.audit_lines(self.audit_span)

    @property
    def cookies(self) -> list[tuple[str, str]]:
        """The names and values of the cookies that it sets; a deleted one is empty."""
        pairs = [line.partition(";")[0] for line in self.headers.getlist("Set-Cookie")]
        return [(name, value) for name, _, value in (pair.partition("=") for pair in pairs)]

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object in the body, whatever its type is called."""
        value = json.loads(self.get_data())
        assert isinstance(value, dict)
        return value


class Browser(Client):
    """Sends requests and keeps cookies. Not for more than one thread."""

    def __init__(self, service: Service, use_cookies: bool = True) -> None:
        super().__init__(service.app, response_wrapper=Answer, use_cookies=use_cookies)
        self.service = service
        self.origin = service.origin

    def open(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a request to the service's own origin, unless `base_url` says otherwise."""
        defaults: dict[str, Any] = {"base_url": self.origin, "buffered": True}
        before = self.service.audit_size()
        answer = super().open(*args, **defaults | kwargs)
        assert isinstance(answer, Answer)
        answer.service = self.service
        answer.audit_span = slice(before, self.service.audit_size())
        self.service.secrets |= {value for _, value in answer.cookies if value}
        if answer.status_code == 200 and answer.mimetype == "application/json":
            self.service.secrets |= {answer.members.get("token", PASSWORD)}
        return answer

    def get(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a GET request."""
        return self.open(*args, method="GET", **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a POST request."""
        return self.open(*args, method="POST", **kwargs)

    def ask(self, path: str = "/token", **changes: Any) -> Answer:
        """Ask for a token as `usher.js` does. A header of `None` is left out."""
        headers = {
            "X-Usher-Client": "usher.js/1",
            "Content-Type": "application/json",
            "Origin": self.origin,
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
        } | changes.pop("headers", {})
        request: dict[str, Any] = {"method": "POST", "data": b"{}"} | changes
        request["headers"] = {name: text for name, text in headers.items() if text is not None}
        return self.open(self.service.prefix + path, **request)

    def user_id(self) -> str:
        """Ask for a token and return the userId in it."""
        answer = self.ask()
        assert answer.status_code == 200, answer.text
        return str(self.service.open_token(answer.members["token"])[USER_ID])

    def sign_in(self, name: str = "jane", password: str = PASSWORD, **fields: Any) -> Answer:
        """Open the sign-in page, and fill in and send its form."""
        self.service.secrets.add(password or PASSWORD)
        return self.send_form(self.form_token(), username=name, password=password, **fields)

    def form_token(self) -> str:
        """Open the sign-in page and return what makes its form good."""
        return form_token(self.get(self.service.prefix + "/sign-in"))

    def send_form(self, token: str, *, headers: Any = None, **fields: Any) -> Answer:
        """Send the sign-in form."""
        data = {"form_token": token} | {
            name: text for name, text in fields.items() if text is not None
        }
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"} | (headers or {})
        return self.post(self.service.prefix + "/sign-in", data=data, headers=sent)

    def sign_out(self) -> Answer:
        """Sign out as `usher.js` does."""
        return self.post(self.service.prefix + "/sign-out", headers={"Origin": self.origin})

    def cookie(self, name: str | None = None) -> str | None:
        """Return the value of a cookie, by default that of the sign-in."""
        cookie = self.get_cookie(name or self.service.cookie_name, domain=self._host)
        return cookie.value if cookie else None

    def show(self, value: str, name: str | None = None) -> None:
        """Set a cookie, by default that of the sign-in."""
        self.set_cookie(name or self.service.cookie_name, value, domain=self._host)

    @property
    def _host(self) -> str:
        return self.origin.split("://")[1].partition(":")[0]


@dataclass
class Service:
    """The service, its clock, and what it wrote. `secrets` may never show in what it wrote."""

    app: Flask
    clock: Clock
    folder: Path
    config: Mapping[str, Any]
    recipient_key: RSAKey
    password_hash: str
    secrets: set[str] = field(default_factory=set)
    latest: float = START

    @property
    def state(self) -> State:
        """The wired parts."""
        state = self.app.extensions["usher"]
        assert isinstance(state, State)
        return state

    @property
    def prefix(self) -> str:
        """The path under which Usher lies."""
        return self.state.settings.url_prefix

    @property
    def origin(self) -> str:
        """Where visitors reach the service."""
        return self.state.settings.public_url

    @property
    def cookie_name(self) -> str:
        """The name of the sign-in cookie."""
        return "__Host-usher" if self.origin.startswith("https:") else "usher"

    @property
    def provider(self) -> LocalProvider:
        """The provider with the accounts."""
        providers = self.state.providers.values()
        (provider,) = (it for it in providers if isinstance(it, LocalProvider))
        return provider

    def browser(self, use_cookies: bool = True) -> Browser:
        """Return a browser without any cookie; it may be one that keeps none."""
        return Browser(self, use_cookies)

    def add_account(self, name: str = "jane", **members: Any) -> Account:
        """Make an account with the password `PASSWORD`."""
        email = f"{name}@mail.example"
        self.secrets |= {email, PASSWORD}
        new = NewAccount(name=name, password_hash=self.password_hash, claims={"email": email})
        account = self.provider.accounts.add(new)
        if members.get("active") is False:
            self.provider.accounts.set_active(account.id, False)
        return account

    def set_password(self, account: Account, password: str) -> None:
        """Give an account a new password."""
        self.secrets.add(password)
        hashed = self.provider.passwords.hash(prepare(password))
        assert self.provider.accounts.set_password(account.id, hashed)

    def signed_in(self, name: str = "jane") -> Browser:
        """Return a browser of somebody who has signed in; their account is made if need be."""
        account = self.provider.accounts.by_name(name) or self.add_account(name)
        claimed = Identity(
            provider=self.provider.name,
            subject=account.id,
            signed_in_at=self.clock(),
            epoch=account.epoch,
        )
        identity = self.provider.current(claimed)
        assert identity is not None
        browser = self.browser()
        cookie = self.state.sign_ins.create(Completion(identity))
        self.secrets.add(cookie)
        browser.show(cookie)
        return browser

    def user_id_of(self, name: str) -> str:
        """Return the userId that the tokens of an account must hold."""
        account = self.provider.accounts.by_name(name)
        assert account is not None
        return f"{self.provider.name}:{account.id}"

    def open_token(self, token: str) -> dict[str, Any]:
        """Decrypt and verify a token, and return its claims."""
        inner = jwe.decrypt_compact(
            token, self.recipient_key, algorithms=["RSA-OAEP-256", "A256GCM"]
        ).plaintext
        assert inner is not None
        signing = self.state.admission.key_ring.minter().signing_key.public_key
        verified = jws.deserialize_compact(
            inner, RSAKey.import_key(keys.public_pem(signing)), algorithms=["RS256"]
        )
        claims = json.loads(verified.payload)
        assert isinstance(claims, dict)
        return claims

    @property
    def audit_file(self) -> Path:
        """The audit log."""
        return Path(self.config["audit"]["file"])

    def audit_size(self) -> int:
        """Return how long the audit log is, in bytes."""
        return self.audit_file.stat().st_size if self.audit_file.is_file() else 0

    def audit_lines(self, span: slice = EVERYTHING) -> list[dict[str, Any]]:
        """Return the lines in these bytes of the audit log; each must be one JSON object."""
        if not self.audit_file.is_file():
            return []
        written = self.audit_file.read_bytes()[span]
        assert written == b"" or written.endswith(b"\n")
        return [json.loads(line) for line in written.splitlines()]

    def issued(self) -> list[str]:
        """Return the SHA-256 of each token that the audit log says was issued."""
        return [line["token_sha256"] for line in self.audit_lines() if line["code"] == "issued"]

    @property
    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for the service in a process of its own."""
        (self.folder / "usher.toml").touch()
        file = str(self.folder / "usher.toml")
        return {"USHER_SETTINGS": file, **_variables("USHER", self.config)}


MakeService = Callable[..., Service]


def form_token(page: TestResponse) -> str:
    """Return what makes the form in a sign-in page good."""
    found = FORM_TOKEN.search(page.text)
    assert found is not None, page.text
    return found[1]


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """Two signing keys, and the recipient's pair."""
    return KeyFiles.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of `PASSWORD`, with today's parameters."""
    return Passwords().hash(prepare(PASSWORD))


@dataclass
class Workshop:
    """Makes services: `workshop.make(limits={…})` takes the settings that differ."""

    folder: Path
    key_files: KeyFiles
    password_hash: str
    database_template: Path
    services: list[Service] = field(default_factory=list)

    def make(
        self,
        app: Flask | None = None,
        rules: Any = (),
        identify: Any = None,
        clock: Clock | None = None,
        **changes: Any,
    ) -> Service:
        """Make the service, or put the extension on `app`."""
        folder = self.folder / f"service-{len(self.services)}"
        folder.mkdir()
        shutil.copy(self.database_template, folder / "usher.db")
        keys.generate_secret(folder / "secret-key")
        config = _config(folder, self.key_files)
        for key, value in changes.items():
            mixed = isinstance(value, Mapping) and key in config
            config[key] = config[key] | value if mixed else value
        clock = clock or Clock(START)
        if app is None and not rules:
            app = create_app(config, clock=clock)
        else:
            app = app or Flask("host")
            app.config["USHER"] = config
            Usher(app, rules=rules, identify=identify, clock=clock)
        recipient_key = RSAKey.import_key(self.key_files.recipient.read_text())
        service = Service(app, clock, folder, config, recipient_key, self.password_hash)
        self.services.append(service)
        return service


@pytest.fixture
def make_service(
    tmp_path: Path,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
    log: LogText,
) -> Iterator[MakeService]:
    """Make services of the test's own."""
    workshop = Workshop(tmp_path, key_files, password_hash, sqlite_template)
    yield workshop.make
    for service in workshop.services:
        service.state.close()
        assert_no_secret(service, log.text)


@pytest.fixture(scope="session")
def shared_service(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Service]:
    """The service that most tests share, since starting one takes longer than they do."""
    folder = tmp_path_factory.mktemp("shared")
    service = Workshop(folder, key_files, password_hash, sqlite_template).make()
    yield service
    service.state.close()


@pytest.fixture
def service(shared_service: Service, log: LogText) -> Iterator[Service]:
    """The service with the settings that most tests want, without any account.

    A day has passed since the test before, so that no limit remembers it; a second begins.
    """
    latest = max(shared_service.clock.now, shared_service.latest)
    shared_service.clock.now = latest // 1 + 86400
    shared_service.latest = shared_service.clock.now
    shared_service.state.outcomes.save()
    with shared_service.state.database.writing() as connection:
        for module in (accounts, sign_in_records, replays, logouts, workers, key_records):
            connection.execute(module.table.delete())
        for table in outcome_tables.sorted_tables:
            connection.execute(table.delete())
    shared_service.audit_file.unlink(missing_ok=True)
    yield shared_service
    assert_no_secret(shared_service, log.text)
    shared_service.secrets.clear()


@pytest.fixture
def postgresql_service(make_service: MakeService, postgresql_url: str) -> Service:
    """A service with its tables in PostgreSQL."""
    return make_service(database={"url": postgresql_url})


class LogText(logging.Handler):
    """Everything that was logged, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, with the traceback."""
        self.text += self.format(record) + "\n"


@pytest.fixture
def log() -> Iterator[LogText]:
    """What is logged during the test."""
    handler = LogText()
    package = logging.getLogger("flask_usher")
    level = package.level
    logging.getLogger().addHandler(handler)
    package.setLevel(logging.DEBUG)
    yield handler
    package.setLevel(level)
    logging.getLogger().removeHandler(handler)


def assert_no_secret(service: Service, log: str) -> None:
    """Check that nothing secret or personal is in the log or the audit log."""
    written = log
    if service.audit_file.is_file():
        written += service.audit_file.read_text()
    # Shorter ones may be part of something else, or nothing at all.
    for secret in {"eyJ"} | {text for text in service.secrets if len(text) > 8}:
        assert secret not in written, f"{secret!r} is in a log"


def _variables(prefix: str, table: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        name = f"{prefix}__{key}".upper()
        is_table = isinstance(value, Mapping)
        found |= _variables(name, value) if is_table else {name: json.dumps(value)}
    return found


def _config(folder: Path, key_files: KeyFiles) -> dict[str, Any]:
    return {
        "public_url": ORIGIN,
        "allowed_origins": [ALLOWED_ORIGIN],
        "secret_key": str(folder / "secret-key"),
        "token": {
            "signing_key": str(key_files.signing),
            "recipient_key": str(key_files.recipient_public),
        },
        "database": {"url": f"sqlite:///{folder / 'usher.db'}"},
        "audit": {"file": str(folder / "audit.log")},
    }
