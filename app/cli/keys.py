"""`usher keys`: the brand's key pair, and the secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from .. import keys as rsa
from .context import Failure, load_settings
from .key_status import status
from .key_steps import confirm, retire, rollback, stage, switch

Made = TypeVar("Made")


@click.group()
def keys() -> None:
    """Make and show keys, and replace one in force by another.

    \b
    The usual way:
      usher keys generate --out signing-key.pem
      usher keys secret --out secret-key
      usher keys public            # send what this prints to iAdvize
    \b
    To replace the signing key, once token.signing_key lists the next one too:
      usher keys stage             # send what this prints to iAdvize
      usher keys confirm FINGERPRINT
      usher keys switch            # and if that was wrong: usher keys rollback
      usher keys retire
    With --recipient, each step is for iAdvize's key. What is in force: usher keys status
    """


@keys.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="signing-key.pem",
    show_default=True,
    help="The file to write; it must not exist yet.",
)
@click.option(
    "--bits",
    type=click.Choice(["2048", "3072", "4096"]),
    default="2048",
    show_default=True,
    help="More bits make every token slower to sign.",
)
def generate(out: Path, bits: str) -> None:
    """Make the RSA key that signs tokens.

    The file can be read by its owner only. Keep a copy in a safe place: iAdvize knows this key
    and no other.

    \b
    Example:
      usher keys generate --out /etc/usher/signing-key.pem
    """
    key = _written(out, lambda: rsa.generate(out, int(bits)))
    click.echo(f"Wrote {out}: an RSA key of {bits} bits, mode 0600.")
    click.echo(f"Fingerprint of its public key: {key.fingerprint}")
    click.echo(f"Next: usher keys public --key {out}")


@keys.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="secret-key",
    show_default=True,
    help="The file to write; it must not exist yet.",
)
def secret(out: Path) -> None:
    """Make a secret of random bytes.

    The settings secret_key and token.pairwise_key name such files. Replacing secret_key signs
    everybody out; token.pairwise_key may never be replaced, as it changes every userId.

    \b
    Example:
      usher keys secret --out secret-key
    """
    _written(out, lambda: rsa.generate_secret(out))
    click.echo(f"Wrote {out}: 64 random bytes, mode 0600.")


@keys.command()
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The private key's file; else the first one in the settings.",
)
@click.pass_context
def public(context: click.Context, key: Path | None) -> None:
    """Print the public key that iAdvize needs.

    The key goes to the standard output, its fingerprint to the standard error.

    \b
    Example:
      usher keys public --key signing-key.pem > for-iadvize.pem
    """
    try:
        pair: rsa.Signer = (
            rsa.load_private_key(key) if key else load_settings(context).token.signing_key[0]
        )
    except rsa.KeyFault as error:
        raise Failure(str(error)) from error
    click.echo(rsa.public_pem(pair.public_key), nl=False)
    click.echo(f"Fingerprint: {pair.fingerprint}", err=True)
    click.echo(
        "Once iAdvize has it, set token.signing_key_fingerprint to this, so that the service "
        "never starts with another key.",
        err=True,
    )


def _written(out: Path, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except FileExistsError as error:
        raise Failure(
            f"{out} is there already, and is not replaced. Choose another --out"
        ) from error
    except OSError as error:
        raise Failure(f"{out} can't be written: {error.strerror}") from error


for command in (stage, confirm, switch, rollback, retire, status):
    keys.add_command(command)
