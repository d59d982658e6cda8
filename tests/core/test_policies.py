"""A policy that changes while it is asked: the newest good one decides, and whole."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_usher.configuration import PolicySource
from flask_usher.policy import Facts, Issue, Policies, Policy, Refuse
from flask_usher.policy.policies import LOOK_SECONDS
from flask_usher.providers.base import Identity
from flask_usher.rules.settings import PolicySettings
from flask_usher.testing import Clock
from flask_usher.user_ids import derivation

FACTS = Facts(
    None, Identity(provider="local", subject="1", signed_in_at=1.0, groups=("staff",)), 1.0
)
OPEN = "rules = []"


def closing(code: str, expect: str | None = None) -> str:
    """Return a policy that refuses everybody with this code."""
    text = f'[[rules]]\ncode = "{code}"\nrefuse_when = "true"\n'
    return text + (f'[[tests]]\nname = "its own"\nexpect = "{expect}"\n' if expect else "")


class Shop:
    """Policies that come from a file, and a clock to let them look at it."""

    def __init__(
        self, file: Path, text: str, config: object = None, meanwhile: str | None = None
    ) -> None:
        self.file = file
        file.write_text(text)
        self.clock = Clock(1000.0)
        source = PolicySource(config or {"policy": {"file": str(file)}}, {})
        user_id = derivation("subject", None)
        settings = source.load()
        if meanwhile is not None:
            self.write(meanwhile)
        self.policies = Policies(
            settings, lambda it: Policy(user_id, None, it), source, self.clock
        )

    def write(self, text: str) -> None:
        """Put a new file in the place of the old one."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.file)

    def look(self, times: int = 2) -> None:
        """Let so much time pass that the file is looked at."""
        for _ in range(times):
            self.clock.advance(LOOK_SECONDS)
            self.policies.current()

    def answer(self) -> str:
        """Return the code of the refusal, or `issued`."""
        decision = self.policies.current().decide(FACTS)
        return decision.code if isinstance(decision, Refuse) else "issued"


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[[str], Shop]:
    return lambda text: Shop(tmp_path / "policy.toml", text)


def test_a_new_policy_decides_without_a_restart(make_shop: Callable[[str], Shop]) -> None:
    shop = make_shop(OPEN)
    before = shop.policies.current().version
    shop.write(closing("incident"))
    assert shop.answer() == "issued"
    shop.look()
    assert shop.answer() == "incident"
    assert shop.policies.current().version != before
    shop.write(OPEN)
    shop.look()
    assert shop.answer() == "issued"
    assert shop.policies.current().version == before


def test_what_is_written_during_the_start_decides_after_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "policy.toml", OPEN, meanwhile=closing("incident"))
    assert shop.answer() == "issued"
    shop.look()
    assert shop.answer() == "incident"


