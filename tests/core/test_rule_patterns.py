"""Regular expressions in rules: for the whole of a text, and never slow."""

from __future__ import annotations

import pytest
from support.rules import case, person, verdict

from flask_usher.rules.patterns import pattern_fault

WHOLE = (
    "a regular expression for the whole text: from ^ to $, alternatives in brackets, "
    r"and \[ and \] in a class"
)
FLAGS = "a regular expression with no flags but (?i) at its beginning"


@pytest.mark.parametrize(
    "pattern",
    [
        "^$",
        "^a$",
        "(?i)^a$",
        "^(a|b)$",
        "^(?:a|b(c|d))$",
        "^[a|b]$",
        "^[^|]$",
        "^[a$^]+$",
        r"^\[a\|\]$",
        r"^a\\$",
        r"^[\]\[]$",
        "^(a+)+$",
        "^[a-z]{1,20}@shop[.]example$",
    ],
)
def test_good_patterns(pattern: str) -> None:
    assert pattern_fault(f"r'{pattern}'") is None


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        pytest.param("a", WHOLE, id="row143-no-anchor"),
        pytest.param("^a", WHOLE, id="row143-no-end"),
        pytest.param("a$", WHOLE, id="row143-no-beginning"),
        pytest.param("", WHOLE, id="row143-empty"),
        pytest.param("^a|b$", WHOLE, id="row143-alternatives"),
        pytest.param("^a$|^b$", WHOLE, id="row143-anchored-alternatives"),
        pytest.param(r"^a\$", WHOLE, id="row143-escaped-end"),
        pytest.param("^[a$]", WHOLE, id="row143-end-in-a-class"),
        pytest.param("^(a$)", WHOLE, id="row143-end-in-brackets"),
        pytest.param("^(a)|(b)$", WHOLE, id="row143-bracketed-alternatives"),
        pytest.param("^a$b", WHOLE, id="row143-end-in-the-middle"),
        pytest.param("^[](]a|b[])]$", WHOLE, id="row143-alternatives-behind-classes"),
        pytest.param("^[^](]a|b[^])]$", WHOLE, id="row143-behind-negated-classes"),
        pytest.param(r"^\\[](]a|b\\[])]$", WHOLE, id="row143-behind-backslashes"),
        pytest.param("^[[:alpha:]]$", WHOLE, id="row143-class-in-a-class"),
        pytest.param("(?m)^a$", FLAGS, id="row143-lines"),
        pytest.param("^(?i)a$", FLAGS, id="row143-flag-inside"),
        pytest.param("^(?i:a)$", FLAGS, id="row143-flag-of-a-group"),
        pytest.param("(?i)(?m)^a$", FLAGS, id="row143-two-flags"),
        pytest.param("^(?P<x>a)$", FLAGS, id="row143-named-group"),
        pytest.param("^($", "a regular expression", id="row143-open-bracket"),
        pytest.param("^(?=a)a$", "a regular expression", id="row143-look-ahead"),
        pytest.param(r"^(a)\1$", "a regular expression", id="row143-back-reference"),
        pytest.param("^(a{1000}){1000}$", "a regular expression", id="row143-huge"),
    ],
)
def test_faulty_patterns(pattern: str, fault: str) -> None:
    assert pattern_fault(f"r'{pattern}'") == fault


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        pytest.param("jane@shop.example", True, id="row143-whole"),
        pytest.param("JANE@SHOP.EXAMPLE", True, id="row143-upper-case"),
        pytest.param("jane@shop.example.evil.test", False, id="row143-longer"),
        pytest.param("x\njane@shop.example", False, id="row143-line-before"),
        pytest.param("jane@shop.example\n", False, id="row143-line-break-behind"),
        pytest.param("jane@shop.example\nx", False, id="row143-line-behind"),
        pytest.param("", False, id="row143-empty"),
    ],
)
def test_a_pattern_matches_the_whole_text(text: str, matches: bool) -> None:
    rule = r"identity.claims.email.matches(r'(?i)^[a-z]+@shop\.example$')"
    found = verdict(rule, case(person({"email": text})))
    assert (found.refuses, found.undecided) == (matches, None)


def test_row_143_a_pattern_that_backtracks_elsewhere_is_quick_here() -> None:
    hostile = case(person({"x": "a" * 60_000 + "!"}))
    found = verdict("identity.claims.x.matches('^(a+)+$')", hostile)
    assert (found.refuses, found.undecided) == (False, None)
