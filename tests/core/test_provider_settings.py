"""The tables of providers: what is refused, in which words, and what those words never hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.installations import Installation
from support.keys import private_pem, rsa_key

ISSUER = "https://id.shop.example"
SECRET = "violet~41"
TYPES = "one of bearer, host, local, oidc"
URL = "an address such as https://login.shop.example/realm, with no query"
REQUIRED = "a value: this key is required"
WORD = "one word of plain ASCII without quotes"
CLIENT_ID = "1 to 255 characters of plain ASCII without spaces"
HOST = "a host such as login.shop.example, in small letters"
ALGORITHMS = (
    "'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512' or 'EdDSA'"
)
SECRET_FILE = 'a file, except with client_authentication = "private_key_jwt"'
KEY_FILE = 'a file exactly with client_authentication = "private_key_jwt"'
PAIR = "a file exactly when introspection_client_id is given"
HIDDEN = "a value that is not shown, as it may hold a secret"
NO_FILE = "the path of a file that exists, not the secret itself"
UNKNOWN = "an unknown key"
SITE_PATH = "a path on this site, such as /account"

Found = dict[str, tuple[str, str]]


@pytest.fixture
def oidc(installation: Installation) -> dict[str, Any]:
    """Good settings of an OpenID provider."""
    secret = installation.file("client-secret", SECRET + "\n")
    return {
        "type": "oidc",
        "issuer": ISSUER,
        "client_id": "usher",
        "client_secret": str(secret),
    }


BEARER = {"type": "bearer", "issuer": ISSUER, "audience": "chat", "clients": ["app"]}
HOST_APP = {"type": "host"}


def changed(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (table | changes).items() if value is not ...}


def found_in(installation: Installation, table: object) -> Found:
    """Return what is found and what was expected, by the key in the provider's table."""
    faults = installation.faults(providers={"web": table})
    return {
        path.removeprefix("providers.web").removeprefix("."): (fault.found, fault.expected)
        for path, fault in faults.items()
    }


def one(key: str, found: str, expected: str) -> Found:
    return {key: (found, expected)}


def test_the_shortest_tables_are_good(installation: Installation, oidc: dict[str, Any]) -> None:
    for table in (oidc, BEARER, HOST_APP, {"type": "local"}):
        assert found_in(installation, table) == {}


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        ({}, one("type", "nothing", TYPES)),
        ({"issuer": ISSUER}, one("type", "nothing", TYPES)),
        ({"type": "ldap"}, one("type", "'ldap'", TYPES)),
        ({"type": "odic"}, one("type", "'odic'", "'oidc'?")),
        ({"type": "OIDC"}, one("type", "'OIDC'", TYPES)),
        ({"type": ""}, one("type", "''", TYPES)),
        ({"type": 5}, one("type", "5", TYPES)),
        ({"type": ["oidc"]}, one("type", "a list", "'oidc'?")),
        (5, one("", "5", "a table")),
        ([], one("", "a list", "a table")),
    ],
    ids=repr,
)
def test_a_table_says_of_which_type_it_is(
    installation: Installation, table: object, faults: Found
) -> None:
    assert found_in(installation, table) == faults


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"issuer": ...}, one("issuer", "nothing", REQUIRED)),
        ({"issuer": 5}, one("issuer", "5", URL)),
        ({"issuer": ISSUER + "?a=b"}, one("issuer", f"'{ISSUER}?a=b'", URL)),
        (
            {"issuer": "http://id.shop.example"},
            one(
                "issuer",
                "'http://id.shop.example'",
                "https: plain http is for loopback addresses only",
            ),
        ),
        (
            {"issuer": "http://127.0.0.1:8000"},
            one(
                "insecure_loopback",
                "False",
                "https in issuer, or true for a provider on this machine",
            ),
        ),
        ({"insecure_loopback": "yes"}, one("insecure_loopback", "'yes'", "true or false")),
        ({"client_id": ""}, one("client_id", "''", CLIENT_ID)),
        ({"client_id": "a b"}, one("client_id", "'a b'", CLIENT_ID)),
        (
            {"client_id": "x" * 256},
            one("client_id", "a value of 258 characters", CLIENT_ID),
        ),
        ({"algorithms": []}, one("algorithms", "a list", "at least one algorithm")),
        ({"algorithms": "RS256"}, one("algorithms", "'RS256'", "a list")),
        ({"algorithms": ["none"]}, one("algorithms.0", "'none'", ALGORITHMS)),
        ({"algorithms": ["RS256", "HS256"]}, one("algorithms.1", "'HS256'", ALGORITHMS)),
        ({"scopes": ["a b"]}, one("scopes.0", "'a b'", WORD)),
        ({"acr_values": ['a"b']}, one("acr_values.0", "'a\"b'", WORD)),
        (
            {"max_age_seconds": -1},
            one("max_age_seconds", "-1", "greater than or equal to 0"),
        ),
        ({"max_age_seconds": True}, one("max_age_seconds", "True", "a whole number")),
        (
            {"assertion_audience": "x"},
            one("assertion_audience", "'x'", "'issuer' or 'token_endpoint'"),
        ),
        (
            {"client_authentication": "none"},
            one(
                "client_authentication",
                "'none'",
                "'client_secret_basic', 'client_secret_post' or 'private_key_jwt'",
            ),
        ),
        (
            {"endpoint_hosts": ["https://keys.example"]},
            one("endpoint_hosts.0", "'https://keys.example'", HOST),
        ),
        (
            {"private_networks": ["10.0.0.0/8", "0.0.0.0/0"]},
            one(
                "private_networks.1",
                "'0.0.0.0/0'",
                "addresses of your own, not half of all that there are",
            ),
        ),
        ({"ca_file": "no.pem"}, one("ca_file", "'no.pem'", "the path of a file that exists")),
        ({"claims": ["groups"]}, one("claims", "a list", "a table")),
        ({"claims": {"groups": 5}}, one("claims.groups", "5", "a string")),
        ({"client_secrt": "x"}, one("client_secrt", UNKNOWN, "'client_secret'?")),
        (
            {"client_ids": "usher"},
            one("client_ids", UNKNOWN, "'client_id'?"),
        ),
        ({"client_secret": ...}, one("client_secret", "None", SECRET_FILE)),
    ],
)
def test_what_an_openid_provider_can_not_have(
    installation: Installation, oidc: dict[str, Any], changes: dict[str, Any], faults: Found
) -> None:
    assert found_in(installation, changed(oidc, changes)) == faults