def test_what_stays_the_same_is_read_once_after_the_start(
    make_shop: Callable[[str], Shop],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reads = []
    load = PolicySource.load
    monkeypatch.setattr(PolicySource, "load", lambda it: reads.append(it) or load(it))
    shop = make_shop(closing("a", expect="a"))
    reads.clear()
    shop.look(10)
    assert len(reads) == 1
    assert (shop.answer(), shop.policies.fault, caplog.text) == ("a", None, "")


def test_the_file_is_left_alone_between_two_looks(make_shop: Callable[[str], Shop]) -> None:
    shop = make_shop(OPEN)
    shop.write(closing("incident"))
    for _ in range(10):
        shop.clock.advance(LOOK_SECONDS / 11)
        assert shop.answer() == "issued"


def test_half_a_file_is_not_taken_for_a_policy(make_shop: Callable[[str], Shop]) -> None:
    shop = make_shop(closing("a"))
    # Good TOML, and would let everybody in.
    shop.file.write_text(OPEN + "\n")
    shop.look(1)
    shop.file.write_text(closing("b"))
    shop.look(1)
    assert shop.answer() == "a"
    shop.look(1)
    assert shop.answer() == "b"


FAULTY = {
    "row141-syntax": "[[rules",
    "row141-unknown-key": closing("b") + "\n[elsewhere]\nx = 1",
    "row141-unknown-name": closing("b").replace("true", "identiy.acr == 'x'"),
    "row176-no-expression": '[[rules]]\ncode = "b"',
    "row176-tests-that-fail": closing("b", expect="issued"),
    "not-utf-8": b"\xff\xfe",
    "unknown-zone": 'time_zone = "Europe/Nowhere"',
    "emptied": "",
    "without-its-rules": 'time_zone = "UTC"',
}


@pytest.mark.parametrize("text", FAULTY.values(), ids=FAULTY.keys())
def test_a_faulty_policy_leaves_the_one_before_in_force(
    make_shop: Callable[[str], Shop], text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shop = make_shop(closing("a", expect="a"))
    version = shop.policies.current().version
    shop.file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with caplog.at_level(logging.ERROR):
        shop.look(6)
    assert shop.answer() == "a"
    assert shop.policies.fault is not None
    assert shop.policies.current().version == version
    # Said once, and not again at each look.
    (record,) = caplog.records
    assert f"{version} stays in force" in record.getMessage()
    shop.write(closing("c", expect="c"))
    shop.look()
    assert shop.answer() == "c"
    assert shop.policies.fault is None


def test_a_file_that_is_gone_leaves_the_policy_in_force(
    make_shop: Callable[[str], Shop],
) -> None:
    shop = make_shop(closing("a"))
    shop.file.unlink()
    shop.look()
    assert shop.answer() == "a"
    assert shop.policies.fault is not None
    shop.write(OPEN)
    shop.look()
    assert (shop.answer(), shop.policies.fault) == ("issued", None)


def test_the_log_quotes_nothing_of_a_faulty_policy(
    make_shop: Callable[[str], Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = make_shop(OPEN)
    shop.write(closing("b").replace("true", "identity.claims.email = 'jane@shop.example'"))
    shop.look()
    assert "policy.rules.0.refuse_when" in caplog.text
    assert "jane@shop.example" not in caplog.text


def test_the_rules_in_the_settings_file_are_read_again_too(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "usher.toml", tmp_path / "policy.toml"
    shop = Shop(file, "[policy.activation]\nno-session = 'anonymous'", file)
    assert shop.answer() == "issued"
    # Faults in other tables are no business of the policy's.
    rule = "[[policy.rules]]\ncode = 'a'\nrefuse_when = 'true'\n[nonsense]\n"
    shop.write(rule)
    shop.look()
    assert shop.answer() == "a"
    elsewhere.write_text(closing("b"))
    shop.write("[policy]\nfile = 'policy.toml'")
    shop.look()
    assert shop.answer() == "b"
    elsewhere.write_text(closing("c"))
    shop.look()
    assert shop.answer() == "c"


@pytest.mark.parametrize(
    "faulty",
    [
        pytest.param(None, id="missing"),
        pytest.param("[[rules", id="half-written"),
        pytest.param(closing("b", expect="issued"), id="tests-that-fail"),
    ],
)
def test_a_policy_file_named_before_it_is_good_is_taken_once_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, faulty: str | None
) -> None:
    before, after = tmp_path / "a.toml", tmp_path / "b.toml"
    before.write_text(closing("a"))
    main = tmp_path / "usher.toml"
    shop = Shop(main, "policy.file = 'a.toml'", main)
    shop.look()
    if faulty is not None:
        after.write_text(faulty)
    shop.write("policy.file = 'b.toml'")
    with caplog.at_level(logging.ERROR):
        shop.look(6)
    assert shop.answer() == "a"
    assert shop.policies.fault is not None
    assert len(caplog.records) == 1
    after.write_text(closing("b", expect="b"))
    shop.look()
    assert (shop.answer(), shop.policies.fault) == ("b", None)


def test_the_settings_may_name_one_file_after_the_other(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(closing(name))
    main = tmp_path / "usher.toml"
    shop = Shop(main, "policy.file = 'a.toml'", main)
    for text in ("policy.file = 'missing.toml'", "[policy", "policy.file = 'b.toml'"):
        shop.write(text)
        shop.look()
    assert (shop.answer(), shop.policies.fault) == ("b", None)
    (tmp_path / "b.toml").write_text(closing("later"))
    shop.look()
    assert shop.answer() == "later"


def test_without_a_source_nothing_is_read_again() -> None:
    settings = PolicySource({}, {}).load()
    policies = Policies(settings, lambda it: Policy(derivation("subject", None), None, it))
    assert isinstance(policies.current().decide(FACTS), Issue)
    assert policies.fault is None


def test_row_138_each_of_a_thousand_decisions_uses_one_whole_version(
    make_shop: Callable[[str], Shop],
) -> None:
    """Two rules of one policy have one code's ending: they never mix."""
    texts = [
        f'[[rules]]\ncode = "{it}-first"\nrefuse_when = "!(\'staff\' in identity.groups)"\n'
        f'[[rules]]\ncode = "{it}-second"\nrefuse_when = "true"\n'
        for it in ("odd", "even")
    ]
    shop = make_shop(texts[0])
    versions: dict[str, set[str]] = {}
    done = threading.Event()

    def change() -> None:
        for number in range(60):
            shop.write(texts[number % 2])
            shop.look()
        done.set()

    def ask(seen: list[tuple[str, str]]) -> None:
        while not done.is_set() or len(seen) < 1000:
            policy = shop.policies.current()
            decision = policy.decide(FACTS)
            assert isinstance(decision, Refuse)
            seen.append((policy.version, decision.code))

    seen: list[list[tuple[str, str]]] = [[] for _ in range(3)]
    threads = [threading.Thread(target=ask, args=(it,)) for it in seen]
    threads.append(threading.Thread(target=change))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for version, code in (pair for pairs in seen for pair in pairs):
        versions.setdefault(version, set()).add(code)
    assert sorted(map(sorted, versions.values())) == [["even-second"], ["odd-second"]]


def test_emptied_settings_leave_the_rules_in_force(tmp_path: Path) -> None:
    file = tmp_path / "usher.toml"
    shop = Shop(file, closing("a").replace("[[rules]]", "[[policy.rules]]"), config=file)
    shop.write("")
    shop.look()
    assert shop.answer() == "a"
    assert "policy.rules: found nothing" in str(shop.policies.fault)
    shop.write("policy.rules = []")
    shop.look()
    assert shop.answer() == "issued"
    assert shop.policies.fault is None


def test_what_is_written_while_the_file_is_read_decides_later(
    make_shop: Callable[[str], Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(OPEN)
    load = PolicySource.load

    def load_slowly(source: PolicySource) -> PolicySettings:
        settings = load(source)
        monkeypatch.setattr(PolicySource, "load", load)
        shop.write(closing("incident"))
        return settings

    shop.write(closing("a"))
    monkeypatch.setattr(PolicySource, "load", load_slowly)
    shop.look()
    assert shop.answer() == "a"
    shop.look()
    assert shop.answer() == "incident"
