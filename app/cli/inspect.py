"""`usher inspect`: what is in a token, and what each rule of the contract says of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .. import keys
from ..inspection import Inspection, inspect_token
from .context import Failure

VERDICTS = {True: ("ok", "green"), False: ("FAILED", "red"), None: ("not judged", "yellow")}


@click.command()
@click.argument("token")
@click.option(
    "--recipient-key",
    type=click.Path(path_type=Path),
    help="PEM of the recipient's private key, such as the sandbox's; opens the token.",
)
@click.option(
    "--signing-key",
    type=click.Path(path_type=Path),
    help="PEM of the brand's key, private or public; checks the signature.",
)
@click.option("--issuer", help="The iss that is expected.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    token: str,
    recipient_key: Path | None,
    signing_key: Path | None,
    issuer: str | None,
    as_json: bool,
) -> None:
    """Show the headers and sizes of TOKEN ("-" reads it from stdin) and check it.

    With the recipient's private key it also shows the claims, the time left, and judges every
    rule. Exits with 0 when no rule failed, else with 1.

    \b
    Example, with the keys that `make run` made:
      usher inspect - --recipient-key var/sandbox-recipient-key.pem \\
        --signing-key var/signing-key.pem < token.txt
    """
    text = sys.stdin.read() if token == "-" else token  # noqa: S105
    inspection = inspect_token(
        text.strip(),
        recipient_key=_private(recipient_key),
        signing_key=_public(signing_key),
        issuer=issuer,
        now=time.time(),
    )
    click.echo(_json(inspection) if as_json else _text(inspection))
    if inspection.failed:
        raise click.exceptions.Exit(1)


def _private(path: Path | None) -> RSAPrivateKey | None:
    if path is None:
        return None
    try:
        return keys.load_private_key(path).private_key
    except keys.KeyFault as error:
        raise Failure(str(error)) from error


def _public(path: Path | None) -> RSAPublicKey | None:
    if path is None:
        return None
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise Failure(f"{path} can't be read: {error.strerror}") from error
    except ValueError:
        private = _private(path)
        return private.public_key() if private else None
    if not isinstance(key, RSAPublicKey):
        raise Failure(f"{path} is not an RSA key")
    return key


def _text(inspection: Inspection) -> str:
    parts = [
        f"size          {inspection.token_bytes} bytes: "
        + " + ".join(map(str, inspection.segment_bytes)),
        f"outer header  {_compact(inspection.outer_header)}",
        f"inner header  {_compact(inspection.inner_header)}",
    ]
    if inspection.claims is not None:
        parts += ["claims", json.dumps(dict(inspection.claims), indent=2, ensure_ascii=False)]
    if inspection.seconds_left is not None:
        parts.append(f"time left     {inspection.seconds_left:.0f} s")
    parts.append("checks")
    for check in inspection.checks:
        word, colour = VERDICTS[check.passed]
        parts.append(f"  {click.style(f'{word:10}', fg=colour)} {check.name:22} {check.detail}")
    return "\n".join(parts)


def _compact(header: Mapping[str, Any] | None) -> str:
    return "could not be read" if header is None else json.dumps(dict(header))


def _json(inspection: Inspection) -> str:
    return json.dumps(
        {
            "accepted": inspection.accepted,
            "token_bytes": inspection.token_bytes,
            "segment_bytes": inspection.segment_bytes,
            "outer_header": inspection.outer_header,
            "inner_header": inspection.inner_header,
            "claims": inspection.claims,
            "seconds_left": inspection.seconds_left,
            "checks": [
                {"name": check.name, "passed": check.passed, "detail": check.detail}
                for check in inspection.checks
            ],
        },
        indent=2,
    )
