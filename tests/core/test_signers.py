"""The sources of the signing key: a variable and a PKCS#11 token sign as a file does."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from support.installations import Installation, faults_of
from support.keys import private_der, private_pem, public_pem, rsa_key
from support.refusals import assert_refused
from support.secrecy import assert_holds_nothing_of
from support.service import LogText, MakeService, Service
from support.softhsm import PIN, TOKEN, SoftHsm

from flask_usher import keys
from flask_usher.errors import Fault, KeyUnavailable
from flask_usher.keys import pkcs11_module

DATA = b"header.payload"


def assert_signs(signer: keys.Signer, name: str = "signing") -> None:
    signature = signer.sign(DATA)
    rsa_key(name).public_key().verify(signature, DATA, PKCS1v15(), SHA256())
    assert signer.fingerprint == keys.fingerprint(rsa_key(name).public_key())


def pem(name: str = "signing", **strength: int) -> str:
    return private_pem(rsa_key(name, **strength)).decode()


def one_line(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# A variable


def with_variable(installation: Installation, value: str | None) -> dict[str, Fault]:
    config = installation.mapping(token={"signing_key": "env:SIGNING_KEY"})
    return faults_of(config, **({} if value is None else {"SIGNING_KEY": value}))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pem, id="pem"),
        pytest.param(lambda: one_line(pem()), id="base64"),
        pytest.param(lambda: base64.encodebytes(pem().encode()).decode(), id="wrapped"),
    ],
)
def test_row_123_a_good_key_in_a_variable_is_loaded(
    installation: Installation, value: Callable[[], str]
) -> None:
    signer = keys.load_signer("env:SIGNING_KEY", {"SIGNING_KEY": value()})
    assert signer.source == "env:SIGNING_KEY"
    assert_signs(signer)
    assert_holds_nothing_of(value(), repr(signer))
    assert with_variable(installation, value()) == {}


@pytest.mark.parametrize(
    ("value", "problem", "remedy"),
    [
        pytest.param(lambda: None, "is empty or not set", "this variable", id="not-set"),
        pytest.param(lambda: " \n", "is empty or not set", "this variable", id="blank"),
        pytest.param(lambda: "hello, world", "neither PEM nor base64", "base64 -w0", id="text"),
        pytest.param(lambda: "é" * 40, "neither PEM nor base64", "base64 -w0", id="not-ascii"),
        pytest.param(
            lambda: base64.b64encode(private_der(rsa_key("signing"))).decode(),
            "is no PEM private key",
            "usher keys generate",
            id="der",
        ),
        pytest.param(lambda: pem()[:800], "is damaged", "backup", id="truncated"),
        pytest.param(lambda: one_line(pem()[:800]), "is damaged", "backup", id="cut-base64"),
        pytest.param(
            lambda: public_pem(rsa_key("signing").public_key()).decode(),
            "holds a public key",
            "private key",
            id="public",
        ),
        pytest.param(
            lambda: one_line(private_pem(ec.generate_private_key(ec.SECP256R1())).decode()),
            "is not an RSA key",
            "usher keys generate",
            id="ec",
        ),
        pytest.param(lambda: pem("weak", bits=1024), "1024 bits", "2048", id="rsa-1024"),
        pytest.param(lambda: pem("exponent", exponent=3), "exponent 3", "65537", id="e-3"),
    ],
)
def test_row_123_an_unusable_variable_stops_the_start(
    installation: Installation, value: Callable[[], str | None], problem: str, remedy: str
) -> None:
    content = value()
    (fault,) = with_variable(installation, content).values()
    assert fault.path == "token.signing_key"
    assert "env:SIGNING_KEY: " in fault.expected
    assert problem in fault.expected
    assert remedy in fault.expected
    assert_holds_nothing_of(content or "", str(fault))


@pytest.mark.parametrize("name", ["", "1ST", "A-B", "SIGNING KEY", "A=B", "A\nB"])
def test_row_123_what_names_no_variable_is_not_shown(
    installation: Installation, name: str
) -> None:
    faults = installation.faults(token={"signing_key": f"env:{name}"})
    fault = faults["token.signing_key"]
    assert "not shown" in fault.found
    assert "names no variable" in fault.expected


def test_row_123_a_key_pasted_behind_env_is_not_shown(installation: Installation) -> None:
    (fault,) = installation.faults(token={"signing_key": f"env:{pem()}"}).values()
    assert_holds_nothing_of(pem(), str(fault))


# A PKCS#11 token

MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
PINNED = "pin-source=file:/etc/usher/pin"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        pytest.param("pkcs11:", "something else", id="nothing"),
        pytest.param(f"pkcs11:object=key?{MODULE}&{PINNED}", "no token", id="no-token"),
        pytest.param(f"pkcs11:token=t?{MODULE}&{PINNED}", "no key in it", id="no-key"),
        pytest.param("pkcs11:token=t;object=k", "no module-path", id="no-query"),
        pytest.param(f"pkcs11:token=t;object=k?{PINNED}", "no module-path", id="no-module"),
        pytest.param(f"pkcs11:token=t;object=k?{MODULE}", "no pin-source", id="no-pin"),
        pytest.param(
            f"pkcs11:token=t;object=k?{MODULE}&pin-source=pin", "no pin-source", id="relative"
        ),
        pytest.param(
            f"pkcs11:token=t;object=k?{MODULE}&pin-source=|cat%20/pin",
            "no pin-source",
            id="run",
        ),
        pytest.param(
            f"pkcs11:token=t;object=k?{MODULE}&{PINNED}&pin-value={PIN}",
            "holds the PIN itself",
            id="pin-value",
        ),
        pytest.param(
            f"pkcs11:token=t;object=k;pin-value={PIN}?{MODULE}&{PINNED}",
            "holds the PIN itself",
            id="pin-value-in-path",
        ),
        pytest.param(
            f"pkcs11:token=t;object=k?{MODULE}&pin={PIN}", "something else", id="pin-misspelt"
        ),
        pytest.param(
            f"pkcs11:token=t;token=u;object=k?{MODULE}&{PINNED}", "once each", id="twice"
        ),
        pytest.param(f"pkcs11:token;object=k?{MODULE}&{PINNED}", "once each", id="no-value"),
        pytest.param(f"pkcs11:token=%ff;object=k?{MODULE}&{PINNED}", "UTF-8", id="no-utf8"),
        pytest.param(
            f"pkcs11:token=t;object=k;type=cert?{MODULE}&{PINNED}",
            "something else than a private key",
            id="certificate",
        ),
    ],
)
def test_row_123_a_uri_that_names_no_key_stops_the_start(
    installation: Installation, uri: str, problem: str
) -> None:
    (fault,) = installation.faults(token={"signing_key": uri}).values()
    assert fault.path == "token.signing_key"
    assert problem in fault.expected
    assert "Write: pkcs11:token=TOKEN;object=KEY?module-path=" in fault.expected
    assert PIN not in str(fault)


def test_row_123_a_module_that_is_missing_stops_the_start(installation: Installation) -> None:
    uri = f"pkcs11:token=t;object=k?module-path=/nowhere/module.so&{PINNED}"
    (fault,) = installation.faults(token={"signing_key": uri}).values()
    assert "pkcs11:token=t;object=k: the module /nowhere/module.so does not exist" in str(fault)


def test_row_123_a_file_that_is_no_module_stops_the_start(installation: Installation) -> None:
    module = installation.file("module.so", b"hello")
    pin = installation.file("pin", PIN)
    uri = f"pkcs11:token=t;object=k?module-path={module}&pin-source=file:{pin}"
    (fault,) = installation.faults(token={"signing_key": uri}).values()
    assert "fails with PKCS11Error" in fault.expected


softhsm_tests = pytest.mark.softhsm


@pytest.fixture
def signer(softhsm: SoftHsm) -> keys.Signer:
    softhsm.add_key("signing", rsa_key("signing"))
    return keys.load_signer(softhsm.uri("signing"), {})


@softhsm_tests
def test_a_key_in_a_token_signs_as_a_file_does(signer: keys.Signer) -> None:
    assert_signs(signer)
    assert signer.sign(DATA) == keys.PrivateKey("file", rsa_key("signing")).sign(DATA)
    assert signer.source == f"pkcs11:token={TOKEN.replace(' ', '%20')};object=signing"
    assert PIN not in repr(signer)


@softhsm_tests
def test_a_key_is_found_by_its_id_and_serial_number_too(
    softhsm: SoftHsm, signer: keys.Signer
) -> None:
    softhsm.add_key("other", rsa_key("other"))
    by_id = softhsm.uri("signing").replace("object=signing", "id=%02;type=private")
    assert_signs(keys.load_signer(by_id, {}), "other")
    assert_signs(signer)


@softhsm_tests
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(
            lambda uri: uri.replace(";object=", ";object=no-"), "no such private", id="key"
        ),
        pytest.param(
            lambda uri: uri.replace("token=", "token=no-"), "no such token", id="token"
        ),
        pytest.param(
            lambda uri: uri.replace("=signing", "=twice"), "several such keys", id="twice"
        ),
        pytest.param(lambda uri: uri.replace("=signing", "=ec"), "is no RSA key", id="ec"),
        pytest.param(
            lambda uri: uri.replace("=signing", "=weak"), "of 1024 bits", id="rsa-1024"
        ),
        pytest.param(lambda uri: uri + "-nowhere", "does not exist", id="no-pin-file"),
    ],
)
def test_row_123_an_unusable_key_in_a_token_stops_the_start(
    softhsm: SoftHsm,
    installation: Installation,
    change: Callable[[str], str],
    problem: str,
) -> None:
    softhsm.add_key("signing", rsa_key("signing"))
    softhsm.add_key("twice", rsa_key("signing"))
    softhsm.add_key("twice", rsa_key("other"))
    softhsm.add_key("weak", rsa_key("weak", 1024))
    softhsm.add_key("ec", ec.generate_private_key(ec.SECP256R1()))
    uri = change(softhsm.uri("signing"))
    (fault,) = installation.faults(token={"signing_key": uri}).values()
    assert fault.path == "token.signing_key"
    assert problem in fault.expected
    assert PIN not in str(fault)


@softhsm_tests
@pytest.mark.parametrize("pin", ["wrong-pin", "x"])
def test_row_123_a_wrong_pin_stops_the_start_and_is_not_shown(
    softhsm: SoftHsm, installation: Installation, pin: str
) -> None:
    softhsm.add_key("signing", rsa_key("signing"))
    softhsm.pin_file.write_text(pin * 2)
    config = {"signing_key": softhsm.uri("signing")}
    (fault,) = installation.faults(token=config).values()
    assert "the PIN is wrong" in fault.expected
    assert pin * 2 not in str(fault)


@softhsm_tests
def test_row_123_a_pin_that_others_may_read_stops_the_start(
    softhsm: SoftHsm, installation: Installation
) -> None:
    softhsm.add_key("signing", rsa_key("signing"))
    softhsm.pin_file.chmod(0o644)
    (fault,) = installation.faults(token={"signing_key": softhsm.uri("signing")}).values()
    assert f"{softhsm.pin_file}: can be read or changed by others" in fault.expected


@softhsm_tests
def test_many_threads_sign_at_once(softhsm: SoftHsm, signer: keys.Signer) -> None:
    softhsm.add_key("other", rsa_key("other"))
    other = keys.load_signer(softhsm.uri("other"), {})
    with ThreadPoolExecutor(16) as threads:
        for _ in threads.map(lambda _: assert_signs(signer), range(100)):
            pass
        both = [(signer, "signing"), (other, "other")] * 50
        for _ in threads.map(lambda it: assert_signs(*it), both):
            pass


@softhsm_tests
def test_a_token_that_was_away_signs_again_when_it_is_back(
    softhsm: SoftHsm, signer: keys.Signer, log: LogText
) -> None:
    softhsm.go_away()
    for _ in range(3):
        with pytest.raises(KeyUnavailable) as error:
            signer.sign(DATA)
        assert PIN not in f"{error.value!r} {error.value.reason}"
    softhsm.come_back()
    assert_signs(signer)
    assert PIN not in log.text


@softhsm_tests
def test_while_it_is_away_not_every_request_waits_for_it(
    softhsm: SoftHsm, signer: keys.Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11_module, "RETRY_SECONDS", 3600.0)
    softhsm.go_away()
    with pytest.raises(KeyUnavailable):
        signer.sign(DATA)
    softhsm.come_back()
    with pytest.raises(KeyUnavailable) as error:
        signer.sign(DATA)
    assert error.value.reason == "the security module has just failed"


@softhsm_tests
def test_a_token_that_hangs_holds_nobody_for_long(
    softhsm: SoftHsm, signer: keys.Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11_module, "TURN_SECONDS", 0.01)
    module = pkcs11_module.module_at(softhsm.module)
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        with module.turn():
            begun.set()
            end.wait()

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait()
    try:
        with pytest.raises(KeyUnavailable) as error:
            signer.sign(DATA)
    finally:
        end.set()
        thread.join()
    assert error.value.reason == "the security module does not answer"
    assert_signs(signer)


@softhsm_tests
def test_row_124_another_key_under_the_same_name_signs_nothing(
    softhsm: SoftHsm, signer: keys.Signer
) -> None:
    softhsm.replace_tokens()
    softhsm.add_key("signing", rsa_key("other"))
    with pytest.raises(KeyUnavailable) as error:
        signer.sign(DATA)
    assert "another key than at the start" in str(error.value.reason)


@softhsm_tests
def test_a_pin_that_has_become_wrong_is_not_tried_again(
    softhsm: SoftHsm, signer: keys.Signer
) -> None:
    softhsm.replace_tokens(pin="another-pin-of-the-token")
    softhsm.add_key("signing", rsa_key("signing"), pin="another-pin-of-the-token")
    reasons = []
    for _ in range(3):
        with pytest.raises(KeyUnavailable) as error:
            signer.sign(DATA)
        reasons.append(str(error.value.reason).removeprefix(signer.source + ": "))
    again = "the PIN was refused; restart the workers"
    assert reasons == ["PinIncorrect", again, again]


@softhsm_tests
def test_a_wrong_pin_of_a_token_that_comes_back_is_tried_once(
    softhsm: SoftHsm, signer: keys.Signer, refused_logins: list[str]
) -> None:
    softhsm.go_away()
    with pytest.raises(KeyUnavailable):
        signer.sign(DATA)
    softhsm.replace_tokens(pin="another-pin-of-the-token")
    module = pkcs11_module.module_at(softhsm.module)
    before = module.generation
    with pytest.raises(KeyUnavailable) as error:
        signer.sign(DATA)
    assert "PinIncorrect" in str(error.value.reason)
    assert refused_logins == ["PinIncorrect"]
    # It is there, so the sessions of other tokens go on.
    assert module.generation == before


FORK = """
import os, sys
from flask_usher import keys

