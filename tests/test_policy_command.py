"""`usher policy`: rules tried, explained and compared from the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import CommandLine, command_line
from support.installations import Installation

from flask_usher import configuration
from flask_usher.admission import Credentials
from flask_usher.audit import Visit
from flask_usher.extension import build
from flask_usher.policy import Refuse
from flask_usher.providers.base import Completion, Identity
from flask_usher.state import State

__all__ = ["command_line"]

RULES = """
[[rules]]
code = "email-not-verified"
refuse_when = "!identity.claims.email_verified"
message = "The e-mail address was never confirmed."
remedy = "Ask the customer to follow the link in the welcome mail."

[[rules]]
code = "blocked"
refuse_when = "'blocked' in identity.groups"
sign_in_helps = true
activation = "anonymous"
"""
TESTS = """
[[tests]]
name = "a confirmed address"
identity = { claims = { email_verified = true } }
expect = "issued"
"""
SUPPORT_ID = "7XK2M-9QFT4"


@pytest.fixture
def usher(command_line: CommandLine) -> CommandLine:
    """The command on an installation with rules and the account jane."""
    (command_line.folder / "policy.toml").write_text(RULES + TESTS)
    Installation(command_line.folder).toml(
        database={"url": command_line.database_url},
        audit={"file": str(command_line.audit_file)},
        policy={"file": "policy.toml"},
    )
    command_line.succeed("db", "upgrade")
    command_line.succeed("users", "add", "jane", stdin="violet-otter-41-harbour\n")
    return command_line


def person(usher: CommandLine, text: str, name: str = "who.toml") -> str:
    """Write somebody down and return the file's name."""
    file = usher.folder / name
    file.write_text(text)
    return str(file)


def ask(usher: CommandLine, name: str = "jane") -> State:
    """Let somebody ask for a token, so that it is on record."""
    state = build(configuration.load(usher.settings, {}), identify=lambda: None)
    provider = state.providers["local"]
    account = provider.accounts.by_name(name)  # type: ignore[attr-defined]
    now = state.clock()
    identity = Identity(
        provider="local", subject=account.id, signed_in_at=now, epoch=account.epoch
    )
    cookie = state.sign_ins.create(Completion(identity))
    outcome, _ = state.admission.admit(
        Credentials(cookie), Visit(SUPPORT_ID, "192.0.2.1", "https://www.shop.example")
    )
    assert isinstance(outcome, Refuse)
    return state


class TestTrying:
    def test_what_passes(self, usher: CommandLine) -> None:
        said = usher.succeed("policy", "test")
        assert "ok  a confirmed address: issued" in said
        assert "rules    2 rules, 1 test, all pass." in said
        assert "No test expects: email-not-verified, blocked." in said

    def test_another_file_before_it_is_in_use(self, usher: CommandLine) -> None:
        other = person(usher, RULES.replace("blocked", "barred"), "next.toml")
        assert "can be loaded" in usher.succeed("policy", "test", other)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (TESTS.replace("true", "false") + RULES, "the test 'a confirmed address' to pass"),
            (RULES.replace("identity.groups", "identity.grups"), "'groups', not 'grups'"),
            ("[[rules]]", "this key is required"),
            ("rules = 1", "policy.rules"),
            ("[[rules", "a syntax error"),
        ],
    )
    def test_what_does_not(self, usher: CommandLine, text: str, fault: str) -> None:
        other = person(usher, text, "next.toml")
        assert fault in usher.fail("policy", "test", other)
        assert "can be loaded" in usher.succeed("policy", "test")

    def test_a_file_that_is_not_there(self, usher: CommandLine) -> None:
        assert "no file" in usher.fail("policy", "test", "/no/where.toml")


