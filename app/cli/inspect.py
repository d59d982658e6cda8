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

from .. import keys
from ..inspection import Inspection, inspect_token
from .context import Failure

LONGEST_INPUT = 1024 * 1024
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
    """Open a token and judge it by iAdvize's rules.

    Shows the headers and sizes of TOKEN ("-" reads it from the standard input). With the
    recipient's private key it also shows the claims and the time left, and judges every rule;
    with the brand's key it verifies the signature. Exits with 0 when no rule failed, else
    with 1.

    \b
    Example, with the keys that `make run` made:
      usher inspect - --recipient-key var/sandbox-recipient-key.pem \\
        --signing-key var/signing-key.pem < token.txt
    """
    inspection = inspect_token(
        _read() if token == "-" else token.strip(),  # noqa: S105
        recipient_key=_private(recipient_key),
        signing_key=_public(signing_key),
        issuer=issuer,
        now=time.time(),
    )
    click.echo(_json(inspection) if as_json else _text(inspection))
    if inspection.failed:
        raise click.exceptions.Exit(1)


def _read() -> str:
    content = sys.stdin.buffer.read(LONGEST_INPUT)
    return content.decode("utf-8", "replace").strip()


def _private(path: Path | None) -> RSAPrivateKey | None:
    if path is None:
        return None
    try:
        return keys.load_private_key(path).private_key
    except keys.KeyFault as error:
        raise Failure(str(error)) from error


def _public(path: Path | None) -> RSAPublicKey | None:
    try:
        if path is None or b"PRIVATE KEY" in path.read_bytes():
            private = _private(path)
            return private.public_key() if private else None
        return keys.load_public_key(path).public_key
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    except keys.KeyFault as error:
        raise Failure(f"{path}: {error.problem}") from error


def _text(inspection: Inspection) -> str:
    parts = [
        f"size          {inspection.token_bytes} bytes: "
        + " + ".join(map(str, inspection.segment_bytes)),
        f"outer header  {_compact(inspection.outer_header)}",
        f"inner header  {_compact(inspection.inner_header)}",
    ]
    if inspection.claims is not None:
        claims = json.dumps(dict(inspection.claims), indent=2, ensure_ascii=False)
        parts += ["claims", _printable(claims)]
    if inspection.seconds_left is not None:
        parts.append(f"time left     {inspection.seconds_left:.0f} s")
    parts.append("checks")
    for check in inspection.checks:
        word, colour = VERDICTS[check.passed]
        parts.append(f"  {click.style(f'{word:10}', fg=colour)} {check.name:22} {check.detail}")
    return "\n".join(parts)


def _printable(text: str) -> str:
    # What a token holds must not steer the terminal.
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


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