signer = keys.load_signer(sys.argv[1], {})
before = signer.sign(b"data")
child = os.fork()
assert signer.sign(b"data") == before
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert signer.sign(b"data") == before
"""


@softhsm_tests
def test_workers_forked_from_a_process_with_a_session_sign(
    softhsm: SoftHsm, signer: keys.Signer
) -> None:
    arguments = [sys.executable, "-c", FORK, softhsm.uri("signing")]
    subprocess.run(arguments, check=True, timeout=60, env=dict(os.environ))


# The service


@pytest.fixture
def service_on_token(make_service: MakeService, softhsm: SoftHsm) -> Service:
    softhsm.add_key("signing", rsa_key("signing"))
    service = make_service(token={"signing_key": softhsm.uri("signing")})
    service.secrets.add(PIN)
    return service


@softhsm_tests
def test_tokens_of_the_service_are_signed_in_the_token(service_on_token: Service) -> None:
    browser = service_on_token.signed_in("jane")
    assert browser.user_id() == service_on_token.user_id_of("jane")


@softhsm_tests
def test_while_the_token_is_away_nobody_gets_one_and_then_everybody(
    service_on_token: Service, softhsm: SoftHsm
) -> None:
    browser = service_on_token.signed_in("jane")
    softhsm.go_away()
    answer = browser.ask()
    assert_refused(answer, 503, "key-unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "pkcs11:" in answer.audit_lines[0]["reason"]
    assert "pkcs11" not in answer.text
    assert PIN not in service_on_token.audit_file.read_text() + answer.text
    softhsm.come_back()
    assert browser.user_id() == service_on_token.user_id_of("jane")


def test_tokens_of_the_service_are_signed_with_a_variable(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRANDS_KEY", one_line(pem("other")))
    service = make_service(token={"signing_key": "env:BRANDS_KEY"})
    assert service.signed_in("jane").user_id() == service.user_id_of("jane")
    key = service.state.settings.token.signing_key[0]
    assert key.fingerprint == keys.fingerprint(rsa_key("other").public_key())
