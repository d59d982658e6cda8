"""RSA keys and secrets: generate, load, check, publish, and sign with them.

Loading is strict, because a wrong key is found out by visitors otherwise: every fault raises
`KeyFault`, which names the source and the remedy and never shows what the source holds.
"""

from .faults import KeyFault, PinFault
from .files import write_private_file
from .private import PrivateKey, generate, load_private_key
from .public import (
    IADVIZE_PRODUCTION,
    iadvize_production,
    is_key_itself,
    load_public_key,
    parse_public_key,
)
from .rsa import PublicKey, canonical_fingerprint, fingerprint, public_pem
from .secret_files import (
    Secret,
    TextSecret,
    generate_secret,
    load_secret,
    load_text_secret,
)
from .signers import AnyKey, Signer, is_path, load_signer

__all__ = [
    "IADVIZE_PRODUCTION",
    "AnyKey",
    "KeyFault",
    "PinFault",
    "PrivateKey",
    "PublicKey",
    "Secret",
    "Signer",
    "TextSecret",
    "canonical_fingerprint",
    "fingerprint",
    "generate",
    "generate_secret",
    "iadvize_production",
    "is_key_itself",
    "is_path",
    "load_private_key",
    "load_public_key",
    "load_secret",
    "load_signer",
    "load_text_secret",
    "parse_public_key",
    "public_pem",
    "write_private_file",
]
