"""The service with an OpenID provider beside it: a fake that behaves, on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from support.refusals import assert_page_refused, assert_refused
from support.service import (
    ORIGIN,
    Answer,
    Browser,
    KeyFiles,
    LogText,
    Service,
    Workshop,
    assert_no_secret,
)

from flask_usher.providers import accounts
from flask_usher.sign_ins import logouts, replays
from flask_usher.sign_ins import records as sign_in_records
from flask_usher.testing import (
    FLAWLESS,
    JANE,
    Behaviour,
    Client,
    Clock,
    Endpoint,
    FakeOpenIdProvider,
    Forgery,
    Person,
    Request,
    SigningKey,
)
from flask_usher.testing.http_exchange import Answer as ProviderAnswer

CLIENT_ID = "usher"
CLIENT_SECRET = "violet-client-secret-41"
KEY = SigningKey.generate(key_id="first")
FAREWELL = f"{ORIGIN}/"
DAY = 86400


class PatientProvider(FakeOpenIdProvider):
    """A fake that can be held: until it is let go, the token endpoint answers nobody.

    `arrived` is released by everybody who waits there.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: threading.Event | None = None
        self.arrived = threading.Semaphore(0)

    def hold(self) -> None:
        """Answer nobody at the token endpoint from now on."""
        self._held = threading.Event()

    def let_go(self) -> None:
        """Answer everybody again."""
        held, self._held = self._held, None
        if held is not None:
            held.set()

    def answer(self, request: Request) -> ProviderAnswer:
        """Answer one request."""
        held = self._held
        if held is not None and request.path == Endpoint.TOKEN:
            self.arrived.release()
            held.wait()
        return super().answer(request)


@dataclass
class OpenIdService:
    """A service whose visitors sign in at `fake`, which its settings call `name`."""

    fake: PatientProvider
    service: Service
    name: str = "id"

    def browser(self) -> OpenIdBrowser:
        """Return a browser without any cookie."""
        return OpenIdBrowser(self)

    def signed_in(self, **changes: Any) -> OpenIdBrowser:
        """Return a browser of whoever is signed in at the provider, signed in here too."""
        browser = self.browser()
        answer = browser.sign_in_elsewhere(**changes)
        assert answer.status_code == 303, answer.text
        return browser

    def signed_in_later(self) -> OpenIdBrowser:
        """Let a second pass, so that nothing before it counts for this sign-in."""
        self.service.clock.advance(1)
        return self.signed_in()

    def behave(self, behaviour: Behaviour = FLAWLESS, **changes: Any) -> None:
        """Let the provider behave in this way from now on."""
        self.fake.behaviour = Behaviour(**changes) if changes else behaviour

    def fail_at(self, endpoint: Endpoint, reply: Any) -> None:
        """Let one endpoint answer with this, whatever it is asked."""
        self.behave(answers={endpoint: reply})

    def tokens_asked_for(self) -> int:
        """Return how often the token endpoint was asked."""
        return self.fake.count(Endpoint.TOKEN)

    def notify(
        self,
        token: str | None = None,
        *,
        forgery: Forgery | None = None,
        provider: str | None = None,
        **who: Any,
    ) -> Answer:
        """Post a logout token as the provider does, by default one about `who`."""
        token = token or self.fake.logout_token(CLIENT_ID, forgery=forgery, **who)
        return self.service.browser(use_cookies=False).post(
            f"/usher/oidc/{provider or self.name}/back-channel-logout",
            data={"logout_token": token},
        )


class OpenIdBrowser(Browser):
    """A browser whose visitor signs in elsewhere."""

    def __init__(self, shop: OpenIdService) -> None:
        super().__init__(shop.service)
        self.shop = shop

    def move_to(self, shop: OpenIdService) -> None:
        """Be served by another worker from now on."""
        self.shop, self.service, self.application = shop, shop.service, shop.service.app

    def begin(self, provider: str | None = None, **query: Any) -> Answer:
        """Be sent to the provider; `headers` are those of the request."""
        path = f"/usher/oidc/{provider or self.shop.name}/start"
        headers = query.pop("headers", {})
        return self.get(path, query_string=query, headers=headers)

    def consent(self, begun: Answer) -> dict[str, list[str]]:
        """Go where the answer leads; return the query with which the provider sends back."""
        back = self.shop.fake.authorize(begun.headers["Location"])
        self.service.secrets |= set(back.get("code", ()))
        return back

    def come_back(
        self, query: Mapping[str, Any], provider: str | None = None, **changes: Any
    ) -> Answer:
        """Come back with this query; a parameter changed to `...` is left out."""
        changed = {name: it for name, it in {**query, **changes}.items() if it is not ...}
        return self.get(
            f"/usher/oidc/{provider or self.shop.name}/callback?"
            + urlencode(changed, doseq=True)
        )

    def sign_in_elsewhere(self, **query: Any) -> Answer:
        """Make one attempt, all the way."""
        return self.come_back(self.consent(self.begin(**query)))

    def attempts(self) -> dict[str, str]:
        """Return the cookies of attempts that are under way."""
        prefix = f"{self.service.cookie_name}-attempt-"
        kept = ((cookie.key, cookie.value) for cookie in (self._cookies or {}).values())
        return {name: value for name, value in kept if name.startswith(prefix)}

    def twin(self) -> OpenIdBrowser:
        """Return another browser with the same cookies, for another thread."""
        twin = OpenIdBrowser(self.shop)
        for cookie in (self._cookies or {}).values():
            twin.show(cookie.value, cookie.key)
        return twin