def test_a_secret_or_a_key_as_the_authentication_wants_it(
    installation: Installation, oidc: dict[str, Any]
) -> None:
    key = installation.file("client-key.pem", private_pem(rsa_key("signing")))
    by_key = changed(
        oidc,
        {
            "client_authentication": "private_key_jwt",
            "client_secret": ...,
            "client_key": str(key),
        },
    )
    assert found_in(installation, by_key) == {}
    without = changed(by_key, {"client_key": ...})
    assert found_in(installation, without) == one("client_key", "None", KEY_FILE)
    both = by_key | {"client_secret": oidc["client_secret"]}
    shown = repr(oidc["client_secret"])
    assert found_in(installation, both) == one("client_secret", shown, SECRET_FILE)
    unused = oidc | {"client_key": str(key)}
    assert found_in(installation, unused) == one("client_key", repr(str(key)), KEY_FILE)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"audience": ...}, one("audience", "nothing", REQUIRED)),
        ({"audience": ""}, one("audience", "''", "at least 1 character")),
        ({"clients": ...}, one("clients", "nothing", REQUIRED)),
        (
            {"clients": []},
            one("clients", "a list", "at least one client id: nobody listed is nobody allowed"),
        ),
        ({"clients": "app"}, one("clients", "'app'", "a list")),
        ({"clients": ["*", ""]}, one("clients.1", "''", CLIENT_ID)),
        ({"scope": "a b"}, one("scope", "'a b'", WORD)),
        (
            {"introspection_client_id": "usher"},
            one("introspection_client_secret", "None", PAIR),
        ),
        ({"client": ["app"]}, one("client", UNKNOWN, "'clients'?")),
    ],
    ids=repr,
)
def test_what_a_provider_for_apps_can_not_have(
    installation: Installation, changes: dict[str, Any], faults: Found
) -> None:
    assert found_in(installation, changed(BEARER, changes)) == faults


@pytest.mark.parametrize("path", ["login", "//evil.test", "/\\evil.test", "https://a.test", ""])
def test_the_host_apps_sign_in_page_is_on_this_site(
    installation: Installation, path: str
) -> None:
    table = HOST_APP | {"sign_in_path": path}
    assert found_in(installation, table) == one("sign_in_path", repr(path), SITE_PATH)


def test_the_faults_of_all_providers_are_told_at_once(
    installation: Installation, oidc: dict[str, Any]
) -> None:
    providers = {
        "web": changed(oidc, {"issuer": ..., "client_id": "", "algorithms": ["none"]}),
        "app": changed(BEARER, {"clients": [], "scopes": ["chat"]}),
        "shop": HOST_APP | {"sign_in_path": "login"},
        "staff": {"type": "ldap"},
        "Staff": {"type": "local"},
    }
    assert set(installation.faults(providers=providers)) == {
        "providers.web.issuer",
        "providers.web.client_id",
        "providers.web.algorithms.0",
        "providers.app.clients",
        "providers.app.scopes",
        "providers.shop.sign_in_path",
        "providers.staff.type",
        "providers.Staff",
    }


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "s3cr3t",
        "hunter2/hunter2",
        "aB~8Q~violet.41-violet.41-violet.41-viol",
        "Kq3vPz8violetKq3vPz8violetKq3vPz8violet+/41=",
        "violet 41",
        "violet\n41",
    ],
)
@pytest.mark.parametrize("key", ["client_secret", "introspection_client_secret"])
def test_no_message_holds_a_secret_that_was_pasted_for_its_file(
    installation: Installation, oidc: dict[str, Any], key: str, secret: str
) -> None:
    table: dict[str, Any] = oidc
    if key != "client_secret":
        table = BEARER | {"introspection_client_id": "usher"}
    (fault,) = installation.faults(providers={"web": table | {key: secret}}).values()
    assert fault.path == f"providers.web.{key}"
    assert fault.found == HIDDEN
    assert secret not in str(fault)


