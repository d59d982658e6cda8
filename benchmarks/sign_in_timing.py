"""Does the time that a failed sign-in takes tell which accounts exist?

Interleaved sign-ins, through the whole of `POST /usher/sign-in`, with an unknown name, a wrong
password, and the right password of a disabled account. Run it as
`python -m benchmarks.sign_in_timing`; `--memory-kib` makes each password cheaper to verify,
which leaves less time for a difference to hide in.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

from argon2 import PasswordHasher
from werkzeug.test import TestResponse

from flask_usher import create_app, current_state
from flask_usher.providers import passwords
from flask_usher.providers.accounts import Accounts, NewAccount

from .installation import install

BUDGET_MILLISECONDS = 2.0
BUDGET_PERCENT = 2.0
PASSWORD = "correct horse battery staple"
FAILURES = {
    "unknown account": ("nobody", PASSWORD),
    "wrong password": ("active", "not the password"),
    "disabled account": ("disabled", PASSWORD),
}
WARM_UP = 10
UNUSED_PORT = 8000


def main() -> int:
    """Measure, print, and return 1 if two medians are further apart than the budget."""
    arguments = _arguments()
    passwords._hasher = PasswordHasher(
        time_cost=2, memory_cost=arguments.memory_kib, parallelism=1
    )
    with tempfile.TemporaryDirectory() as folder:
        medians = _medians(Path(folder, "installation"), arguments.samples)
    print(
        f"{arguments.samples} sign-ins of each kind, argon2id with {arguments.memory_kib} KiB"
    )
    for name, median in medians.items():
        print(f"  {name:<18} {median:9.3f} ms")
    apart = [_compare(one, other, medians) for one, other in combinations(medians, 2)]
    return int(any(apart))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sign_in_timing")
    parser.add_argument("--samples", type=int, default=2000, help="sign-ins of each kind")
    parser.add_argument("--memory-kib", type=int, default=19456, help="cost of a password")
    return parser.parse_args()


def _medians(folder: Path, samples: int) -> dict[str, float]:
    installation = install(folder, UNUSED_PORT, account_count=1)
    app = create_app(installation.settings_file)
    with app.app_context():
        _add_accounts()
    client, url = app.test_client(), f"{installation.settings.public_url}/usher/sign-in"
    timings: dict[str, list[float]] = {name: [] for name in FAILURES}
    page = client.get(url)
    for number in range(WARM_UP + samples):
        for name, (username, password) in FAILURES.items():
            form = {
                "form_token": _form_token(page),
                "username": username,
                "password": password,
            }
            started = time.perf_counter()
            page = client.post(url, data=form)
            elapsed = time.perf_counter() - started
            if page.status_code != 401:
                raise RuntimeError(f"{name}: unexpected answer {page.status}")
            if number >= WARM_UP:
                timings[name].append(elapsed * 1000)
        _show_progress(number, WARM_UP + samples)
    return {name: statistics.median(times) for name, times in timings.items()}


def _add_accounts() -> None:
    accounts = Accounts(current_state().database)
    password_hash = passwords._hasher.hash(passwords.prepare(PASSWORD))
    accounts.add(NewAccount(name="active", password_hash=password_hash))
    accounts.add(NewAccount(name="disabled", password_hash=password_hash, active=False))


def _form_token(page: TestResponse) -> str:
    found = re.search(r'name="form_token"[^>]*value="([^"]+)"', page.get_data(as_text=True))
    if found is None:
        raise RuntimeError("the sign-in page has no form token")
    return found[1]


def _compare(one: str, other: str, medians: dict[str, float]) -> bool:
    """Print how far two medians are apart; return whether that is too far."""
    difference = abs(medians[one] - medians[other])
    percent = difference / min(medians[one], medians[other]) * 100
    too_far = difference > BUDGET_MILLISECONDS or percent > BUDGET_PERCENT
    verdict = "TOO FAR APART" if too_far else "within"
    print(f"  {one} - {other}: {difference:.3f} ms, {percent:.2f} %: {verdict}")
    return too_far


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and done % 50 == 0:
        print(f"\r{done:,} of {total:,}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