def asked(answer: Answer) -> dict[str, str]:
    """Return what an answer sends the browser to the provider with."""
    query = parse_qs(urlsplit(answer.headers["Location"]).query, keep_blank_values=True)
    return {name: value for name, (value,) in query.items()}


def client(*names: str, origin: str = ORIGIN) -> Client:
    """Return how the fake knows the service, whose settings call it by these names."""
    return Client(
        id=CLIENT_ID,
        secret=CLIENT_SECRET,
        redirect_uris=tuple(f"{origin}/usher/oidc/{name}/callback" for name in names),
        post_logout_redirect_uris=(FAREWELL,),
    )


def provider_table(issuer: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the settings of a provider, whose secret is in `folder`."""
    file = folder / "client-secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(CLIENT_SECRET)
    return {
        "type": "oidc",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": str(file),
        "insecure_loopback": True,
        **changes,
    }


@dataclass
class OpenIdWorkshop:
    """Makes services with providers of their own."""

    workshop: Workshop
    stack: ExitStack
    clock: Clock = field(default_factory=Clock)

    def fake(self, *names: str, origin: str = ORIGIN) -> PatientProvider:
        """Start a provider that knows the service by these names."""
        known = client(*names or ("id",), origin=origin)
        serving = PatientProvider.serving(clients=[known], keys=[KEY], clock=self.clock)
        fake = self.stack.enter_context(serving)
        assert isinstance(fake, PatientProvider)
        self.stack.callback(fake.let_go)
        return fake

    def table(self, fake: FakeOpenIdProvider, **changes: Any) -> dict[str, Any]:
        """Return the settings for a provider."""
        return provider_table(fake.issuer, self.workshop.folder, **changes)

    def make(
        self, fake: PatientProvider | None = None, table: Any = None, **changes: Any
    ) -> OpenIdService:
        """Make a service; `table` changes the settings of its provider, `changes` others."""
        fake = fake or self.fake()
        providers = {"id": self.table(fake, **(table or {}))}
        service = self.workshop.make(
            clock=self.clock,
            **{**changes, "providers": providers | changes.get("providers", {})},
        )
        service.secrets |= PERSONAL
        return OpenIdService(fake, service)

    def two_workers(self, url: str) -> tuple[OpenIdService, OpenIdService]:
        """Make two services with one secret on one database, as the workers of one are."""
        fake = self.fake()
        first = self.make(fake, database={"url": url})
        secret = first.service.config["secret_key"]
        return first, self.make(fake, database={"url": url}, secret_key=secret)


PERSONAL = {CLIENT_SECRET, JANE.subject, "jane@shop.example", "Jane Doe"}


@pytest.fixture
def openid(
    tmp_path: Path,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
    log: LogText,
) -> Iterator[OpenIdWorkshop]:
    """Make services with providers of the test's own."""
    workshop = Workshop(tmp_path, key_files, password_hash, sqlite_template)
    with ExitStack() as stack:
        yield OpenIdWorkshop(workshop, stack)
    for service in workshop.services:
        service.state.close()
        assert_no_secret(service, log.text)


@pytest.fixture(scope="session")
def shared_shop(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[OpenIdService]:
    """The service and the provider that most tests share."""
    folder = tmp_path_factory.mktemp("openid")
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    with ExitStack() as stack:
        shop = OpenIdWorkshop(workshop, stack).make()
        yield shop
    shop.service.state.close()


@pytest.fixture
def shop(shared_shop: OpenIdService, log: LogText) -> Iterator[OpenIdService]:
    """A service with a provider that behaves, at which Jane is signed in.

    A day has passed since the test before, so that no limit remembers it.
    """
    service, fake = shared_shop.service, shared_shop.fake
    service.clock.now = max(service.clock.now, service.latest) + DAY
    service.latest = service.clock.now
    service.secrets |= PERSONAL
    fake.behaviour, fake.keys = FLAWLESS, (KEY,)
    fake.sign_in(JANE)
    # The service knows the provider, as it does but for its first minutes.
    shared_shop.signed_in()
    with service.state.database.writing() as connection:
        for table in (accounts.table, sign_in_records.table, replays.table, logouts.table):
            connection.execute(table.delete())
    service.audit_file.unlink()
    fake.requests.clear()
    yield shared_shop
    fake.let_go()
    assert_no_secret(service, log.text)
    service.secrets.clear()


def user_id(person: Person, provider: str = "id") -> str:
    """Return the userId that the tokens of a person must hold."""
    return f"{provider}:{person.subject}"


def assert_signed_out(browser: Browser) -> None:
    """Check that nobody is signed in at this browser."""
    assert_refused(browser.ask(), 401, "no-session")


def assert_rejected(answer: Answer, reason: str | None = None) -> None:
    """Check that an attempt to sign in has failed, and why."""
    assert_page_refused(answer, 400, "sign-in-rejected")
    assert answer.audit_lines[0].get("reason") == reason
