"""Make what the shop needs, and serve it: `python run.py`."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEOPLE = (("jane@quire.example", "Jane", "Doe"), ("john@quire.example", "John", "Roe"))
PASSWORD_VARIABLE = "SHOP_DEMO_PASSWORD"  # noqa: S105


def main() -> None:
    """Read the command line, prepare the folder, and become the server."""
    parser = argparse.ArgumentParser(description="Serve the shop with a stand-in for iAdvize.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--var", type=Path, default=HERE / "var", help="keys and databases")
    options = parser.parse_args()

    var, origin = options.var.absolute(), f"http://{options.host}:{options.port}"
    os.environ |= {
        "SHOP_FOLDER": str(var),
        "USHER_SETTINGS": str(var / "usher.toml"),
        "USHER__PUBLIC_URL": origin,
    }
    prepare(var)
    password = prepare_customers(var)
    people = " or ".join(email for email, *_ in PEOPLE)
    print(
        f"\n  Quire, a shop with Usher   {origin}/\n\n"
        f"  sign in as   {people}   password  {password}\n\n"
        f"  Everything is kept in {var} : delete it to start afresh.\n"
        "  Below is Usher's audit log: a line for each decision. Ctrl-C stops.\n",
        flush=True,
    )
    serve(options.host, options.port)


def prepare(var: Path) -> None:
    """Make the keys, the settings and Usher's tables, as far as they are missing."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("signing-key.pem", "sandbox-recipient-key.pem"):
        if not (var / name).exists():
            usher("keys", "generate", "--out", str(var / name))
    if not (var / "secret-key").exists():
        usher("keys", "secret", "--out", str(var / "secret-key"))
    if not (var / "usher.toml").exists():
        shutil.copy(HERE / "usher.toml", var)
    usher("db", "upgrade")
    keep(var / "shop-secret", secrets.token_urlsafe(32))


def prepare_customers(var: Path) -> str:
    """Make the customers of the demo when there is no shop yet, and return their password."""
    # Here `app` is the shop's, since Python looks beside the program first.
    from app.customers import Customers

    file, is_new = var / "shop.db", not (var / "shop.db").exists()
    given = os.environ.get(PASSWORD_VARIABLE)
    password = keep(var / "demo-password", given or secrets.token_urlsafe(9))
    customers = Customers(file)
    if is_new:
        for email, given_name, family_name in PEOPLE:
            customers.add(email, password, given_name, family_name)
    return password


def keep(file: Path, value: str) -> str:
    """Return what is in a file that nobody else may read; write `value` if there is none."""
    if not file.exists():
        with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as output:
            output.write(value + "\n")
    return file.read_text().strip()


def usher(*arguments: str) -> None:
    """Run the `usher` command of the environment that this program runs in."""
    command = [str(Path(sys.executable).with_name("usher")), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def serve(host: str, port: int) -> None:
    """Become a server of the shop, which is found as `app` in this folder."""
    os.chdir(HERE)
    command = [
        *(sys.executable, "-m", "granian", "--interface=wsgi", "--factory", "--no-ws"),
        *(f"--host={host}", f"--port={port}", "--workers=1", "--blocking-threads=4"),
        *("--log-level=warning", "--workers-kill-timeout=5", "app:create_app"),
    ]
    os.execv(sys.executable, command)  # noqa: S606


if __name__ == "__main__":
    main()
