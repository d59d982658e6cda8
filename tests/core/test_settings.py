"""The settings: what is refused, in which words, and what those words never hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic
import pytest
from support.installations import SECRET, Installation, faults_of
from support.keys import private_der, private_pem, public_pem, rsa_key, spki
from support.secrecy import assert_holds_nothing_of

from flask_usher import configuration, schema
from flask_usher.database import Database
from flask_usher.database.postgresql import CONNECT_ARGUMENTS
from flask_usher.errors import SettingsError
from flask_usher.setting_types import SET_BY_US
from flask_usher.settings import MUTABLE_CLAIMS, VISITOR_DATA_FIELDS, Settings

PASSWORD = "hunter2-correct-horse"


def test_the_shortest_settings_have_safe_defaults(installation: Installation) -> None:
    settings = installation.settings()
    assert settings.issuer == settings.public_url == "https://www.shop.example"
    assert settings.public_host == "www.shop.example"
    assert settings.secure
    assert settings.url_prefix == "/usher"
    assert settings.allowed_origins == ()
    assert settings.token.lifetime_seconds == 60
    assert settings.token.user_id == "subject"
    assert settings.token.visitor_data == {}
    assert settings.token.optional_claims == frozenset()
    assert settings.recipient_keys[0].source == "iadvize-production"
    assert settings.sign_ins.idle_seconds == 1800
    assert settings.sign_ins.absolute_seconds == 43200
    assert settings.policy.activation == {}
    assert settings.proxy.trusted_addresses == ()
    assert settings.audit.file is None
    assert settings.sandbox is None
    assert list(settings.providers) == ["local"]


FAULTY = """
public_url = "http://www.shop.example"
url_prefx = "/usher"
allowed_origins = ["https://*.shop.example", "https://m.shop.example/"]
secret_key = "no-such-secret"

[token]
signing_key = "no-such-key.pem"
recipient_key = "no-such-recipient.pem"
lifetime_seconds = "60"
user_id = "claim:email"
visitor_data = { firstname = "given_name", nickname = "nickname" }
optional_claims = ["iat", "nbf"]
lifetime = 60

[database]
url = "mysql://root@localhost/usher"

[sign_ins]
idle_seconds = 1
default_next = "https://evil.example/"

[limits]
sign_ins = "many"

[policy]
activation = { no-sesion = "none", session-expired = "silent" }

[audit]
file = []

[proxy]
trusted_addresses = ["0.0.0.0/0", "proxy.example"]

