"""`usher doctor` on a terminal and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from support.service import MakeService, Service

from flask_usher.cli import main
from flask_usher.doctor import examination
from flask_usher.doctor.subject import Subject
from flask_usher.findings import Finding, fault, ok, warning

LONG = "a sentence that says again and again " * 4


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service()


def run(service: Service, *arguments: str, color: bool = False) -> Result:
    return CliRunner().invoke(
        main, ["doctor", *arguments], env=service.environment, color=color
    )


def families(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """Let these be all that is found."""

    def check(_: Subject) -> Iterator[Finding]:
        yield from findings

    monkeypatch.setattr(examination, "FAMILIES", (("Weather", check),))


FINE = ok("sky", "blue")
DOUBT = warning("wind", "rising", "It may rain.", "Take a coat.")
BAD = fault("roof", LONG, LONG, LONG)


@pytest.mark.parametrize(
    ("findings", "arguments", "code"),
    [
        ([FINE], [], 0),
        ([FINE], ["--strict"], 0),
        ([FINE, DOUBT], [], 0),
        ([FINE, DOUBT], ["--strict"], 1),
        ([FINE, DOUBT, BAD], [], 1),
        ([FINE, DOUBT], ["--json"], 0),
        ([FINE, DOUBT], ["--json", "--strict"], 1),
        ([BAD], ["--json"], 1),
    ],
)
def test_exit_codes(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    findings: list[Finding],
    arguments: list[str],
    code: int,
) -> None:
    families(monkeypatch, *findings)
    assert run(service, *arguments).exit_code == code


def test_the_text(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    families(monkeypatch, FINE, DOUBT, BAD)
    result = run(service)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[:6] == [
        "",
        "Weather",
        "  ok      sky: blue",
        "  warning wind: rising",
        "          It may rain.",
        "          -> Take a coat.",
    ]
    assert lines[-1] == "1 ok, 1 warning, 1 fault"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("color", [False, True])
def test_colours_are_for_terminals(
    service: Service, monkeypatch: pytest.MonkeyPatch, color: bool
) -> None:
    families(monkeypatch, FINE, BAD)
    assert ("\x1b[31m" in run(service, color=color).stdout) == color


def test_what_others_say_cannot_move_the_cursor(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    families(monkeypatch, ok("sky", "\x1b[2J\u202e"))
    assert r"\x1b[2J\u202e" in run(service).stdout


def test_json(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    families(monkeypatch, FINE, DOUBT)
    assert json.loads(run(service, "--json").stdout) == {
        "ok": True,
        "counts": {"ok": 1, "warning": 1, "fault": 0},
        "findings": [
            {
                "family": "Weather",
                "check": "sky",
                "verdict": "ok",
                "found": "blue",
                "remedy": "",
                "why": "",
            },
            {
                "family": "Weather",
                "check": "wind",
                "verdict": "warning",
                "found": "rising",
                "remedy": "Take a coat.",
                "why": "It may rain.",
            },
        ],
    }


def test_a_check_that_fails_itself_is_a_finding(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Subject) -> Iterator[Finding]:
        yield FINE
        raise ZeroDivisionError("hidden-password")

    def sound(_: Subject) -> Iterator[Finding]:
        yield DOUBT

    monkeypatch.setattr(examination, "FAMILIES", (("First", broken), ("Second", sound)))
    result = run(service)
    assert result.exit_code == 1
    assert "fault   first: this check has failed itself: ZeroDivisionError" in result.stdout
    assert "Second" in result.stdout
    assert "hidden-password" not in result.output
    assert "Traceback" not in result.output


def test_each_bad_finding_says_why_and_what_to_do(service: Service) -> None:
    body = json.loads(run(service, "--json").stdout)
    bad = [it for it in body["findings"] if it["verdict"] != "ok"]
    assert bad
    assert all(it["remedy"] for it in bad)