def test_a_file_that_is_missing_is_not_quoted_either(
    installation: Installation, oidc: dict[str, Any]
) -> None:
    """It can't be told from a secret."""
    table = oidc | {"client_secret": "client-secrt"}
    assert found_in(installation, table) == one("client_secret", HIDDEN, NO_FILE)


def test_no_message_holds_a_password_in_an_address(
    installation: Installation, oidc: dict[str, Any]
) -> None:
    address = "https://usher:hunter2@id.shop.example"
    assert found_in(installation, oidc | {"issuer": address}) == one("issuer", HIDDEN, URL)
    faults = installation.faults(public_url=address, allowed_origins=[address])
    assert set(faults) == {"public_url", "allowed_origins.0"}
    assert "hunter2" not in "".join(map(str, faults.values()))


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("", 0o600, "is empty"),
        (" \n", 0o600, "is empty"),
        (f"{SECRET}\n{SECRET}", 0o600, "more than one line"),
        ("violett\u00e9", 0o600, "printable"),
        (SECRET, 0o644, "can be read or changed by others"),
    ],
    ids=["empty", "blank", "two-lines", "not-ascii", "readable-by-all"],
)
def test_what_is_wrong_with_the_file_of_a_secret_is_told_without_it(
    installation: Installation, oidc: dict[str, Any], content: str, mode: int, said: str
) -> None:
    file = installation.file("client-secret", content, mode)
    (fault,) = installation.faults(providers={"web": oidc}).values()
    assert fault.path == "providers.web.client_secret"
    assert str(file) in fault.expected
    assert said in fault.expected
    assert "violet" not in str(fault)


def test_no_repr_shows_the_secret(installation: Installation, oidc: dict[str, Any]) -> None:
    settings = installation.settings(providers={"web": oidc})
    assert SECRET not in repr(settings)
    assert settings.providers["web"].client_secret.value == SECRET


CLUB = """
from typing import Literal
from pydantic import BaseModel, ConfigDict
from flask_usher.providers.base import ProviderType

class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["club"]
    members: int

club = ProviderType(Settings, lambda name, table, resources: None)
other = 5
"""
FAULTS = """
import json, sys
from flask_usher import configuration
from flask_usher.errors import SettingsError

try:
    configuration.load(json.load(sys.stdin), {})
except SettingsError as error:
    print(json.dumps([[fault.path, fault.found, fault.expected] for fault in error.faults]))
else:
    print("[]")
"""
CLUB_TYPES = "one of bearer, club, host, local, oidc"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "table", "faults"),
    [
        ("club = club:club", {"type": "club", "members": 5}, []),
        ("local = club:club", {"type": "local"}, []),
        (
            "club = club:club",
            {"type": "club", "membrs": 5},
            [["members", "nothing", REQUIRED], ["membrs", UNKNOWN, "'members'?"]],
        ),
        ("club = club:club", {"type": "ldap"}, [["type", "'ldap'", CLUB_TYPES]]),
        ("club = club:club", {"type": "clu"}, [["type", "'clu'", "'club'?"]]),
    ],
    ids=["good", "never-instead-of-ours", "its-own-keys", "unknown", "misspelt"],
)
def test_the_types_that_packages_add(
    installation: Installation, entry: str, table: object, faults: list[list[str]]
) -> None:
    told = faults_with_package(installation, entry, table)
    assert told == [[f"providers.web.{key}", *words] for key, *words in faults]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("club = nowhere:club", "ModuleNotFoundError when it is imported"),
        ("club = club:nothing", "AttributeError when it is imported"),
        ("club = club:other", "a int"),
    ],
)
def test_a_package_that_can_not_be_used_is_named(
    installation: Installation, entry: str, found: str
) -> None:
    told = faults_with_package(installation, entry, {"type": "local"})
    expected = "a ProviderType that can be imported"
    assert told == [[f"flask_usher.providers: {entry}", found, expected]]


def faults_with_package(installation: Installation, entry: str, table: object) -> Any:
    """Return the faults where a package with this entry point is installed."""
    folder: Path = installation.folder / "packages"
    information = folder / "club-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "club.py").write_text(CLUB)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: club\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[flask_usher.providers]\n{entry}\n")
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={"PYTHONPATH": str(folder)},
        input=json.dumps(installation.mapping(providers={"web": table})),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