[providers.local]
type = "ldap"
"""


def test_every_fault_is_reported_at_once(installation: Installation) -> None:
    faults = faults_of(installation.file("usher.toml", FAULTY))
    assert set(faults) == {
        "public_url",
        "url_prefx",
        "allowed_origins.0",
        "allowed_origins.1",
        "secret_key",
        "token.signing_key",
        "token.recipient_key",
        "token.lifetime_seconds",
        "token.lifetime",
        "token.insecure_mutable_user_id",
        "token.visitor_data.firstname",
        "token.visitor_data.nickname",
        "token.optional_claims.1",
        "database.url",
        "sign_ins.idle_seconds",
        "sign_ins.default_next",
        "limits.sign_ins",
        "policy.activation.no-sesion",
        "policy.activation.session-expired",
        "audit.file",
        "proxy.trusted_addresses.0",
        "proxy.trusted_addresses.1",
        "providers.local.type",
    }
    for fault in faults.values():
        assert fault.found
        assert fault.expected
        assert "Input should" not in str(fault)
        assert "dictionary" not in str(fault)


def test_nothing_at_all_says_what_is_required() -> None:
    faults = faults_of({})
    assert set(faults) == {"public_url", "secret_key", "token"}
    assert {fault.found for fault in faults.values()} == {"nothing"}


@pytest.mark.parametrize(
    ("changes", "path", "suggestion"),
    [
        pytest.param({"public_ur": 1}, "public_ur", "'public_url'?", id="top"),
        pytest.param({"zzz": 1}, "zzz", "one of allowed_origins, ", id="nothing-like-it"),
        pytest.param(
            {"token": {"signing_kei": 1}}, "token.signing_kei", "'signing_key'?", id="table"
        ),
        pytest.param(
            {"providers": {"local": {"type": "local", "typ": 1}}},
            "providers.local.typ",
            "'type'?",
            id="table-in-a-named-table",
        ),
        pytest.param(
            {"token": {"visitor_data": {"fistName": "given_name"}}},
            "token.visitor_data.fistName",
            "'firstName'?",
            id="visitor-data",
        ),
        pytest.param(
            {"policy": {"activation": {"no-sesion": "none"}}},
            "policy.activation.no-sesion",
            "'no-session'?",
            id="activation",
        ),
        pytest.param(
            {"sandbox": {"recipient": 1}},
            "sandbox.recipient",
            "'recipient_key'?",
            id="optional-table",
        ),
    ],
)
def test_unknown_keys_are_refused_with_a_suggestion(
    installation: Installation, changes: dict[str, Any], path: str, suggestion: str
) -> None:
    fault = installation.faults(**changes)[path]
    assert fault.found == "an unknown key"
    assert fault.expected.startswith(suggestion)


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        pytest.param({"token": 1}, "token", "a table", id="number-for-table"),
        pytest.param({"token": None}, "token", "a table", id="none-for-table"),
        pytest.param({"sandbox": 1}, "sandbox", "a table", id="number-for-optional-table"),
        pytest.param({"providers": "local"}, "providers", "a table", id="string-for-tables"),
        pytest.param({"policy": {"activation": []}}, "policy.activation", "a table", id="list"),
        pytest.param({"url_prefix": 1}, "url_prefix", "a string", id="number-for-string"),
        pytest.param(
            {"allowed_origins": "https://a.example"},
            "allowed_origins",
            "a list",
            id="string-for-list",
        ),
        pytest.param(
            {"token": {"optional_claims": "iat"}},
            "token.optional_claims",
            "a list",
            id="string-for-set",
        ),
        pytest.param(
            {"token": {"insecure_mutable_user_id": 1}},
            "token.insecure_mutable_user_id",
            "true or false",
            id="number-for-boolean",
        ),
        *(
            pytest.param(
                {"token": {"lifetime_seconds": value}},
                "token.lifetime_seconds",
                "a whole number",
                id=f"{value!r}-for-integer",
            )
            for value in ("60", 60.5, True, None, [60])
        ),
        pytest.param(
            {"token": {"lifetime_seconds": 9}},
            "token.lifetime_seconds",
            "greater than or equal to 10",
            id="below",
        ),
        pytest.param(
            {"token": {"lifetime_seconds": 301}},
            "token.lifetime_seconds",
            "less than or equal to 300",
            id="above",
        ),
        pytest.param(
            {"sign_ins": {"idle_seconds": 59}}, "sign_ins.idle_seconds", "60", id="idle-below"
        ),
        pytest.param(
            {"sign_ins": {"absolute_seconds": 30 * 24 * 3600 + 1}},
            "sign_ins.absolute_seconds",
            "2592000",
            id="absolute-above",
        ),
        pytest.param({"limits": {"workers": 0}}, "limits.workers", "1", id="no-workers"),
        pytest.param(
            {"sign_ins": {"when_full": "ask"}},
            "sign_ins.when_full",
            "'end-oldest' or 'refuse'",
            id="unknown-word",
        ),
        pytest.param(
            {"policy": {"activation": {"no-session": "secured"}}},
            "policy.activation.no-session",
            "'none' or 'anonymous'",
            id="unknown-activation",
        ),
        pytest.param(
            {"token": {"visitor_data": {"city": ""}}},
            "token.visitor_data.city",
            "1 character",
            id="empty-claim",
        ),
        pytest.param({"token": {"issuer": ""}}, "token.issuer", "URL", id="empty-issuer"),
        pytest.param(
            {"token": {"issuer": "https://a.example/\r\n"}},
            "token.issuer",
            "URL",
            id="issuer-with-line-break",
        ),
        pytest.param(
            {"token": {"issuer": "x" * 256}}, "token.issuer", "URL", id="issuer-too-long"
        ),
        pytest.param({"token": {"user_id": "email"}}, "token.user_id", "claim:NAME", id="mode"),
        pytest.param({"token": {"user_id": "claim:"}}, "token.user_id", "NAME", id="no-claim"),
        pytest.param(
            {"token": {"user_id": "claim:a b"}}, "token.user_id", "NAME", id="claim-with-space"
        ),
        pytest.param(
            {"http": {"strict_transport_security": "max-age=1\r\nSet-Cookie: a=b"}},
            "http.strict_transport_security",
            "header",
            id="row184-header-with-line-break",
        ),
        pytest.param(
            {"http": {"strict_transport_security": "max-age=1; ✓"}},
            "http.strict_transport_security",
            "header",
            id="row184-header-not-latin-1",
        ),
        pytest.param({"audit": {"file": []}}, "audit.file", "path", id="audit-list"),
        pytest.param({"audit": {"file": {}}}, "audit.file", "path", id="audit-table"),
        pytest.param({"audit": {"file": ""}}, "audit.file", "path", id="audit-empty"),
        pytest.param({"audit": {"file": "a\nb"}}, "audit.file", "path", id="audit-line-break"),
        *(
            pytest.param(
                {"audit": {"syslog": value}}, "audit.syslog", "/dev/log", id=f"syslog-{name}"
            )
            for name, value in {
                "udp": "udp://127.0.0.1:514",
                "tcp": "tcp://log.internal:601",
                "host": "log.internal:514",
                "number": 514,
                "empty": "",
                "relative": "log",
                "long": "/" + "x" * 107,
                "nul": "/dev/log\0",
            }.items()
        ),
        pytest.param(
            {"audit": {"syslog": "/dev/log", "file": "audit.log"}},
            "audit.syslog",
            "either",
            id="syslog-and-file",
        ),
        pytest.param(
            {"audit": {"when_unavailable": "ignore"}},
            "audit.when_unavailable",
            "count",
            id="audit-when-unavailable",
        ),
        pytest.param({"secret_key": 5}, "secret_key", "path", id="secret-number"),
        pytest.param({"secret_key": ""}, "secret_key", "path", id="secret-empty"),
        pytest.param({"secret_key": "a\0b"}, "secret_key", "path", id="secret-nul"),
        pytest.param(
            {"token": {"recipient_key": 5}},
            "token.recipient_key",
            "iadvize-production",
            id="recipient-number",
        ),
    ],
)
def test_wrong_types_and_values_are_named_in_toml_words(
    installation: Installation, changes: dict[str, Any], path: str, expected: str
) -> None:
    faults = installation.faults(**changes)
    assert list(faults) == [path]
    assert expected in faults[path].expected
    assert "Input should" not in faults[path].expected


NO_ORIGINS = [
    pytest.param("", id="empty"),
    pytest.param(None, id="none"),
    pytest.param(5, id="number"),
    pytest.param("*", id="star"),
    pytest.param("null", id="null"),
    pytest.param("www.shop.example", id="no-scheme"),
    pytest.param("//www.shop.example", id="no-scheme-slashes"),
    pytest.param("ftp://www.shop.example", id="ftp"),
    pytest.param("javascript:alert(1)", id="javascript"),
    pytest.param("https://", id="no-host"),
    pytest.param("https://:443", id="port-only"),
    pytest.param("https://www.shop.example/", id="slash"),
    pytest.param("https://www.shop.example/chat", id="path"),
    pytest.param("https://www.shop.example?", id="question-mark"),
    pytest.param("https://www.shop.example?a=b", id="query"),
    pytest.param("https://www.shop.example#", id="hash"),
    pytest.param("https://user@www.shop.example", id="user"),
    pytest.param("https://user:pw@www.shop.example", id="password"),
    pytest.param("https://www.shop.example:443", id="default-port"),
    pytest.param("https://www.shop.example:0", id="port-zero"),
    pytest.param("https://www.shop.example:65536", id="port-too-big"),
    pytest.param("https://www.shop.example:", id="port-empty"),
    pytest.param("https://www.shop.example:08443", id="port-leading-zero"),
    pytest.param("https://www.shop.example:x", id="port-word"),
    pytest.param("HTTPS://www.shop.example", id="upper-case-scheme"),
    pytest.param("https://WWW.shop.example", id="upper-case-host"),
    pytest.param("https://www.shop.example.", id="trailing-dot"),
    pytest.param("https://.shop.example", id="leading-dot"),
    pytest.param("https://www..shop.example", id="two-dots"),
    pytest.param("https://*.shop.example", id="wildcard"),
    pytest.param("https://www.sh_op.example", id="underscore"),
    pytest.param("https://-shop.example", id="leading-hyphen"),
    pytest.param("https://büch.example", id="not-ascii"),
    pytest.param("https://sh\u043ep.example", id="homograph"),
    pytest.param("https://shop.example\\", id="backslash"),
    pytest.param("https:\\\\shop.example", id="backslashes"),
    pytest.param(" https://shop.example", id="leading-space"),
    pytest.param("https://shop.example\n", id="line-break"),
    pytest.param("https://shop\t.example", id="tab"),
    pytest.param("https://shop.example%2e", id="percent"),
    pytest.param("https://[::zz]", id="bad-ipv6"),
    pytest.param("https://[::1", id="open-bracket"),
    pytest.param("https://::1", id="no-brackets"),
    pytest.param("https://[fe80::1%25eth0]", id="scoped-ipv6"),
    pytest.param("http://www.shop.example", id="http-public"),
    pytest.param("http://0.0.0.0", id="http-any-address"),
    pytest.param("http://192.168.1.10", id="http-private-network"),
    pytest.param("http://localhost.evil.example", id="http-localhost-prefix"),
    pytest.param("http://127.0.0.1.evil.example", id="http-loopback-prefix"),
]


@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_what_is_no_origin_is_refused(installation: Installation, origin: object) -> None:
    assert "public_url" in installation.faults(public_url=origin)
    assert set(installation.faults(allowed_origins=[origin])) == {"allowed_origins.0"}


@pytest.mark.parametrize(
    ("origin", "secure"),
    [
        ("https://shop.example", True),
        ("https://www.shop.example:8443", True),
        ("https://xn--bch-hoa.example", True),
        ("https://192.0.2.1", True),
        ("https://[2001:db8::1]:8443", True),
        ("http://localhost:8000", False),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
    ],
)
def test_origins_are_taken_as_they_stand(
    installation: Installation, origin: str, secure: bool
) -> None:
    settings = installation.settings(public_url=origin, allowed_origins=[origin])
    assert settings.public_url == origin
    assert settings.allowed_origins == (origin,)
    assert settings.secure is secure
    assert settings.public_host == origin.partition("://")[2]


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "usher", "/usher/", "//usher", "/a//b", "/a b", "/ü", "/a/../b", "/a\n", "/a?b"],
)
def test_what_is_no_prefix_is_refused(installation: Installation, prefix: str) -> None:
    assert list(installation.faults(url_prefix=prefix)) == ["url_prefix"]


@pytest.mark.parametrize("prefix", ["/usher", "/chat/usher", "/_chat-2"])
def test_a_prefix_may_have_levels(installation: Installation, prefix: str) -> None:
    assert installation.settings(url_prefix=prefix).url_prefix == prefix


@pytest.mark.parametrize(
    "path",
    [
        "",
        "account",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "https://evil.example",
        "/a b",
        "/a\r\nb",
        "/é",
    ],
)
def test_row_147_the_default_page_is_on_this_site(
    installation: Installation, path: str
) -> None:
    faults = installation.faults(sign_ins={"default_next": path})
    assert list(faults) == ["sign_ins.default_next"]


@pytest.mark.parametrize(
    "rate",
    ["", "10", "10 per minute", "0 per 60 seconds", "10 per 0 seconds", "-1 per 60 seconds"],
)
def test_what_is_no_limit_is_refused(installation: Installation, rate: str) -> None:
    faults = installation.faults(limits={"tokens_per_person": rate})
    assert list(faults) == ["limits.tokens_per_person"]


@pytest.mark.parametrize(
    "network",
    [
        pytest.param("0.0.0.0/0", id="row159-all-ipv4"),
        pytest.param("::/0", id="row159-all-ipv6"),
        pytest.param("0.0.0.0/1", id="row159-half-of-ipv4"),
        pytest.param("128.0.0.0/1", id="row159-other-half-of-ipv4"),
        pytest.param("::/1", id="row159-half-of-ipv6"),
        pytest.param("*", id="star"),
        pytest.param("", id="empty"),
        pytest.param(0, id="number"),
        pytest.param("proxy.example", id="name"),
        pytest.param("10.0.0.1/8", id="host-bits"),
        pytest.param("10.0.0.256", id="no-address"),
    ],
)
def test_proxies_are_addresses_and_never_all_of_them(
    installation: Installation, network: object
) -> None:
    faults = installation.faults(proxy={"trusted_addresses": ["127.0.0.1", network]})
    assert list(faults) == ["proxy.trusted_addresses.1"]


@pytest.mark.parametrize("claim", sorted(MUTABLE_CLAIMS))
def test_row_133_a_mutable_claim_is_no_user_id(installation: Installation, claim: str) -> None:
    token = {"user_id": f"claim:{claim}"}
    fault = installation.faults(token=token)["token.insecure_mutable_user_id"]
    assert repr(claim) in fault.expected
    forced = installation.settings(token=token | {"insecure_mutable_user_id": True})
    assert forced.token.user_id == f"claim:{claim}"


def test_row_133_letter_case_does_not_make_a_claim_constant(
    installation: Installation,
) -> None:
    faults = installation.faults(token={"user_id": "claim:EMail"})
    assert list(faults) == ["token.insecure_mutable_user_id"]


def test_another_claim_needs_no_force(installation: Installation) -> None:
    token = installation.settings(token={"user_id": "claim:customer_number"}).token
    assert token.user_id == "claim:customer_number"


def test_pairwise_needs_a_key_and_nothing_else_has_one(installation: Installation) -> None:
    key = {"pairwise_key": str(installation.file("pairwise-key", SECRET[::-1]))}
    assert list(installation.faults(token={"user_id": "pairwise"})) == ["token.pairwise_key"]
    assert list(installation.faults(token=key)) == ["token.pairwise_key"]
    assert installation.settings(token={"user_id": "pairwise"} | key).token.pairwise_key


@pytest.mark.parametrize("field", VISITOR_DATA_FIELDS)
def test_each_visitor_data_field_may_have_a_claim(
    installation: Installation, field: str
) -> None:
    token = installation.settings(token={"visitor_data": {field: "claim"}}).token
    assert token.visitor_data == {field: "claim"}


@pytest.mark.parametrize("name", ["extId", "firstname", "first_name", "userId", "iss", ""])
def test_iadvize_has_no_other_visitor_data_field(installation: Installation, name: str) -> None:
    faults = installation.faults(token={"visitor_data": {name: "claim", "city": "city"}})
    assert list(faults) == [f"token.visitor_data.{name}"]


@pytest.mark.parametrize("name", ["Local", "a b", "a:b", "", "a_b", "ü", "a" * 65, "a\n"])
def test_provider_names_are_plain(installation: Installation, name: str) -> None:
    faults = installation.faults(providers={name: {"type": "local"}})
    assert list(faults) == [f"providers.{name}"]


def test_there_is_exactly_one_provider(installation: Installation) -> None:
    local = {"type": "local"}
    assert list(installation.faults(providers={})) == ["providers"]
    assert list(installation.faults(providers={"a": local, "b": local})) == ["providers"]
    assert list(installation.settings(providers={"staff": local}).providers) == ["staff"]


@pytest.mark.parametrize("origin", ["https://www.shop.example", "https://localhost.example"])
def test_row_134_the_sandbox_is_never_in_production(
    installation: Installation, origin: str
) -> None:
    key = installation.file("sandbox.pem", private_pem(rsa_key("recipient")))
    faults = installation.faults(public_url=origin, sandbox={"recipient_key": str(key)})
    assert list(faults) == ["sandbox"]
    assert "production" in faults["sandbox"].expected


def test_row_134_the_sandbox_on_loopback_is_the_recipient(installation: Installation) -> None:
    key = installation.file("sandbox.pem", private_pem(rsa_key("recipient")))
    settings = installation.settings(
        public_url="http://127.0.0.1:8000", sandbox={"recipient_key": str(key)}
    )
    assert settings.recipient_keys[0].public_key == rsa_key("recipient").public_key()


def test_row_124_the_sandbox_has_a_key_of_its_own(installation: Installation) -> None:
    faults = installation.faults(
        public_url="http://127.0.0.1:8000",
        sandbox={"recipient_key": str(installation.folder / "signing-key.pem")},
    )
    assert list(faults) == ["sandbox"]
    assert "signing_key" in faults["sandbox"].expected


DATABASE_URLS = [
    pytest.param(f"postgresql://usher:{PASSWORD}@db.example/usher", id="other-driver"),
    pytest.param(f"mysql://usher:{PASSWORD}@db.example/usher", id="other-database"),
    pytest.param(f"postgresql+psycopg://usher:a@{PASSWORD}:x@db/usher", id="at-in-password"),
    pytest.param(f"postgresql+psycopg://usher:pw@db:{PASSWORD}/usher", id="bad-port"),
    pytest.param(f"postgresql+psycopg:/usher:{PASSWORD}@db/usher", id="one-slash"),
    pytest.param(f"usher:{PASSWORD}@db.example/usher", id="no-scheme"),
    pytest.param(PASSWORD, id="password-only"),
    pytest.param([PASSWORD], id="list"),
    pytest.param({"password": PASSWORD}, id="table"),
]


@pytest.mark.parametrize("url", DATABASE_URLS)
def test_no_message_holds_the_database_password(
    installation: Installation, url: object
) -> None:
    faults = installation.faults(database={"url": url})
    assert list(faults) == ["database.url"]
    assert PASSWORD not in str(faults["database.url"])
    assert "postgresql+psycopg" in faults["database.url"].expected


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(installation: Installation, url: str) -> None:
    assert list(installation.faults(database={"url": url})) == ["database.url"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///usher.db?mode=memory&uri=true",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///usher.db?timeout=5",
        "sqlite://host/usher.db",
        "sqlite://user:hunter2@/usher.db",
        "sqlite:///a\0b",
    ],
)
def test_a_database_file_has_no_options(installation: Installation, url: str) -> None:
    faults = installation.faults(database={"url": url})
    assert list(faults) == ["database.url"]
    assert "hunter2" not in str(faults["database.url"])


@pytest.mark.parametrize("name", sorted(SET_BY_US))
def test_what_is_set_for_each_connection_is_not_set_again(
    installation: Installation, name: str
) -> None:
    url = f"postgresql+psycopg://usher:{PASSWORD}@db/usher?{name}=5"
    (fault,) = installation.faults(database={"url": url}).values()
    assert fault.path == "database.url"
    assert f"no {name} in it" in fault.expected
    assert PASSWORD not in str(fault)


def test_those_are_all_that_is_set_for_each_connection() -> None:
    assert CONNECT_ARGUMENTS.keys() == SET_BY_US


@pytest.mark.parametrize("name", ["a?b", "a%20b", "ü", "a b", "a#b", "a'b", "a;b"])
def test_a_database_file_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    installation = Installation(tmp_path / name)
    url = configuration.load(
        installation.toml(database={"url": "sqlite:///u.db"}), {}
    ).database.url
    database = Database(url)
    schema.upgrade(database)
    database.close()
    assert (installation.folder / "u.db").exists()


def _one_line(pem: bytes) -> str:
    return "".join(pem.decode().splitlines()[1:-1])


PASTED = [
    pytest.param(lambda: SECRET, id="base64"),
    pytest.param(lambda: "ab/" + SECRET.replace("A", "/"), id="base64-with-slashes"),
    pytest.param(lambda: "/" + SECRET, id="base64-with-leading-slash"),
    pytest.param(lambda: bytes(range(32)).hex(), id="hex"),
    pytest.param(lambda: bytes(range(250)).hex(), id="longer-than-a-file-name"),
    pytest.param(lambda: private_pem(rsa_key("signing")).decode(), id="private-pem"),
    pytest.param(
        lambda: private_pem(rsa_key("signing")).decode().replace("\n", " "), id="pem-in-a-line"
    ),
    pytest.param(
        lambda: private_pem(rsa_key("signing")).decode().replace("\n", "\\n"),
        id="pem-with-escapes",
    ),
    pytest.param(lambda: _one_line(private_pem(rsa_key("signing"))), id="private-base64"),
    pytest.param(lambda: private_der(rsa_key("signing")).hex(), id="private-hex"),
]


@pytest.mark.parametrize("paste", PASTED)
@pytest.mark.parametrize(
    "path", ["secret_key", "token.signing_key", "token.pairwise_key", "token.recipient_key"]
)
def test_no_message_holds_a_secret_that_was_pasted_for_a_path(
    installation: Installation, path: str, paste: Any
) -> None:
    secret = paste()
    *tables, key = path.split(".")
    changes: dict[str, Any] = {key: secret}
    for table in tables:
        changes = {table: changes}
    if key == "pairwise_key":
        changes["token"]["user_id"] = "pairwise"
    config = installation.mapping(**changes)
    with pytest.raises(SettingsError) as error:
        configuration.load(config, {})
    assert [fault.path for fault in error.value.faults] == [path]
    assert_holds_nothing_of(secret, str(error.value) + repr(error.value))


@pytest.mark.parametrize("name", ["secret-key-2", "keys/secret-key", "/no/where/secret.txt"])
def test_the_name_of_a_file_that_is_missing_is_shown(
    installation: Installation, name: str
) -> None:
    (installation.folder / "keys").mkdir()
    path = installation.folder / name
    fault = installation.faults(secret_key=str(path))["secret_key"]
    assert str(path) in fault.expected


@pytest.mark.parametrize(
    "text",
    [
        f'secret_key = "{PASSWORD}\n',
        f'[database]\nurl = "postgresql+psycopg://usher:{PASSWORD}@db/usher\n',
        f"[database]\nurl = {PASSWORD}\n",
        f'[database]\nurl = "a"\nurl = "{PASSWORD}"\n',
        f'[database\nurl = "{PASSWORD}"\n',
        f"[{PASSWORD}\n",
        f'{PASSWORD} "a"\n',
        f'[database]\nurl = "\\{PASSWORD}"\n',
    ],
)
def test_a_syntax_error_names_the_file_and_the_line_but_does_not_quote_it(
    installation: Installation, text: str
) -> None:
    path = installation.file("usher.toml", text)
    with pytest.raises(SettingsError) as error:
        configuration.load(path, {})
    (fault,) = error.value.faults
    assert fault.path == str(path)
    assert "syntax error (at " in fault.found
    assert fault.expected == "TOML"
    assert PASSWORD not in str(error.value) + repr(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"\xff\xfe\x00", "bytes that are not UTF-8", id="not-utf-8"),
        pytest.param(b"x = " + b"[" * 10_000, "tables or lists in one another", id="too-deep"),
        pytest.param(None, "no file", id="missing"),
        pytest.param("folder", "no readable file", id="folder"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: Any, found: str) -> None:
    path = tmp_path / "usher.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    fault = faults_of(path)[str(path)]
    assert found in fault.found


def test_keys_that_are_no_strings_are_named(installation: Installation) -> None:
    config: Any = installation.mapping() | {5: 1}
    faults = faults_of(config)
    assert list(faults) == ["5"]


def test_the_environment_wins_over_the_file(installation: Installation) -> None:
    path = installation.toml(token={"lifetime_seconds": 120, "issuer": "https://a.example"})
    environment = {
        "USHER__TOKEN__LIFETIME_SECONDS": "30",
        "USHER__TOKEN__OPTIONAL_CLAIMS": '["iat", "jti"]',
        "USHER__TOKEN__VISITOR_DATA": '{ firstName = "given_name" }',
        "USHER__PUBLIC_URL": "https://www.other.example",
        "USHER__LIMITS__SIGN_INS": "7 per 60 seconds",
        "USHER__SIGN_INS__DEFAULT_NEXT": '"/account"',
        "USHER_SETTINGS": "elsewhere.toml",
        "OTHER__TOKEN__LIFETIME_SECONDS": "10",
    }
    settings = configuration.load(path, environment)
    assert settings.token.lifetime_seconds == 30
    assert settings.token.issuer == "https://a.example"
    assert settings.token.optional_claims == {"iat", "jti"}
    assert settings.token.visitor_data == {"firstName": "given_name"}
    assert settings.public_url == "https://www.other.example"
    assert settings.limits.sign_ins == "7 per 60 seconds"
    assert settings.sign_ins.default_next == "/account"


def test_the_environment_wins_over_a_mapping_and_leaves_it_alone(
    installation: Installation,
) -> None:
    config = installation.mapping(token={"lifetime_seconds": 120})
    before = json.dumps(config)
    settings = configuration.load(config, {"USHER__TOKEN__LIFETIME_SECONDS": "30"})
    assert settings.token.lifetime_seconds == 30
    assert json.dumps(config) == before


@pytest.mark.parametrize(
    ("variable", "text", "path"),
    [
        ("USHER__TOKEN__LIFETIME_SECONDS", "soon", "token.lifetime_seconds"),
        ("USHER__TOKEN__LIFETIME", "60", "token.lifetime"),
        ("USHER__ALLOWED_ORIGINS", "https://a.example", "allowed_origins"),
        ("USHER__TOKEN", "x", "token"),
        ("USHER__", "x", ""),
        ("USHER____X", "x", ""),
        ("USHER__SECRET_KEY__X", "x", "secret_key"),
    ],
)
def test_faults_in_the_environment_name_the_variable(
    installation: Installation, variable: str, text: str, path: str
) -> None:
    (fault,) = faults_of(installation.toml(), **{variable: text}).values()
    assert variable in str(fault)
    assert path in fault.path


def test_a_variable_cannot_be_both_value_and_table(installation: Installation) -> None:
    environment = {"USHER__TOKEN": "x", "USHER__TOKEN__LIFETIME_SECONDS": "30"}
    (fault,) = faults_of(installation.toml(), **environment).values()
    assert fault.path == "USHER__TOKEN__LIFETIME_SECONDS"


def test_paths_in_a_file_count_from_its_folder(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = installation.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    installation.file("iadvize.pem", public_pem(rsa_key("recipient").public_key()))
    path = installation.toml(
        secret_key="secret-key",
        token={"signing_key": "./signing-key.pem", "recipient_key": "iadvize.pem"},
        database={"url": "sqlite:///data.db"},
        audit={"file": "audit.log"},
    )
    settings = configuration.load(path, {})
    assert settings.secret_key.value == SECRET.encode()
    assert settings.audit.file == installation.folder / "audit.log"
    assert settings.database.url == f"sqlite:///{installation.folder / 'data.db'}"
    relative = configuration.load(Path("..") / "usher.toml", {}).audit.file
    assert relative is not None
    assert relative.resolve() == installation.folder / "audit.log"
    named = configuration.load(None, {"USHER_SETTINGS": str(path)})
    assert named.audit.file == installation.folder / "audit.log"


def test_the_database_that_no_setting_names_is_in_the_files_folder(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = installation.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = installation.file(
        "usher.toml",
        'public_url = "https://shop.example"\nsecret_key = "secret-key"\n'
        '[token]\nsigning_key = "signing-key.pem"\n',
    )
    settings = configuration.load(path, {})
    assert settings.database.url == f"sqlite:///{installation.folder / 'usher.db'}"


def test_paths_in_a_mapping_count_from_the_working_directory(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(installation.folder)
    settings = configuration.load(
        installation.mapping(secret_key=Path("secret-key"), audit={"file": "audit.log"}), {}
    )
    assert settings.audit.file == installation.folder / "audit.log"


def test_without_any_name_the_file_is_usher_toml_here(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.toml()
    monkeypatch.chdir(installation.folder)
    assert configuration.load(None, {}).public_url == "https://www.shop.example"
    assert configuration.load("usher.toml", {}).public_url == "https://www.shop.example"


def test_settings_are_frozen(installation: Installation) -> None:
    settings = installation.settings(
        token={"visitor_data": {"city": "city"}}, policy={"activation": {"no-session": "none"}}
    )
    for table, key in [
        (settings, "public_url"),
        (settings.token, "lifetime_seconds"),
        (settings.token, "new"),
        (settings.policy, "activation"),
    ]:
        with pytest.raises(pydantic.ValidationError):
            setattr(table, key, "x")
    for mapping in (
        settings.token.visitor_data,
        settings.policy.activation,
        settings.providers,
    ):
        with pytest.raises(TypeError):
            mapping["x"] = "y"  # type: ignore[index]


def test_no_repr_shows_a_secret(installation: Installation) -> None:
    settings = installation.settings(
        database={"url": f"postgresql+psycopg://usher:{PASSWORD}@db.example/usher"},
        token={
            "user_id": "pairwise",
            "pairwise_key": str(installation.file("pairwise-key", SECRET[::-1])),
            "recipient_key": spki(rsa_key("recipient").public_key()),
        },
    )
    for shown in (repr(settings), str(settings), f"{settings.token!r}", f"{settings.database}"):
        assert PASSWORD not in shown
        assert SECRET not in shown
        assert SECRET[::-1] not in shown
        assert_holds_nothing_of(_one_line(private_pem(rsa_key("signing"))), shown)
    assert settings.database.url.count(PASSWORD) == 1
    assert isinstance(settings, Settings)