class TestExplaining:
    def test_an_account(self, usher: CommandLine) -> None:
        said = usher.succeed("policy", "explain", "--account", "Jane")
        assert "refuses  email-not-verified" in said
        assert "identity.claims.email_verified = (absent)" in said
        assert "Undecided, which refuses: email_verified is absent." in said
        assert "Remedy: Ask the customer to follow the link" in said
        assert "passes   blocked" in said
        assert "The browser would get 403 Forbidden" in said

    def test_somebody_in_a_file(self, usher: CommandLine) -> None:
        file = person(usher, "identity = { claims = { email_verified = true } }")
        said = usher.succeed("policy", "explain", "--identity", file)
        assert "A token would be issued." in said
        assert "eyJ" not in said

    def test_the_answer_is_the_one_that_the_browser_gets(self, usher: CommandLine) -> None:
        who = {"identity": {"claims": {"email_verified": True}, "groups": ["blocked"]}}
        file = person(usher, json.dumps(who), "who.json")
        said = json.loads(usher.succeed("policy", "explain", "--identity", file, "--json"))
        assert said["decision"] == "blocked"
        answer = said["answer"]
        assert (answer["activation"], answer["sign_in_url"]) == ("anonymous", "/usher/sign-in")
        assert [rule["refuses"] for rule in said["rules"]] == [False, True]
        assert said["rules"][1]["inputs"] == {"identity.groups": ["blocked"]}

    def test_a_pause_answers_before_all_rules(self, usher: CommandLine) -> None:
        usher.succeed("pause", "--message", "incident")
        said = usher.succeed("policy", "explain", "--account", "jane")
        assert "Refused: paused (incident)" in said
        usher.succeed("resume")

    def test_a_disabled_account(self, usher: CommandLine) -> None:
        usher.succeed("users", "disable", "jane")
        said = usher.succeed("policy", "explain", "--account", "jane")
        assert "may not come in" in said
        assert "Refused: account-inactive" in said

    def test_a_support_id(self, usher: CommandLine) -> None:
        ask(usher).close()
        said = usher.succeed("policy", "explain", "--support-id", SUPPORT_ID.lower())
        assert "on record is email-not-verified by the policy" in said
        assert "refuses  email-not-verified" in said
        assert f'"support_id": "{SUPPORT_ID}"' in said

    def test_a_support_id_of_somebody_who_has_signed_out(self, usher: CommandLine) -> None:
        state = ask(usher)
        state.sign_ins.end_all()
        state.close()
        said = usher.succeed("policy", "explain", "--support-id", SUPPORT_ID)
        assert "refuses  email-not-verified" in said

    def test_a_support_id_of_somebody_who_is_gone(self, usher: CommandLine) -> None:
        ask(usher).close()
        usher.succeed("users", "delete", "jane", "--yes")
        said = usher.fail("policy", "explain", "--support-id", SUPPORT_ID)
        assert "on record is email-not-verified" in said
        assert "neither signed in nor has an account" in said

    def test_it_mints_and_records_nothing(self, usher: CommandLine) -> None:
        before = usher.audit_file.read_bytes()
        usher.succeed("policy", "explain", "--account", "jane")
        assert usher.audit_file.read_bytes() == before

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            ((), 2, "Give one of --account, --identity and --support-id."),
            (("--account", "jane", "--support-id", SUPPORT_ID), 2, "Give one of"),
            (("--account", "nobody"), 1, "there is no account nobody"),
            (("--support-id", "7XK2M-9QFT5"), 1, "no decision about a token"),
            (("--support-id", "x"), 2, "is none"),
        ],
    )
    def test_what_can_not_be_explained(
        self, usher: CommandLine, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        assert said in usher.fail("policy", "explain", *arguments, code=code)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("identity = 1", "describes nobody"),
            ("x = 1", "describes nobody"),
            ("[[", "is no TOML"),
            ('{"a": 1}', "is no TOML"),
        ],
    )
    def test_a_file_that_describes_nobody(
        self, usher: CommandLine, text: str, said: str
    ) -> None:
        assert said in usher.fail("policy", "explain", "--identity", person(usher, text))

    def test_what_people_are_called_moves_no_cursor(self, usher: CommandLine) -> None:
        who = {"identity": {"claims": {"email_verified": "\x1b[2J"}}}
        file = person(usher, json.dumps(who), "who.json")
        assert "\x1b" not in usher.succeed("policy", "explain", "--identity", file)


class TestStatus:
    def test_what_decides(self, usher: CommandLine) -> None:
        assert "no decision since" in usher.succeed("policy", "status")
        state = ask(usher)
        version = state.admission.policies.current().version
        state.close()
        said = usher.succeed("policy", "status")
        assert f"in the settings  {version} (2 rules, 1 test)" in said
        assert f"deciding         {version}: 1 decision" in said

    def test_a_server_goes_on_with_the_policy_before(self, usher: CommandLine) -> None:
        ask(usher).close()
        (usher.folder / "policy.toml").write_text("[[rules]]")
        result = usher.run("policy", "status")
        assert result.exit_code == 1
        assert "a policy with faults; servers go on with the one before" in result.stdout
        assert ": 1 decision\n" in result.stdout
        assert "this key is required" in result.stderr

    def test_an_incident_does_not_wait_for_the_policy_to_be_mended(
        self, usher: CommandLine
    ) -> None:
        ask(usher).close()
        (usher.folder / "policy.toml").write_text("[[rules]]")
        assert "Paused since" in usher.succeed("pause", "--message", "incident 4711")
        assert ": incident 4711" in usher.run("policy", "status").stdout
        assert "paused" in usher.succeed("audit", "tail")
        assert "email-not-verified" in usher.succeed("audit", "show", SUPPORT_ID)
        usher.succeed("users", "disable", "jane")
        assert "issued again" in usher.succeed("resume")

    def test_a_pause(self, usher: CommandLine) -> None:
        usher.succeed("pause", "--message", "incident 4711")
        said = usher.succeed("policy", "status")
        assert ": incident 4711" in said
        usher.succeed("resume")


class TestShadow:
    def test_without_one(self, usher: CommandLine) -> None:
        usher.audit_file.touch()
        assert "No decision had a shadow" in usher.succeed("policy", "shadow")

    def test_differences_are_counted_and_listed(self, usher: CommandLine) -> None:
        shadow = '\n[[shadow.rules]]\ncode = "other"\nrefuse_when = "true"\n'
        (usher.folder / "policy.toml").write_text(RULES + TESTS + shadow)
        ask(usher).close()
        said = usher.succeed("policy", "shadow", "--since", "1h")
        assert "1 decision, 1 different." in said
        assert f"{SUPPORT_ID}  email-not-verified, other" in said


def test_the_help_teaches(command_line: CommandLine, tmp_path: Path) -> None:
    for command in ("pause", "resume"):
        assert "Example" in command_line.succeed(command, "--help")
    assert "usher policy explain --account jane" in command_line.succeed("policy", "--help")
