"""`usher embed`: what it prints for which page, and what it warns of."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import nginx
from support.installations import Installation
from support.keys import private_pem, rsa_key

import flask_usher
from flask_usher.cli import main
from flask_usher.page_origins import Relation, origin_of, relation

CLIENT = Path(flask_usher.__file__).parent / "static/usher.js"
SERVICE = "https://account.shop.example"
DIGEST = base64.b64encode(hashlib.sha384(CLIENT.read_bytes()).digest()).decode()
TAG = re.compile(r'<script type="module" src="([^"?]+)\?v=([0-9a-f]{16})" (.+) data-activate>')


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def embed(installation: Installation, *arguments: str, **changes: Any) -> Result:
    settings = installation.toml(**{"public_url": SERVICE} | changes)
    return CliRunner().invoke(main, ["--settings", str(settings), "embed", *arguments])


def part(name: str, installation: Installation, *arguments: str, **changes: Any) -> str:
    result = embed(installation, *arguments, "--only", name, **changes)
    assert result.exit_code == 0, result.output
    return result.stdout


class TestRelation:
    @pytest.mark.parametrize(
        ("page", "service", "expected"),
        [
            ("https://shop.example", "https://shop.example", Relation.SAME_ORIGIN),
            ("https://www.shop.example", SERVICE, Relation.SAME_SITE),
            ("https://shop.example", SERVICE, Relation.SAME_SITE),
            ("https://shop.example:8443", "https://shop.example", Relation.SAME_SITE),
            ("https://a.shop.co.uk", "https://b.shop.co.uk", Relation.SAME_SITE),
            ("http://127.0.0.1:8000", "http://127.0.0.1:9000", Relation.SAME_SITE),
            ("http://www.shop.example", SERVICE, Relation.CROSS_SITE),
            ("https://shop.co.uk", "https://brand.co.uk", Relation.CROSS_SITE),
            ("https://brand.example", SERVICE, Relation.CROSS_SITE),
            ("https://shop.test", "https://shop.example", Relation.CROSS_SITE),
            ("https://evilshop.example", "https://shop.example", Relation.CROSS_SITE),
            ("http://127.0.0.1", "http://127.0.0.2", Relation.CROSS_SITE),
            ("http://10.127.0.1", "http://127.0.0.1", Relation.CROSS_SITE),
            ("http://localhost", "http://127.0.0.1", Relation.CROSS_SITE),
            ("https://[::1]", "https://[::2]", Relation.CROSS_SITE),
        ],
    )
    def test_as_browsers_see_it(self, page: str, service: str, expected: Relation) -> None:
        assert relation(page, service) is expected
        assert relation(service, page) is expected

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://www.shop.example/cart?x=1#y", "https://www.shop.example"),
            ("HTTPS://WWW.Shop.Example:443", "https://www.shop.example"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("https://[::1]:8443/x", "https://[::1]:8443"),
            ("https://b\u00fccher.example/", "https://xn--bcher-kva.example"),
        ],
    )
    def test_the_origin_of_an_address(self, url: str, expected: str) -> None:
        assert origin_of(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "www.shop.example",
            "/cart",
            "ftp://www.shop.example/",
            "file:///etc/passwd",
            "https://",
            "https://jane:secret@shop.example/",
            "https://shop.example:port/",
            "https://shop.example:99999/",
            'https://shop".example/',
            "https://shop.example; script-src *",
            "https://shop..example/",
        ],
    )
    def test_what_is_no_address_of_a_page(self, url: str, installation: Installation) -> None:
        result = embed(installation, "--page", url or " ")
        assert result.exit_code == 2
        assert "--page" in result.stderr


class TestPage:
    def test_the_tag_has_the_hash_of_what_is_served(self, installation: Installation) -> None:
        match = TAG.search(part("page", installation))
        assert match is not None
        assert match[1] == "/usher/static/usher.js"
        assert hashlib.sha384(CLIENT.read_bytes()).hexdigest().startswith(match[2])
        assert match[3] == f'integrity="sha384-{DIGEST}"'

    def test_another_origin_needs_the_whole_address(self, installation: Installation) -> None:
        arguments = ["--page", "https://www.shop.example/", "--nonce"]
        match = TAG.search(part("page", installation, *arguments, url_prefix="/chat"))
        assert match is not None
        assert match[1] == f"{SERVICE}/chat/static/usher.js"
        assert match[3].endswith('crossorigin="anonymous" nonce="NONCE"')

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([], "script-src 'self'; connect-src 'self'\n"),
            (["--nonce"], "script-src 'nonce-NONCE'; connect-src 'self'\n"),
            (["--hash"], f"script-src 'sha384-{DIGEST}'; connect-src 'self'\n"),
            (
                ["--page", "https://www.shop.example/"],
                f"script-src {SERVICE}/usher/static/; connect-src {SERVICE}/usher/\n",
            ),
        ],
    )
    def test_the_policy(
        self, arguments: list[str], expected: str, installation: Installation
    ) -> None:
        assert part("csp", installation, *arguments) == expected

    def test_the_vendors_part_is_named_as_the_operators(
        self, installation: Installation
    ) -> None:
        result = embed(installation)
        assert "<!-- iAdvize's own tag" in result.stdout
        assert "its own hosts" in result.stderr

    def test_the_sandbox_stands_in_for_the_vendor(self, installation: Installation) -> None:
        installation.file("sandbox.pem", private_pem(rsa_key("recipient")))
        changes = {
            "public_url": "http://127.0.0.1:8000",
            "sandbox": {"recipient_key": str(installation.folder / "sandbox.pem")},
        }
        result = embed(installation, **changes)
        assert 'src="http://127.0.0.1:8000/usher/sandbox/iadvize.js"' in result.stdout
        assert "its own hosts" not in result.stderr

    def test_what_an_update_means_is_said(self, installation: Installation) -> None:
        assert 'integrity="sha384-OLD sha384-NEW"' in embed(installation).stderr


class TestSettings:
    @pytest.mark.parametrize(
        ("page", "allowed", "expected"),
        [
            (SERVICE, [], None),
            ("https://www.shop.example", ["https://www.shop.example"], None),
            ("https://www.shop.example", [], ["https://www.shop.example"]),
            (
                "https://www.shop.example",
                ["https://m.shop.example"],
                ["https://m.shop.example", "https://www.shop.example"],
            ),
        ],
    )
    def test_the_origins(
        self,
        page: str,
        allowed: list[str],
        expected: list[str] | None,
        installation: Installation,
    ) -> None:
        text = part("settings", installation, "--page", page, allowed_origins=allowed)
        changes = tomllib.loads(text)
        assert changes.get("allowed_origins") == expected
        installation.settings(**{"public_url": SERVICE} | changes)

    @pytest.mark.parametrize(
        ("trusted", "upstream", "expected"),
        [
            ([], "127.0.0.1:8000", ["127.0.0.1"]),
            (["10.0.0.1"], "127.0.0.1:8000", None),
            ([], "10.0.0.2:8000", None),
        ],
    )
    def test_the_proxy(
        self,
        trusted: list[str],
        upstream: str,
        expected: list[str] | None,
        installation: Installation,
    ) -> None:
        proxy = {"trusted_addresses": trusted}
        result = embed(installation, "--upstream", upstream, "--only", "settings", proxy=proxy)
        found = tomllib.loads(result.stdout).get("proxy", {}).get("trusted_addresses")
        assert found == expected
        assert ("proxy.trusted_addresses" in result.stderr) == (upstream[:2] == "10")

    @pytest.mark.parametrize(
        ("page", "is_warned"),
        [("https://brand.example/", True), ("https://www.shop.example/", False)],
    )
    def test_two_sites_are_warned_of(
        self, page: str, is_warned: bool, installation: Installation
    ) -> None:
        assert (
            "third-party cookies" in embed(installation, "--page", page).stderr
        ) is is_warned


@pytest.mark.nginx
class TestNginx:
    @pytest.mark.parametrize(
        ("changes", "host"),
        [
            ({}, "$host;"),
            ({"url_prefix": "/chat/usher"}, "$host;"),
            ({"public_url": "https://localhost:8443"}, "$host:8443;"),
        ],
    )
    def test_nginx_accepts_the_block(
        self, changes: dict[str, Any], host: str, installation: Installation
    ) -> None:
        block = part("nginx", installation, "--upstream", "[::1]:8000", **changes)
        assert nginx.verdict(installation.folder, nginx.server(1, block)) == ""
        assert f"X-Forwarded-Host {host}" in block
        # The judge can say no.
        broken = nginx.server(1, block.replace("proxy_pass", "proxy_past"))
        assert "proxy_past" in nginx.verdict(installation.folder, broken)

    @pytest.mark.parametrize(
        "upstream", ["", "127.0.0.1", "x:1;}", "unix:/run/usher.sock", "http://127.0.0.1:8000"]
    )
    def test_what_is_no_upstream(self, upstream: str, installation: Installation) -> None:
        result = embed(installation, "--upstream", upstream)
        assert result.exit_code == 2
        assert "--upstream" in result.stderr


def test_faulty_settings_are_told(installation: Installation) -> None:
    result = embed(installation, public_url="http://shop.example")
    assert result.exit_code == 1
    assert "public_url" in result.stderr


def test_it_is_no_worker(installation: Installation) -> None:
    def background() -> set[int | None]:
        return {it.ident for it in threading.enumerate() if it.name == "usher"}

    before = background()
    part("page", installation)
    assert background() <= before
