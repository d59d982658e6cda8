"""Keys: what is refused at the start, and that the message names the file and the remedy."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from support.installations import Installation
from support.keys import (
    private_der,
    private_pem,
    public_der,
    public_pem,
    rsa_key,
    spki,
)
from support.secrecy import assert_holds_nothing_of

from flask_usher import keys
from flask_usher.cli import main

DATA = Path(__file__).parent.parent / "data"
PRODUCTION_KEY = (DATA / "iadvize-production-recipient-key.txt").read_text().strip()

Make = Callable[[Path], None]


def holding(content: Callable[[], bytes], mode: int = 0o600) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(content())
        path.chmod(mode)

    return make


def signing_pem() -> bytes:
    return private_pem(rsa_key("signing"))


def recipient_pem() -> bytes:
    return public_pem(rsa_key("recipient").public_key())


def cut(pem: bytes) -> bytes:
    lines = pem.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2] + lines[-1:])


def damaged_private_pem() -> bytes:
    der = bytearray(private_der(rsa_key("signing")))
    der[-40] ^= 1
    body = base64.encodebytes(der)
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"-----END PRIVATE KEY-----\n"


def openssh_pem() -> bytes:
    return rsa_key("signing").private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def encrypted_pem(form: PrivateFormat) -> bytes:
    return private_pem(rsa_key("signing"), form, BestAvailableEncryption(b"passphrase"))


def pem_around(kind: bytes, content: bytes) -> bytes:
    body = base64.encodebytes(content)
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (kind, body, kind)


NOTHING = pytest.param(lambda path: None, "does not exist", "usher keys --help", id="missing")
UNREADABLE = [
    NOTHING,
    pytest.param(
        lambda path: path.symlink_to(path.parent / "nowhere"),
        "does not exist",
        "Check the path",
        id="dangling-link",
    ),
    pytest.param(
        lambda path: path.symlink_to(path), "cannot be read", "Check the path", id="link-loop"
    ),
    pytest.param(Path.mkdir, "is a directory", "Give the path of a file", id="directory"),
    pytest.param(holding(lambda: b""), "is empty", "usher keys --help", id="empty"),
    pytest.param(holding(lambda: b" \n\n"), "is empty", "Restore it", id="blank"),
    pytest.param(holding(signing_pem, 0o000), "may not be read", "chmod 600", id="mode-000"),
    pytest.param(holding(signing_pem, 0o200), "may not be read", "chmod 600", id="mode-200"),
    pytest.param(
        holding(lambda: signing_pem() * 50),
        "is too large for a key",
        "Check the path",
        id="too-large",
    ),
]
OPEN_TO_OTHERS = [
    pytest.param(
        holding(signing_pem, mode),
        f"can be read or changed by others (mode {mode:04o})",
        "chmod 600",
        id=f"{mode:04o}",
    )
    for mode in (0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o660, 0o666, 0o777, 0o4644)
]
DAMAGED = ("is damaged or not a key", "Restore it from a backup")
NO_PRIVATE_PEM = ("is no PEM private key", "usher keys generate")
UNUSABLE_PRIVATE = [
    *UNREADABLE,
    *OPEN_TO_OTHERS,
    pytest.param(holding(lambda: cut(signing_pem())), *DAMAGED, id="truncated"),
    pytest.param(holding(lambda: signing_pem()[:800]), *DAMAGED, id="truncated-no-end"),
    pytest.param(holding(damaged_private_pem), *DAMAGED, id="damaged-number"),
    pytest.param(
        holding(lambda: pem_around(b"PRIVATE KEY", os.urandom(1200))),
        *DAMAGED,
        id="garbage-in-armour",
    ),
    pytest.param(holding(lambda: os.urandom(1200)), *NO_PRIVATE_PEM, id="garbage"),
    pytest.param(holding(lambda: b"hello\n"), *NO_PRIVATE_PEM, id="text"),
    pytest.param(holding(lambda: private_der(rsa_key("signing"))), *NO_PRIVATE_PEM, id="der"),
    pytest.param(
        holding(lambda: base64.b64encode(private_der(rsa_key("signing")))),
        *NO_PRIVATE_PEM,
        id="base64",
    ),
    pytest.param(
        holding(lambda: pem_around(b"CERTIFICATE", os.urandom(900))),
        *NO_PRIVATE_PEM,
        id="certificate",
    ),
    pytest.param(
        holding(lambda: public_pem(rsa_key("signing").public_key())),
        "holds a public key",
        "Give the private key's PEM file",
        id="public-only",
    ),
    pytest.param(
        holding(lambda: public_pem(rsa_key("signing").public_key(), PublicFormat.PKCS1)),
        "holds a public key",
        "Give the private key's PEM file",
        id="public-only-pkcs1",
    ),
    pytest.param(
        holding(lambda: encrypted_pem(PrivateFormat.PKCS8)),
        "is encrypted with a passphrase",
        "openssl pkey",
        id="encrypted",
    ),
    pytest.param(
        holding(lambda: encrypted_pem(PrivateFormat.TraditionalOpenSSL)),
        "is encrypted with a passphrase",
        "openssl pkey",
        id="encrypted-pkcs1",
    ),
    pytest.param(holding(openssh_pem), *DAMAGED, id="openssh"),
    pytest.param(
        holding(lambda: private_pem(ec.generate_private_key(ec.SECP256R1()))),
        "is not an RSA key",
        "Make an RSA key with: usher keys generate",
        id="ec",
    ),
    pytest.param(
        holding(lambda: private_pem(ed25519.Ed25519PrivateKey.generate())),
        "is not an RSA key",
        "usher keys generate",
        id="ed25519",
    ),
    pytest.param(
        holding(lambda: private_pem(rsa_key("weak", 1024))),
        "is an RSA key of 1024 bits",
        "2048 to 8192 bits",
        id="rsa-1024",
    ),
    pytest.param(
        holding(lambda: private_pem(rsa_key("exponent", exponent=3))),
        "has the public exponent 3",
        "exponent 65537",
        id="exponent-3",
    ),
]


def check(installation: Installation, **token: str) -> str:
    """Return what `usher check` says to settings that it must refuse."""
    path = installation.toml(token=token)
    result = CliRunner().invoke(main, ["--settings", str(path), "check"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(("make", "problem", "remedy"), UNUSABLE_PRIVATE)
def test_row_123_an_unusable_signing_key_stops_the_start(
    installation: Installation, make: Make, problem: str, remedy: str
) -> None:
    path = installation.folder / "the-key.pem"
    make(path)
    said = check(installation, signing_key=str(path))
    assert "token.signing_key" in said
    assert f"{path}: {problem}" in said
    assert remedy in said
    assert_holds_nothing_of(content_of(path), said)


@pytest.mark.parametrize(("make", "problem", "remedy"), [*UNREADABLE, *OPEN_TO_OTHERS])
@pytest.mark.parametrize("setting", ["secret_key", "token.pairwise_key"])
def test_row_123_an_unusable_secret_stops_the_start(
    installation: Installation, setting: str, make: Make, problem: str, remedy: str
) -> None:
    path = installation.folder / "the-secret"
    make(path)
    if setting == "secret_key":
        fault = installation.faults(secret_key=str(path))[setting]
    else:
        token = {"user_id": "pairwise", "pairwise_key": str(path)}
        fault = installation.faults(token=token)[setting]
    assert str(path) in fault.expected
    assert problem in fault.expected
    assert remedy in fault.expected
    assert_holds_nothing_of(content_of(path), str(fault))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"short", id="short"),
        pytest.param(os.urandom(31), id="31-bytes"),
        pytest.param(b"a" * 64, id="one-letter"),
        pytest.param(b"changeme" * 8, id="one-word"),
        pytest.param(b" " * 40 + b"x" * 20, id="spaces"),
    ],
)
def test_a_secret_that_is_hardly_random_is_refused(
    installation: Installation, content: bytes
) -> None:
    path = installation.file("the-secret", content.replace(b"\n", b"x"))
    fault = installation.faults(secret_key=str(path))["secret_key"]
    assert "usher keys secret" in fault.expected


def test_a_key_that_will_be_replaced_one_day_is_no_secret(installation: Installation) -> None:
    path = installation.folder / "signing-key.pem"
    fault = installation.faults(secret_key=str(path))["secret_key"]
    assert f"{path}: holds a key" in fault.expected
    assert "usher keys secret" in fault.expected


NO_PUBLIC_KEY = ("is damaged or not a public key", "Fetch it from iAdvize again")
NO_BASE64_KEY = ("is no public key in PEM or base64", "Copy the key from iAdvize again")
A_PRIVATE_KEY = ("holds a private key where iAdvize's public key belongs", "iadvize-production")
UNUSABLE_RECIPIENT = [
    *UNREADABLE,
    pytest.param(holding(signing_pem), *A_PRIVATE_KEY, id="private-and-ours"),
    pytest.param(
        holding(lambda: private_pem(rsa_key("recipient"))), *A_PRIVATE_KEY, id="private"
    ),
    pytest.param(
        holding(lambda: private_pem(rsa_key("recipient"), PrivateFormat.TraditionalOpenSSL)),
        *A_PRIVATE_KEY,
        id="private-pkcs1",
    ),
    pytest.param(
        holding(lambda: encrypted_pem(PrivateFormat.PKCS8)), *A_PRIVATE_KEY, id="encrypted"
    ),
    pytest.param(
        holding(lambda: private_pem(rsa_key("recipient")) + recipient_pem()),
        *A_PRIVATE_KEY,
        id="private-and-public",
    ),
    pytest.param(
        holding(lambda: public_pem(ec.generate_private_key(ec.SECP256R1()).public_key())),
        "is not an RSA key",
        "RSA-OAEP-256",
        id="ec",
    ),
    pytest.param(
        holding(lambda: public_pem(rsa_key("weak", 1024).public_key())),
        "is an RSA key of 1024 bits",
        "2048 to 8192 bits",
        id="rsa-1024",
    ),
    pytest.param(
        holding(lambda: public_pem(RSAPublicNumbers(65537, 2**16383 + 1).public_key())),
        "is an RSA key of 16384 bits",
        "2048 to 8192 bits",
        id="rsa-16384",
    ),
    pytest.param(
        holding(lambda: public_pem(rsa_key("exponent", exponent=3).public_key())),
        "has the public exponent 3",
        "exponent 65537",
        id="exponent-3",
    ),
    pytest.param(
        holding(lambda: public_pem(rsa_key("signing").public_key())),
        "not the one that belongs to token.signing_key",
        "iAdvize's public key",
        id="our-own",
    ),
    pytest.param(
        holding(lambda: spki(rsa_key("signing").public_key()).encode()),
        "not the one that belongs to token.signing_key",
        "iAdvize's public key",
        id="our-own-base64",
    ),
    pytest.param(holding(lambda: cut(recipient_pem())), *NO_PUBLIC_KEY, id="truncated"),
    pytest.param(holding(lambda: recipient_pem()[:200]), *NO_PUBLIC_KEY, id="no-end"),
    pytest.param(
        holding(lambda: pem_around(b"CERTIFICATE", os.urandom(900))),
        *NO_PUBLIC_KEY,
        id="certificate",
    ),
    pytest.param(holding(lambda: os.urandom(300)), *NO_BASE64_KEY, id="garbage"),
    pytest.param(holding(lambda: b"hello"), *NO_BASE64_KEY, id="text"),
    pytest.param(
        holding(lambda: public_der(rsa_key("recipient").public_key())),
        *NO_BASE64_KEY,
        id="der",
    ),
    pytest.param(
        holding(lambda: private_der(rsa_key("recipient"))), *NO_BASE64_KEY, id="private-der"
    ),
    pytest.param(
        holding(lambda: base64.b64encode(private_der(rsa_key("recipient")))),
        *NO_BASE64_KEY,
        id="private-base64",
    ),
]


@pytest.mark.parametrize(("make", "problem", "remedy"), UNUSABLE_RECIPIENT)
def test_row_124_an_unusable_recipient_key_stops_the_start(
    installation: Installation, make: Make, problem: str, remedy: str
) -> None:
    path = installation.folder / "iadvize.pem"
    make(path)
    said = check(installation, recipient_key=str(path))
    assert "token.recipient_key" in said
    assert problem in said
    assert remedy in said
    assert_holds_nothing_of(content_of(path), said)


def test_row_124_swapped_files_are_both_named(installation: Installation) -> None:
    recipient = installation.file("iadvize.pem", recipient_pem())
    said = check(
        installation,
        signing_key=str(recipient),
        recipient_key=str(installation.folder / "signing-key.pem"),
    )
    assert "the settings have 2 faults" in said
    assert f"{recipient}: holds a public key" in said
    assert f"{installation.folder / 'signing-key.pem'}: holds a private key" in said


def test_row_124_a_key_that_is_not_the_published_one_stops_the_start(
    installation: Installation,
) -> None:
    published = keys.fingerprint(rsa_key("other").public_key())
    said = check(installation, signing_key_fingerprint=published)
    assert "token.signing_key_fingerprint" in said
    assert published in said
    assert keys.fingerprint(rsa_key("signing").public_key()) in said
    assert str(installation.folder / "signing-key.pem") in said
    assert "send iAdvize the new public key" in said


@pytest.mark.parametrize("fingerprint", ["", "SHA256:", "0" * 64, "sha256:x"])
def test_row_124_what_is_no_fingerprint_is_not_ignored(
    installation: Installation, fingerprint: str
) -> None:
    faults = installation.faults(token={"signing_key_fingerprint": fingerprint})
    assert list(faults) == ["token.signing_key_fingerprint"]


@pytest.mark.parametrize("padding", ["", "="])
def test_row_124_the_published_key_is_accepted(
    installation: Installation, padding: str
) -> None:
    published = keys.fingerprint(rsa_key("signing").public_key())
    told = {"signing_key_fingerprint": published + padding}
    token = installation.settings(token=told).token
    assert token.signing_key_fingerprint == published


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(signing_pem, id="pkcs8"),
        pytest.param(
            lambda: private_pem(rsa_key("signing"), PrivateFormat.TraditionalOpenSSL),
            id="pkcs1",
        ),
        pytest.param(lambda: signing_pem().replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(lambda: signing_pem().rstrip(), id="no-line-break-at-the-end"),
        pytest.param(lambda: b"Shop\n\n" + signing_pem() + b"\nEnd\n", id="words-around"),
    ],
)
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_row_123_a_good_signing_key_is_loaded(
    installation: Installation, content: Callable[[], bytes], mode: int
) -> None:
    path = installation.file("the-key.pem", content(), mode)
    key = keys.load_private_key(path)
    assert key.source == str(path)
    assert key.private_key.private_numbers() == rsa_key("signing").private_numbers()


def wrapped(text: str) -> str:
    return "\n".join(text[start : start + 64] for start in range(0, len(text), 64)) + "\n"


GOOD_RECIPIENTS = [
    pytest.param(recipient_pem, id="pem"),
    pytest.param(lambda: recipient_pem().replace(b"\n", b"\r\n"), id="crlf"),
    pytest.param(
        lambda: public_pem(rsa_key("recipient").public_key(), PublicFormat.PKCS1), id="pkcs1"
    ),
    pytest.param(lambda: spki(rsa_key("recipient").public_key()).encode(), id="base64"),
    pytest.param(
        lambda: wrapped(spki(rsa_key("recipient").public_key())).encode(), id="base64-wrapped"
    ),
    pytest.param(
        lambda: wrapped(spki(rsa_key("recipient").public_key())).replace("\n", "\r\n").encode(),
        id="base64-wrapped-crlf",
    ),
]


@pytest.mark.parametrize("content", GOOD_RECIPIENTS)
def test_a_good_recipient_key_is_loaded_from_a_file(
    installation: Installation, content: Callable[[], bytes]
) -> None:
    path = installation.file("iadvize.pem", content(), 0o644)
    key = installation.settings(token={"recipient_key": str(path)}).recipient_keys[0]
    assert key.source == str(path)
    assert key.public_key == rsa_key("recipient").public_key()


@pytest.mark.parametrize("content", GOOD_RECIPIENTS)
def test_a_good_recipient_key_may_stand_in_the_settings(
    installation: Installation, content: Callable[[], bytes]
) -> None:
    key = installation.settings(token={"recipient_key": content().decode()}).recipient_keys[0]
    assert key.public_key == rsa_key("recipient").public_key()


def without_a_piece(text: str) -> str:
    return text[:100] + text[120:]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(without_a_piece, id="a-piece-is-missing"),
        pytest.param(lambda text: text[:-2], id="cut"),
        pytest.param(lambda text: text[:200] + "!" + text[201:], id="foreign-character"),
        pytest.param(lambda text: text[:9] + "A" + text[10:], id="another-character"),
        pytest.param(lambda text: text + text, id="twice"),
        pytest.param(lambda text: text[:200] + "…", id="dots"),
        pytest.param(lambda text: text.replace("+", "-").replace("/", "_"), id="base64url"),
        pytest.param(lambda text: "MII", id="beginning-only"),
    ],
)
def test_row_124_a_damaged_base64_key_stops_the_start(
    installation: Installation, damage: Callable[[str], str]
) -> None:
    said = check(installation, recipient_key=damage(PRODUCTION_KEY))
    assert "Copy the key from iAdvize again, whole" in said


def test_the_preset_is_the_key_that_iadvize_publishes(installation: Installation) -> None:
    by_name = installation.settings(token={"recipient_key": "iadvize-production"})
    as_printed = installation.settings(token={"recipient_key": PRODUCTION_KEY})
    assert by_name.recipient_keys[0].public_key == as_printed.recipient_keys[0].public_key
    assert (
        by_name.recipient_keys[0].public_key
        == installation.settings().recipient_keys[0].public_key
    )
    assert by_name.recipient_keys[0].source == "iadvize-production"
    assert spki(by_name.recipient_keys[0].public_key) == PRODUCTION_KEY


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("make", [keys.generate, keys.generate_secret])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_generated_files_are_the_owners_alone(
    tmp_path: Path, make: Callable[[Path], object], mask: int
) -> None:
    path = tmp_path / "new"
    with umask(mask):
        make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [keys.generate, keys.generate_secret])
@pytest.mark.parametrize("there", ["file", "link", "folder"])
def test_generating_replaces_nothing(
    tmp_path: Path, make: Callable[[Path], object], there: str
) -> None:
    path = tmp_path / "there"
    elsewhere = tmp_path / "elsewhere"
    if there == "file":
        path.write_text("precious")
    elif there == "link":
        path.symlink_to(elsewhere)
    else:
        path.mkdir()
    with pytest.raises(FileExistsError):
        make(path)
    assert not elsewhere.exists()
    assert there != "file" or path.read_text() == "precious"


def test_a_key_that_could_not_be_written_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space"):
        keys.generate_secret(tmp_path / "secret-key")
    assert not (tmp_path / "secret-key").exists()


def test_a_generated_key_can_be_loaded(tmp_path: Path) -> None:
    made = keys.generate(tmp_path / "key.pem", 3072)
    loaded = keys.load_private_key(tmp_path / "key.pem")
    assert loaded.fingerprint == made.fingerprint
    assert loaded.private_key.key_size == 3072
    assert loaded.public_key.public_numbers().e == 65537


def test_a_generated_secret_can_be_loaded_and_is_new_each_time(tmp_path: Path) -> None:
    made = [keys.generate_secret(tmp_path / name) for name in ("a", "b")]
    assert [keys.load_secret(tmp_path / name) for name in ("a", "b")] == made
    assert made[0].value != made[1].value
    assert len(base64.b64decode(made[0].value)) == 64


def test_the_fingerprint_is_that_of_the_public_keys_der() -> None:
    key = rsa_key("signing").public_key()
    digest = base64.b64encode(hashlib.sha256(public_der(key)).digest()).decode()
    assert keys.fingerprint(key) == "SHA256:" + digest.rstrip("=")
    assert load_pem_public_key(keys.public_pem(key).encode()) == key


def test_secrets_for_different_purposes_are_unrelated() -> None:
    secret = keys.Secret("secret-key", bytes(range(64)))
    other = keys.Secret("secret-key", bytes(range(1, 65)))
    derived = {secret.derive("a"), secret.derive("b"), other.derive("a")}
    assert len(derived) == 3
    assert {len(key) for key in derived} == {32}
    assert secret.derive("a") == keys.Secret("elsewhere", bytes(range(64))).derive("a")


# Lists of keys


def a_list(installation: Installation, *names: str) -> list[str]:
    return [
        str(installation.file(f"{name}-key.pem", private_pem(rsa_key(name)))) for name in names
    ]


def test_row_124_the_first_of_a_list_is_the_one_that_is_pinned(
    installation: Installation,
) -> None:
    token = {"signing_key": a_list(installation, "signing", "other")}
    first, second = (keys.fingerprint(rsa_key(it).public_key()) for it in ("signing", "other"))
    listed = installation.settings(token=token | {"signing_key_fingerprint": first}).token
    assert [it.fingerprint for it in listed.signing_key] == [first, second]
    faults = installation.faults(token=token | {"signing_key_fingerprint": second})
    assert list(faults) == ["token.signing_key_fingerprint"]


def test_row_123_every_unusable_key_of_a_list_is_told(installation: Installation) -> None:
    good, unsafe = a_list(installation, "signing", "other")
    Path(unsafe).chmod(0o644)
    listed = [good, unsafe, "missing.pem", "env:NO_SUCH_VARIABLE"]
    (fault,) = installation.faults(token={"signing_key": listed}).values()
    assert fault.path == "token.signing_key"
    assert f"{unsafe}: can be read or changed by others" in fault.expected
    assert "missing.pem: does not exist" in fault.expected
    assert "env:NO_SUCH_VARIABLE: is empty or not set" in fault.expected


@pytest.mark.parametrize("setting", ["signing_key", "recipient_key"])
@pytest.mark.parametrize("names", [[], ["other", "other"]], ids=["none", "one-twice"])
def test_row_124_a_list_holds_each_key_once(
    installation: Installation, setting: str, names: list[str]
) -> None:
    listed = a_list(installation, *names)
    if setting == "recipient_key":
        listed = [spki(rsa_key(it).public_key()) for it in names]
    faults = installation.faults(token={setting: listed})
    assert faults[f"token.{setting}"].expected == "one key or more, each of them once"


def test_row_124_no_recipient_key_of_a_list_is_one_of_ours(installation: Installation) -> None:
    token = {
        "signing_key": a_list(installation, "signing", "other"),
        "recipient_key": ["iadvize-production", spki(rsa_key("other").public_key())],
    }
    faults = installation.faults(token=token)
    assert "not the one that belongs to token.signing_key" in str(faults["token.recipient_key"])


def test_row_124_the_sandbox_opens_with_none_of_our_keys(installation: Installation) -> None:
    signing, other = a_list(installation, "signing", "other")
    faults = installation.faults(
        public_url="http://localhost:8000",
        token={"signing_key": [signing, other]},
        sandbox={"recipient_key": other},
    )
    assert "a recipient_key of its own" in str(faults["sandbox"])
