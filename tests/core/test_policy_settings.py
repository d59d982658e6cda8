"""`[policy]`: every fault is told when it is loaded, and a policy proves itself first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flask_usher.configuration import PolicySource
from flask_usher.errors import SettingsError
from flask_usher.rules.settings import PolicySettings

RULE = {"code": "too-young", "refuse_when": "identity.claims.age < 18"}
OTHER = {"code": "blocked", "refuse_when": "'blocked' in identity.groups"}
CHILD = {"name": "a child", "expect": "too-young", "identity": {"claims": {"age": 17}}}
MAN = {"name": "a man", "expect": "issued", "identity": {"claims": {"age": 40}}}


def loaded(**policy: Any) -> PolicySettings:
    return PolicySource({"policy": policy}, {}).load()


def faults(**policy: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(**policy)
    return [str(fault) for fault in caught.value.faults]


def test_a_policy_with_rules_and_tests() -> None:
    policy = loaded(time_zone="Europe/Paris", rules=[RULE, OTHER], tests=[CHILD, MAN])
    assert [rule.code for rule in policy.rules] == ["too-young", "blocked"]
    assert str(policy.time_zone) == "Europe/Paris"


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        pytest.param(
            {"rule": [RULE]},
            "policy.rule: found an unknown key; expected 'rules'?",
            id="row141-unknown-key",
        ),
        pytest.param(
            {"version": 2},
            "policy.version: found an unknown key; expected one of",
            id="row141-unknown-version",
        ),
        pytest.param(
            {"rules": [RULE | {"refuse_if": "true"}]},
            "policy.rules.0.refuse_if: found an unknown key; expected 'refuse_when'?",
            id="row141-unknown-key-of-a-rule",
        ),
        pytest.param(
            {"rules": [{"code": "a"}]},
            "policy.rules.0.refuse_when: found nothing; expected a value",
            id="row141-no-expression",
        ),
        pytest.param(
            {"rules": [{"refuse_when": "true"}]},
            "policy.rules.0.code: found nothing; expected a value",
            id="row141-no-code",
        ),
        pytest.param(
            {"rules": [RULE | {"refuse_when": True}]},
            "refuse_when: found True; expected an expression of CEL, as a string",
            id="row141-not-a-string",
        ),
        pytest.param(
            {"rules": [RULE | {"refuse_when": ""}]},
            "refuse_when: found ''; expected an expression of 1 to 2000 characters"
            ", in the rule 'too-young'",
            id="row141-empty",
        ),
        pytest.param(
            {"rules": [RULE | {"refuse_when": "identity.clams.age < 18"}]},
            "refuse_when: found 'identity.clams.age < 18'; expected 'claims', not"
            " 'clams' (at line 1, column 10), in the rule 'too-young'",
            id="row141-faulty-expression",
        ),
        pytest.param(
            {"rules": [RULE | {"refuse_when": "identity.claims.age ~ 18"}]},
            "in the rule 'too-young'",
            id="row141-unknown-operator",
        ),
        pytest.param(
            {"rules": RULE}, "policy.rules: found a table; expected a list", id="row141-table"
        ),
        pytest.param(
            {"rules": ["true"]}, "policy.rules.0: found 'true'; expected", id="row141-text"
        ),
        pytest.param(
            {"rules": [RULE, RULE | {"refuse_when": "true"}]},
            "expected one rule with the code 'too-young'",
            id="row141-two-rules-of-one-code",
        ),
        pytest.param(
            {"rules": [RULE | {"code": "no-session"}]},
            "expected a code of your own: 'no-session' has a meaning already",
            id="row141-built-in-code",
        ),
        pytest.param(
            {"rules": [RULE | {"code": "issued"}]},
            "expected a code of your own: 'issued' has a meaning already",
            id="row141-issued-as-a-code",
        ),
        pytest.param(
            {"rules": [RULE | {"code": "Too Young"}]},
            "expected a code such as email-not-verified",
            id="row141-code",
        ),
        pytest.param(
            {"rules": [RULE | {"code": "a" * 65}]}, "policy.rules.0.code", id="row141-long-code"
        ),
        pytest.param(
            {"rules": [RULE | {"activation": "anonymously"}]},
            "policy.rules.0.activation: found 'anonymously'; expected 'none' or 'anonymous'",
            id="row141-activation",
        ),
        pytest.param(
            {"rules": [RULE | {"retryable": 1}]},
            "policy.rules.0.retryable: found 1; expected",
            id="row141-retryable",
        ),
        pytest.param(
            {"rules": [RULE | {"sign_in_helps": "yes"}]},
            "policy.rules.0.sign_in_helps: found 'yes'; expected",
            id="row141-sign-in-helps",
        ),
        pytest.param(
            {"rules": [RULE | {"message": "two\nlines"}]},
            "expected a line of 1 to 200 characters",
            id="row141-message",
        ),
        pytest.param(
            {"rules": [RULE] * 2001}, "policy.rules: found", id="row141-too-many-rules"
        ),
        pytest.param(
            {"time_zone": "Europe/Pariss"},
            "time_zone: found 'Europe/Pariss'; expected a time zone such as Europe/Paris",
            id="row139-unknown-zone",
        ),
        pytest.param(
            {"time_zone": ""},
            "expected a time zone such as Europe/Paris",
            id="row139-empty-zone",
        ),
        pytest.param(
            {"time_zone": "../../etc/passwd"},
            "expected a time zone such as Europe/Paris",
            id="row139-path-as-a-zone",
        ),
        pytest.param(
            {"time_zone": 2}, "expected a time zone such as Europe/Paris", id="row139-number"
        ),
        pytest.param(
            {"activation": {"no-sesion": "none"}},
            "policy.activation.no-sesion: found an unknown key; expected 'no-session'?",
            id="row141-unknown-code",
        ),
        pytest.param(
            {"activation": {"too-young": "none"}, "rules": [RULE]},
            "policy.activation.too-young: found an unknown key",
            id="row141-activation-of-an-own-code",
        ),
        pytest.param(
            {"rules": [RULE], "tests": [CHILD | {"expect": "issued"}]},
            "the test 'a child' to pass: it expects 'issued', the rules say 'too-young'",
            id="row141-failing-test",
        ),
        pytest.param(
            {"rules": [RULE], "tests": [{"name": "nobody", "expect": "issued"}]},
            "the rules say 'too-young' (age is absent)",
            id="row143-test-without-the-claim",
        ),
        pytest.param(
            {"rules": [RULE], "tests": [CHILD | {"expect": "too-old"}]},
            """expected the test 'a child' to expect "issued" or the code of a rule""",
            id="row141-test-of-no-rule",
        ),
        pytest.param(
            {"rules": [RULE], "tests": [CHILD | {"identity": {"claim": {}}}]},
            "policy.tests.0.identity.claim: found an unknown key; expected 'claims'?",
            id="row141-unknown-key-of-a-test",
        ),
        pytest.param(
            {"rules": [RULE], "tests": [CHILD | {"now": "noon"}]},
            "policy.tests.0.now: found 'noon'",
            id="row141-time-of-a-test",
        ),
        pytest.param(
            {"shadow": {"rules": [RULE], "tests": [MAN | {"expect": "too-young"}]}},
            "expected the test 'a man' to pass",
            id="row141-failing-test-of-the-shadow",
        ),
        pytest.param(
            {"shadow": {"activation": {}}},
            "policy.shadow.activation: found an unknown key",
            id="row141-shadow-that-answers",
        ),
    ],
)
def test_faults(policy: dict[str, Any], told: str) -> None:
    (fault,) = faults(**policy)
    assert told in fault


def test_row_141_all_faults_are_told_at_once() -> None:
    bad = [RULE | {"refuse_when": "fals"}, OTHER | {"retryable": "no"}]
    assert len(faults(rules=bad, time_zone="Mars/Phobos", activation={"paused": "loud"})) == 4


def test_row_141_an_empty_list_has_nothing_against_anybody_but_the_built_in_rules_stay() -> (
    None
):
    assert loaded(rules=[]).version == loaded().version


def test_a_test_counts_at_its_own_moment_and_for_its_own_account() -> None:
    night = {"code": "night", "refuse_when": "local.time < '06:00'"}
    new = {"code": "new", "refuse_when": "now - account.created_at < duration('1h')"}
    old = {"account": {"created_at": "2026-01-01T00:00:00Z"}}
    tests = [
        old | {"name": "in Paris", "expect": "night", "now": "2026-07-01T03:59:00Z"},
        old | {"name": "later", "expect": "issued", "now": "2026-07-01T04:00:00Z"},
        old | {"name": "an offset", "expect": "night", "now": "2026-07-01T05:59:00+02:00"},
        {"name": "new", "expect": "new", "account": {}, "now": "2026-07-01T12:00:00Z"},
    ]
    assert loaded(time_zone="Europe/Paris", rules=[night, new], tests=tests)


def write(folder: Path, policy: str, main: str = 'policy.file = "policy.toml"') -> PolicySource:
    (folder / "usher.toml").write_text(main)
    (folder / "policy.toml").write_text(policy)
    return PolicySource(folder / "usher.toml", {})


GOOD = """
[[rules]]
code = "too-young"
refuse_when = "identity.claims.age < 18"
"""


def test_the_policy_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    source = write(tmp_path, GOOD)
    policy = source.load()
    assert policy.version == loaded(rules=[RULE]).version
    assert source.files() == (tmp_path / "usher.toml", tmp_path / "policy.toml")


@pytest.mark.parametrize(
    ("policy", "main", "told"),
    [
        pytest.param(
            GOOD,
            'policy.file = "other.toml"',
            "other.toml: found no file; expected the policy, in TOML",
            id="row141-missing-file",
        ),
        pytest.param(
            GOOD,
            '[policy]\nfile = "policy.toml"\ntime_zone = "UTC"',
            "policy: found policy.file and other keys; expected the other keys in that file",
            id="row141-file-and-other-keys",
        ),
        pytest.param(
            'file = "policy.toml"',
            'policy.file = "policy.toml"',
            "policy.toml: found the key file; expected rules, and no further file",
            id="row141-file-in-a-file",
        ),
        pytest.param(
            GOOD + "code = 'twice'",
            'policy.file = "policy.toml"',
            "policy.toml: found a syntax error",
            id="row141-duplicate-key",
        ),
        pytest.param(
            "[policy]\n" + GOOD,
            'policy.file = "policy.toml"',
            "policy.policy: found an unknown key",
            id="row141-table-around-it",
        ),
        pytest.param(
            GOOD.replace("18", "18 or"),
            'policy.file = "policy.toml"',
            "in the rule 'too-young'",
            id="row141-faulty-rule-in-a-file",
        ),
        pytest.param(
            GOOD,
            "policy.file = 5",
            "policy.file: found 5; expected",
            id="row141-number-as-file",
        ),
        pytest.param(
            GOOD,
            'policy.file = "."',
            "found no readable file; expected the policy, in TOML",
            id="row141-folder-as-a-file",
        ),
        pytest.param(
            GOOD, "policy = 5", "policy: found 5; expected a table", id="row141-no-table"
        ),
    ],
)
def test_faults_of_files(tmp_path: Path, policy: str, main: str, told: str) -> None:
    source = write(tmp_path, policy, main)
    with pytest.raises(SettingsError) as caught:
        source.load()
    assert told in str(caught.value)


def test_the_version_names_what_decides_and_nothing_else() -> None:
    one = loaded(rules=[RULE, OTHER])
    same = [
        loaded(rules=[RULE, OTHER], tests=[MAN]),
        loaded(rules=[RULE, OTHER], activation={}),
    ]
    others = [
        loaded(rules=[OTHER, RULE]),
        loaded(rules=[RULE]),
        loaded(rules=[RULE, OTHER | {"refuse_when": "'blocked' in identity.groups "}]),
        loaded(rules=[RULE, OTHER | {"activation": "anonymous"}]),
        loaded(rules=[RULE, OTHER], time_zone="Europe/Paris"),
        loaded(rules=[RULE, OTHER], activation={"no-session": "anonymous"}),
        loaded(rules=[RULE, OTHER], shadow={"rules": [RULE]}),
    ]
    assert {it.version for it in same} == {one.version}
    assert len({one.version, *(it.version for it in others)}) == 8
    assert len(one.version) == 12


def test_a_test_of_rules_that_look_at_the_clock_says_when_it_is() -> None:
    """It would pass by day and fail by night, and with it the start."""
    at_night = {"code": "closed", "refuse_when": "local.time < '09:00'"}
    test = {"name": "by day", "expect": "issued"}
    with pytest.raises(SettingsError, match="a moment as `now` of the test 'by day'"):
        loaded(rules=[at_night], tests=[test])
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert loaded(rules=[at_night], tests=[test | {"now": noon}]).tests[0].now == noon
