"""Signing with a key that never leaves its security module (PKCS#11)."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from ..errors import KeyUnavailable
from .faults import KeyFault, PinFault
from .pkcs11_module import is_refusal, module_at
from .pkcs11_uri import Pkcs11Uri
from .rsa import check_strength, fingerprint
from .secret_files import load_text_secret

logger = logging.getLogger(__name__)


class Pkcs11Signer:
    """Signs with the key of a URI, in a session that is opened again when it is lost.

    Raises `KeyFault` when the key can't be used now.
    """

    def __init__(self, uri: Pkcs11Uri) -> None:
        if importlib.util.find_spec("pkcs11") is None:
            remedy = "Install it: pip install 'flask-usher[pkcs11]'"
            raise KeyFault(uri.name, "needs the library python-pkcs11", remedy)
        if not uri.module.is_file():
            problem = f"the module {uri.module} does not exist"
            raise KeyFault(uri.name, problem, "Install it, or correct module-path")
        self.source = uri.name
        self._uri = uri
        self._pin = load_text_secret(uri.pin_file)
        self._module = module_at(uri.module)
        self._generation = -1
        self._key: Any = None
        self._is_locked_out = False
        self.public_key = self._load()
        check_strength(self.source, self.public_key)
        self.fingerprint = fingerprint(self.public_key)

    def __repr__(self) -> str:
        return f"Pkcs11Signer({self.source!r})"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of RS256. Raises `KeyUnavailable`; a later call may succeed."""
        from pkcs11 import PKCS11Error

        if self._is_locked_out:
            raise KeyUnavailable(f"{self.source}: the PIN was refused; restart the workers")
        with self._module.turn():
            try:
                try:
                    return self._sign(data)
                except PKCS11Error as error:
                    if is_refusal(error):
                        raise
                    # The token may have been away, and be back under another handle.
                    self._module.restart()
                    return self._sign(data)
            except PKCS11Error as error:
                self._module.rest()
                self._is_locked_out = is_refusal(error)
                logger.error("%s can't sign: %s", self.source, type(error).__name__)
                raise KeyUnavailable(f"{self.source}: {type(error).__name__}") from error

    def _sign(self, data: bytes) -> bytes:
        from pkcs11 import Mechanism

        if self._generation != self._module.generation:
            key = self._find()
            if _public_key(key) != self.public_key:
                self._module.rest()
                raise KeyUnavailable(f"{self.source}: another key than at the start")
            self._key, self._generation = key, self._module.generation
        signature: bytes = self._key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS)
        return signature

    def _find(self) -> Any:
        from pkcs11 import ObjectClass

        uri = self._uri
        session = self._module.session(uri, self._pin.value)
        return session.get_key(ObjectClass.PRIVATE_KEY, label=uri.label, id=uri.id)

    def _load(self) -> RSAPublicKey:
        import pkcs11

        try:
            with self._module.turn():
                key = self._find()
                if key.key_type is not pkcs11.KeyType.RSA or not key[pkcs11.Attribute.SIGN]:
                    raise KeyFault(self.source, "is no RSA key that may sign", _MAKE_ONE)
                return _public_key(key)
        except KeyUnavailable as error:
            raise KeyFault(self.source, str(error.reason), "Look after it first") from error
        except pkcs11.PKCS11Error as error:
            problem, remedy = _KNOWN.get(type(error).__name__, (None, "Look after it first"))
            problem = problem or f"fails with {type(error).__name__}"
            kind = PinFault if is_refusal(error) else KeyFault
            raise kind(self.source, problem, remedy) from error


_MAKE_ONE = "Make one: pkcs11-tool --keypairgen --key-type rsa:2048 --usage-sign"
_BEFORE_IT_LOCKS = "Correct the file of pin-source before further tries lock the token"
_KNOWN: dict[str, tuple[str | None, str]] = {
    "NoSuchToken": (
        "there is no such token",
        "Check the URI, and that this user may use the token: pkcs11-tool --list-slots",
    ),
    "MultipleTokensReturned": ("there are several such tokens", "Add serial= to the URI"),
    "NoSuchKey": ("there is no such private key in the token", _MAKE_ONE),
    "MultipleObjectsReturned": ("there are several such keys", "Add id= to the URI"),
    "PinIncorrect": ("the PIN is wrong", _BEFORE_IT_LOCKS),
    "PinLenRange": ("the PIN is wrong", _BEFORE_IT_LOCKS),
    "PinLocked": ("the PIN is locked", "Have the token's security officer unlock it"),
    "PinExpired": ("the PIN has expired", "Set a new one, and write it to the file"),
}


def _public_key(key: Any) -> RSAPublicKey:
    from pkcs11 import Attribute

    modulus = int.from_bytes(key[Attribute.MODULUS], "big")
    exponent = int.from_bytes(key[Attribute.PUBLIC_EXPONENT], "big")
    return RSAPublicNumbers(exponent, modulus).public_key()
