"""Public keys that verify signatures, read from a key set (RFC 7517, RFC 7518, RFC 8037)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import PyJWTError

from .compact_jws import UnverifiedToken, is_key_id

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The algorithms that there are for us, each with `kty` and `crv` of its keys."""

MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 8192
RSA_PUBLIC_EXPONENT = 65537
MAXIMUM_KEYS = 100

# Keys of the ROCA kind (CVE-2017-15361) are powers of 65537 modulo each of these.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_REMAINDERS = {
    prime: frozenset(pow(RSA_PUBLIC_EXPONENT, power, prime) for power in range(prime))
    for prime in _ROCA_PRIMES
}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, bound to the one algorithm that it is good for (RFC 8725, 3.1)."""

    key_id: str | None
    algorithm: str
    public_key: Any = field(repr=False)
    _verify: Any = field(repr=False, compare=False)

    def verifies(self, token: UnverifiedToken) -> bool:
        """Tell whether this key's owner signed the token, by this key's algorithm."""
        return bool(self._verify(token.signing_input, self.public_key, token.signature))


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer."""

    keys: tuple[VerificationKey, ...]

    def find(self, key_id: str | None, algorithm: str) -> VerificationKey | None:
        """Return the one key that fits. More than one fitting key is as good as none."""
        fitting = [
            key
            for key in self.keys
            if key.algorithm == algorithm and (key_id is None or key.key_id == key_id)
        ]
        return fitting[0] if len(fitting) == 1 else None


def read_key_set(document: Mapping[str, Any], algorithms: Iterable[str]) -> KeySet:
    """Return the keys in `document` that are good for one of `algorithms`.

    Whatever is wrong with an entry, it is left out: one bad entry must not lock everybody out.
    A key that names no algorithm is for the first of `algorithms` that it fits.
    """
    entries = document.get("keys")
    wanted = tuple(algorithms)
    keys: list[VerificationKey] = []
    for entry in entries if isinstance(entries, list) else ():
        key = _read_key(entry, wanted) if isinstance(entry, dict) else None
        if key is not None and key not in keys:
            keys.append(key)
        if len(keys) == MAXIMUM_KEYS:
            break
    return KeySet(tuple(keys))


def _read_key(entry: Mapping[str, Any], algorithms: tuple[str, ...]) -> VerificationKey | None:
    algorithm = _algorithm(entry, algorithms)
    if algorithm is None or not _is_for_verifying(entry):
        return None
    model: Any = jwt.get_algorithm_by_name(algorithm)
    try:
        public_key = model.from_jwk(dict(entry))
    except (PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(public_key, RSAPublicKey) and not _is_strong(public_key):
        return None
    return VerificationKey(entry.get("kid"), algorithm, public_key, model.verify)


def _algorithm(entry: Mapping[str, Any], algorithms: tuple[str, ...]) -> str | None:
    named = entry.get("alg", ...)
    for algorithm in algorithms:
        key_type, curve = ALGORITHMS[algorithm]
        if (
            entry.get("kty") == key_type
            and (curve is None or entry.get("crv") == curve)
            and named in (..., algorithm)
        ):
            return algorithm
    return None


def _is_for_verifying(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and _PRIVATE_MEMBERS.isdisjoint(entry)
        and ("kid" not in entry or is_key_id(entry["kid"]))
    )


def _is_strong(key: RSAPublicKey) -> bool:
    numbers = key.public_numbers()
    return (
        MINIMUM_RSA_BITS <= key.key_size <= MAXIMUM_RSA_BITS
        and numbers.e == RSA_PUBLIC_EXPONENT
        and numbers.n % 2 == 1
        and not all(numbers.n % prime in _ROCA_REMAINDERS[prime] for prime in _ROCA_PRIMES)
    )
