"""A new policy while people ask: how many decisions are lost, or mix two versions."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from flask_usher.configuration import PolicySource
from flask_usher.policy import Facts, Issue, Policies, Policy
from flask_usher.user_ids import derivation

from .report import Measurement

THREADS = 4
# The looks at the file are the product's; only their clock runs faster here.
CLOCK_SPEED = 20
RULES = {
    "issued": "rules = []\n",
    "not-now": '[[rules]]\ncode = "not-now"\nrefuse_when = "true"\n',
}


def measure(reloads: int, facts: Facts) -> Iterator[Measurement]:
    """Change the policy so many times under load, and judge every decision."""
    # Each change is news for an operator only.
    logging.getLogger("flask_usher.policy.policies").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "usher.toml")
        file = Path(folder, "policy.toml")
        settings.write_text('[policy]\nfile = "policy.toml"\n')
        file.write_text(RULES["issued"])
        decisions, wrong = _reload(settings, file, reloads, facts)
    yield Measurement(f"decisions during {reloads} reloads", decisions, "")
    yield Measurement("of them lost, or of two versions", wrong, "", 0)


def _reload(settings: Path, file: Path, reloads: int, facts: Facts) -> tuple[int, int]:
    source = PolicySource(settings, {})
    policies = Policies(
        source.load(),
        lambda given: Policy(derivation("subject", None), None, given),
        source,
        monotonic=lambda: time.monotonic() * CLOCK_SPEED,
    )
    codes = {policies.current().version: "issued"}
    ended = threading.Event()

    def ask(counter: Counter[tuple[str, str]]) -> None:
        while not ended.is_set():
            policy = policies.current()
            try:
                decision = policy.decide(facts)
                code = "issued" if isinstance(decision, Issue) else decision.code
            except Exception as error:
                code = type(error).__name__
            counter[policy.version, code] += 1

    counters: list[Counter[tuple[str, str]]] = [Counter() for _ in range(THREADS)]
    threads = [threading.Thread(target=ask, args=(it,)) for it in counters]
    for thread in threads:
        thread.start()
    try:
        for code in itertools.islice(itertools.cycle(["not-now", "issued"]), reloads):
            version = policies.current().version
            _replace(file, RULES[code])
            while policies.current().version == version:
                time.sleep(0.001)
            codes[policies.current().version] = code
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    seen = sum(counters, Counter[tuple[str, str]]())
    wrong = sum(count for (version, code), count in seen.items() if codes[version] != code)
    return seen.total(), wrong


def _replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)
