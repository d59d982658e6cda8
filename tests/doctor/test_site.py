"""What `usher doctor` says of a whole installation behind a real nginx that speaks TLS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import nginx
from support.certificates import certificate
from support.examinations import Examination, examined
from support.server import free_port, serving
from support.service import KeyFiles, Service, Workshop

from flask_usher import keys
from flask_usher.cli import main
from flask_usher.workers import seen

pytestmark = [pytest.mark.nginx, pytest.mark.slow]
NEIGHBOUR = "https://localhost:8443"


@dataclass(frozen=True)
class Front:
    """The service on one port, and nginx with its printed block on another."""

    service: Service
    folder: Path
    port: int
    certificate: Path
    block: str

    def examined(self, block: str, *arguments: str, tls: Path | None = None) -> Examination:
        """Return what is found while nginx has this block."""
        server = nginx.server(self.port, block, tls or self.certificate)
        trust = ["--ca-file", str(tls or self.certificate)]
        with nginx.running(self.folder, self.port, server):
            return examined(self.service.environment, *(arguments or trust))

    def site(self, block: str, *arguments: str, **options: Any) -> dict[str, Any]:
        """Return what is found of the site."""
        return self.examined(block, *arguments, **options).families["Site"]


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    folder.chmod(0o700)
    port, back = free_port(), free_port()
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    production = keys.iadvize_production()
    service = workshop.make(
        public_url=f"https://localhost:{port}",
        allowed_origins=[NEIGHBOUR],
        proxy={"trusted_addresses": ["127.0.0.1"]},
        token={
            "signing_key_fingerprint": keys.load_private_key(key_files.signing).fingerprint,
            "recipient_key": production.source,
        },
    )
    (service.folder / "usher.db").chmod(0o600)
    printed = CliRunner().invoke(
        main,
        ["embed", "--only", "nginx", "--upstream", f"127.0.0.1:{back}"],
        env=service.environment,
    )
    tls = certificate(folder, "localhost", days=90)
    with serving(service, back, folder / "server.log"):
        yield Front(service, folder, port, tls, printed.stdout)
    service.state.close()


@pytest.fixture(autouse=True)
def _as_the_user_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 999)


def test_an_installation_in_order(front: Front) -> None:
    # The worker tells of itself when it was asked something, within seconds.
    front.examined(front.block)
    deadline = time.monotonic() + 30
    while not seen(front.service.state.database):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = front.examined(front.block)
    assert found.bad() == {}
    assert found.exit_code == 0
    strict = front.examined(front.block, "--strict", "--ca-file", str(front.certificate))
    assert strict.exit_code == 0
    site = found.families["Site"]
    assert site["certificate"].found.startswith("trusted, good for 90 more days; TLSv1.")
    assert site["readiness"].found == "ready"
    assert site[f"CORS for {NEIGHBOUR}"].found == f"{NEIGHBOUR} may ask"
    assert site[f"cookies for {NEIGHBOUR}"].found.startswith("same site")


NOT_READY = '{"status": "not ready", "checks": {}}'
LOCATION = "\nlocation = /usher/{} {{ {} }}\n"
FAULTS = [
    pytest.param(
        ("X-Forwarded-Proto $scheme", 'X-Forwarded-Proto ""'),
        "proxy headers",
        "Let the proxy set X-Forwarded-Proto, and list the proxy's address in "
        "proxy.trusted_addresses.",
        id="proto",
    ),
    pytest.param(
        ("$host:", "other.invalid:"),
        "token address",
        "The service does not see the Host that visitors ask for: let the proxy pass it on "
        "(`usher embed --only nginx`).",
        id="host",
    ),
    pytest.param(
        LOCATION.format("token", "return 404;"),
        "token address",
        "Lead public_url and url_prefix to the service, past pages that stand before it.",
        id="prefix",
    ),
    pytest.param(
        "if ($request_method = OPTIONS) { return 405; }",
        f"CORS for {NEIGHBOUR}",
        "The settings allow it: restart the service if they are new, and let no proxy answer "
        "OPTIONS itself or change Access-Control-* headers.",
        id="preflight",
    ),
    pytest.param(
        "proxy_cookie_flags ~ nosecure nosamesite;",
        "cookies",
        "Something on the way changes cookies: let it pass Set-Cookie as it is.",
        id="cookie-flags",
    ),
    pytest.param(
        "proxy_hide_header Cache-Control;",
        "Cache-Control",
        "Let no proxy change it. A cache could hand one visitor another's token.",
        id="cache",
    ),
    pytest.param(
        LOCATION.format(
            "health/ready", 'return 503 \'{"status": "not ready", "checks": {}}\';'
        ),
        "readiness",
        "See what is found above, and the service's log.",
        id="not-ready",
    ),
]


@pytest.mark.parametrize(("change", "check", "remedy"), FAULTS)
def test_what_stands_in_the_way_is_named(
    front: Front, change: str | tuple[str, str], check: str, remedy: str
) -> None:
    block = front.block
    block = block + change if isinstance(change, str) else block.replace(*change)
    assert block != front.block
    found = front.site(block)[check]
    assert (found.verdict, found.remedy) == ("fault", remedy)


def test_a_health_address_that_is_not_public(front: Front) -> None:
    found = front.site(front.block + LOCATION.format("health/ready", "return 403;"))
    assert found["readiness"].found == "not public: answered with 403"


@pytest.mark.parametrize(
    ("days", "verdict", "told"),
    [
        (60, "ok", "trusted, good for 60 more days"),
        (14, "warning", "trusted, good for 14 more days"),
        (3, "fault", "trusted, good for 3 more days"),
        (-1, "fault", "is refused: certificate has expired"),
    ],
)
def test_how_long_the_certificate_is_good(
    front: Front, tmp_path: Path, days: int, verdict: str, told: str
) -> None:
    tls = certificate(tmp_path, "localhost", days=days)
    found = front.site(front.block, tls=tls)["certificate"]
    assert found.verdict == verdict
    assert found.found.startswith(told)


def test_a_certificate_for_another_name(front: Front, tmp_path: Path) -> None:
    found = front.site(front.block, tls=certificate(tmp_path, "other.example", days=60))
    assert "Hostname mismatch" in found["certificate"].found
    assert found["connection"].verdict == "fault"


def test_a_certificate_that_nobody_trusts(front: Front) -> None:
    found = front.site(front.block, "--strict")
    assert found["certificate"].found == "is refused: self-signed certificate"
    assert "--ca-file" in found["certificate"].remedy


def test_what_this_machine_alone_trusts_is_trusted_by_no_check(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(front.certificate))
    found = front.site(front.block, "--strict")
    assert found["certificate"].found == "is refused: self-signed certificate"
    assert "the certificate is refused" in found["connection"].found


def test_nobody_answers(front: Front) -> None:
    found = examined(front.service.environment).families["Site"]
    assert list(found) == ["connection"]
    assert "refused" in found["connection"].found


def test_an_origin_of_another_site(front: Front) -> None:
    environment = front.service.environment | {
        "USHER__ALLOWED_ORIGINS": '["https://shop.example"]'
    }
    server = nginx.server(front.port, front.block, front.certificate)
    with nginx.running(front.folder, front.port, server):
        found = examined(environment, "--ca-file", str(front.certificate)).families["Site"]
    cookies = found["cookies for https://shop.example"]
    assert cookies.verdict == "fault"
    assert "browsers send no cookie" in cookies.found
    assert cookies.remedy.startswith("Give Usher a path or a host name of the page's own site")
