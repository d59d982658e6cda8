"""`usher check --page`, against the real service behind a real nginx that speaks TLS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import nginx
from support.certificates import certificate
from support.server import free_port, serving
from support.service import START, KeyFiles, Service, Workshop

from flask_usher import keys
from flask_usher.cli import main
from flask_usher.findings import Finding
from flask_usher.page_findings import findings
from flask_usher.page_probe import Answer, Answers

pytestmark = pytest.mark.nginx

WARNINGS = {"recipient key"}


@dataclass(frozen=True)
class Front:
    """The service on one port, and nginx with its printed block on another."""

    service: Service
    folder: Path
    port: int
    certificate: Path
    block: str

    @property
    def neighbour(self) -> str:
        """An origin that may ask, on the same site."""
        origin: str = self.service.config["allowed_origins"][0]
        return origin

    def nginx(self, block: str) -> Any:
        server = nginx.server(self.port, block, self.certificate)
        return nginx.running(self.folder, self.port, server)

    def check(self, *arguments: str, page: str | None = None, **environment: str) -> Result:
        trust = [] if "--no-trust" in arguments else ["--ca-file", str(self.certificate)]
        given = [it for it in arguments if it != "--no-trust"]
        return CliRunner().invoke(
            main,
            ["check", "--page", f"{page or self.neighbour}/cart", *trust, *given],
            env=self.service.environment | environment,
        )

    def found(self, page: str | None = None, **environment: str) -> dict[str, Finding]:
        """Return the findings by what was looked at."""
        result = self.check("--json", page=page, **environment)
        body = json.loads(result.stdout)
        assert body["service"] == f"{self.service.origin}/usher"
        found = [Finding(**it) for it in body["findings"]]
        is_well = not any(it.verdict == "fault" for it in found)
        assert (body["ok"], result.exit_code) == (is_well, 0 if is_well else 1)
        assert all(bool(it.remedy) == (it.verdict != "ok") for it in found)
        return {it.check: it for it in found}


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, back = free_port(), free_port()
    signing = keys.load_private_key(key_files.signing)
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    service = workshop.make(
        public_url=f"https://localhost:{port}",
        allowed_origins=["https://localhost:8443"],
        proxy={"trusted_addresses": ["127.0.0.1"]},
        token={"signing_key_fingerprint": signing.fingerprint},
    )
    printed = CliRunner().invoke(
        main,
        ["embed", "--only", "nginx", "--upstream", f"127.0.0.1:{back}"],
        env=service.environment,
    )
    tls = certificate(folder, "localhost")
    with serving(service, back, folder / "server.log"):
        yield Front(service, folder, port, tls, printed.stdout)
    service.state.close()


@pytest.mark.parametrize("where", ["same-origin", "same-site"])
def test_the_printed_block_leaves_nothing_to_mend(front: Front, where: str) -> None:
    page = front.service.origin if where == "same-origin" else front.neighbour
    with front.nginx(front.block):
        found = front.found(page)
        assert {name for name, it in found.items() if it.verdict != "ok"} == WARNINGS
        assert len(found) == 12
        text = front.check(page=page)
    assert text.exit_code == 0
    assert f"{page} asks {front.service.origin}/usher" in text.stdout
    assert all(name in text.stdout for name in found)


LOCATION = "\nlocation = /usher/{} {{ {} }}\n"
FAULTS = [
    ("redirect", LOCATION.format("token", "return 301 /login;"), "token address", "301"),
    ("not-usher", LOCATION.format("token", "return 404;"), "token address", "404"),
    ("no-host", ("$host:", "other.invalid:"), "token address", "host-not-allowed"),
    (
        "header-dropped",
        ("proxy_http_version", 'proxy_set_header X-Usher-Client ""; proxy_http_version'),
        "token address",
        "client-header-required",
    ),
    (
        "down",
        ("proxy_pass http://127.0.0.1:", "proxy_pass http://127.0.0.2:"),
        "token address",
        "",
    ),
    (
        "proto-unknown",
        ("X-Forwarded-Proto $scheme", 'X-Forwarded-Proto ""'),
        "proxy headers",
        "",
    ),
    (
        "proto-forged",
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto $forged"),
        "proxy headers",
        "believed",
    ),
    (
        "cookie-flags",
        "proxy_cookie_flags ~ nosecure nohttponly nosamesite;",
        "cookies",
        "HttpOnly; ",
    ),
    ("cookie-path", "proxy_cookie_path / /shop;", "cookies", "Path=/"),
    ("cors-hidden", "proxy_hide_header Access-Control-Allow-Origin;", "CORS", "no origin"),
    ("cors-answered", "if ($request_method = OPTIONS) { return 405; }", "CORS", "405"),
    (
        "cors-headers",
        "proxy_hide_header Access-Control-Allow-Headers;",
        "CORS",
        "x-usher-client",
    ),
    ("stored", "proxy_hide_header Cache-Control;", "Cache-Control", "absent"),
    (
        "script-type",
        LOCATION.format("static/usher.js", "return 200 x;"),
        "usher.js",
        "text/html",
    ),
    (
        "script-other",
        LOCATION.format("static/usher.js", "default_type text/javascript; return 200 x;"),
        "usher.js",
        "not the file",
    ),
]


@pytest.mark.parametrize(
    ("change", "check", "told"), [pytest.param(*it[1:], id=it[0]) for it in FAULTS]
)
def test_what_is_wrong_is_named(
    front: Front, change: str | tuple[str, str], check: str, told: str
) -> None:
    forged = "set $forged https; if ($http_x_forwarded_proto) "
    forged += "{ set $forged $http_x_forwarded_proto; }\n"
    block = changed = front.block + change if isinstance(change, str) else front.block
    if isinstance(change, tuple):
        changed = block.replace(*change)
        assert changed != block
    with front.nginx(forged + changed):
        finding = front.found()[check]
    assert finding.verdict == "fault"
    assert told in finding.found


def test_the_way_to_the_sign_in_is_followed_while_it_is_the_services_own(front: Front) -> None:
    way = LOCATION.format("sign-in", "return 303 /usher/oidc/id/start;")
    way += LOCATION.format(
        "oidc/id/start",
        'add_header Set-Cookie "__Host-usher-id=1; Path=/; HttpOnly; SameSite=Lax"; '
        "return 302 https://id.invalid/;",
    )
    with front.nginx(front.block + way):
        found = front.found()
    assert found["connection"].verdict == "ok"
    assert found["cookies"].found == "__Host-usher-id lacks Secure"


def test_the_way_to_another_host_is_not_followed(front: Front) -> None:
    way = LOCATION.format("sign-in", "return 303 https://id.invalid/usher/start;")
    with front.nginx(front.block + way):
        found = front.found()
    assert found["connection"].verdict == "ok"
    assert "none was looked at" in found["cookies"].found


@pytest.mark.parametrize("name", ["X-Content-Type-Options", "Strict-Transport-Security"])
def test_a_missing_header_is_a_warning(front: Front, name: str) -> None:
    with front.nginx(f"{front.block}proxy_hide_header {name};"):
        finding = front.found()[name]
    assert (finding.verdict, finding.found) == ("warning", "absent")


def test_an_origin_that_may_not_ask(front: Front) -> None:
    with front.nginx(front.block):
        found = front.found("https://localhost:9443")
    assert found["CORS"].verdict == "fault"
    assert 'Add "https://localhost:9443" to allowed_origins' in found["CORS"].remedy


@pytest.mark.parametrize("page", ["https://shop.example", "http://localhost:8443"])
def test_another_site_gets_no_cookie(front: Front, page: str) -> None:
    with front.nginx(front.block):
        found = front.found(page)
    assert found["cookies"].verdict == "fault"
    assert "two sites" in found["cookies"].found


def test_a_certificate_that_nobody_trusts(front: Front) -> None:
    with front.nginx(front.block):
        result = front.check("--no-trust")
    assert result.exit_code == 1
    assert re.search(r"fault +connection .*certificate verify failed", result.stdout)
    assert "signing key" in result.stdout


def test_nobody_answers(front: Front) -> None:
    result = front.check()
    assert result.exit_code == 1
    assert re.search(r"fault +connection .*no connection: .*refused", result.stdout)


def test_no_credentials_are_sent(front: Front, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login jane password lantern-over-water\n")
    netrc.chmod(0o600)
    seen = "if ($http_authorization$http_cookie) { return 418; }\n"
    proxy = "http://jane:secret@127.0.0.1:1"
    with front.nginx(seen + front.block):
        found = front.found(NETRC=str(netrc), HTTPS_PROXY=proxy, https_proxy=proxy)
    assert {it.verdict for it in found.values()} == {"ok", "warning"}


def test_what_the_service_says_cannot_move_the_cursor(front: Front) -> None:
    location = LOCATION.format("token", 'return 302 "/\x1b[2J";')
    with front.nginx(front.block + location):
        text = front.check().stdout
    assert "\x1b" not in text
    assert "302" in text


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(0, "ok"), (29, "ok"), (-29, "ok"), (32, "fault"), (-32, "fault"), (None, "warning")],
)
def test_clocks_that_differ(ahead: int | None, verdict: str, front: Front) -> None:
    date = {} if ahead is None else {"Date": formatdate(START + ahead, usegmt=True)}
    answer = Answer(401, date, (), b"", (START, START + 0.2))
    answers = Answers(answer, answer, answer, answer, (answer,))
    settings = front.service.state.settings
    (clock,) = (
        it for it in findings(settings, front.neighbour, answers, b"") if it.check == "clock"
    )
    assert clock.verdict == verdict


@pytest.mark.parametrize("arguments", [["--json"], ["--page", "shop"], ["--page", ""]])
def test_a_misuse(arguments: list[str], front: Front) -> None:
    result = CliRunner().invoke(main, ["check", *arguments], env=front.service.environment)
    assert result.exit_code == 2
