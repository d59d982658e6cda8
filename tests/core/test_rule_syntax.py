"""The text of expressions: its words, and the parts that can be run by themselves."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_usher.rules import cel
from flask_usher.rules.expression_faults import ExpressionFault
from flask_usher.rules.expressions import Expression
from flask_usher.rules.syntax import comparisons, macro_calls, operands, position, tokens_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a.b == 'c'", ["a", ".", "b", "==", "'c'"], id="comparison"),
        pytest.param("a&&!b||c", ["a", "&&", "!", "b", "||", "c"], id="logic"),
        pytest.param("a // b == 'c'\n< 1", ["a", "<", "1"], id="comment"),
        pytest.param(r"'it\'s' + 'x'", [r"'it\'s'", "+", "'x'"], id="escape"),
        pytest.param(r"r'\' + 'x'", [r"r'\'", "+", "'x'"], id="raw"),
        pytest.param(r"bR'\' + b'x'", [r"bR'\'", "+", "b'x'"], id="raw-bytes"),
        pytest.param('"""a"b""" + c', ['"""a"b"""', "+", "c"], id="tripled"),
        pytest.param("'''a\n'b''' + c", ["'''a\n'b'''", "+", "c"], id="tripled-lines"),
        pytest.param(r"r'''\''' + c", [r"r'''\'''", "+", "c"], id="raw-tripled"),
        pytest.param("'// no' + c", ["'// no'", "+", "c"], id="comment-in-text"),
        pytest.param("0x1F < 1.5e-3", ["0x1F", "<", "1.5e-3"], id="numbers"),
        pytest.param("1u <= .5", ["1u", "<=", ".5"], id="unsigned"),
        pytest.param("a\t.\u000cb", ["a", ".", "b"], id="spaces"),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [token.text for token in tokens_of(text)] == words
    assert all(text[token.start : token.end] == token.text for token in tokens_of(text))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("a", ["a"], id="one"),
        pytest.param("a && b || c", ["a", "b", "c"], id="logic"),
        pytest.param("!(a || !(b && c))", ["a", "b", "c"], id="negation"),
        pytest.param("a ? b : c ? d : e", ["a", "b", "c", "d", "e"], id="conditionals"),
        pytest.param("a ? b ? c : d : e", ["a", "b", "c", "d", "e"], id="inner-conditional"),
        pytest.param("a ? {'b': c} : d", ["a", "{'b': c}", "d"], id="map"),
        pytest.param("(a) == (b)", ["(a) == (b)", "a", "b"], id="groups"),
        pytest.param("f(a || b)", ["f(a || b)"], id="call"),
        pytest.param("((a == 1))", ["a == 1"], id="brackets"),
        pytest.param("'a || b' == c", ["'a || b' == c"], id="text"),
    ],
)
def test_operands(text: str, parts: list[str]) -> None:
    assert [text[it.start : it.end] for it in operands(tokens_of(text))] == parts


@pytest.mark.parametrize(
    ("text", "logical"),
    [
        pytest.param("a ? b : c", [True, True, True], id="rule"),
        pytest.param("x == (a ? b : c)", [True, True, False, False], id="value"),
        pytest.param("x == (a && b)", [True, True, True], id="logic-inside"),
        pytest.param("(a)", [True], id="group"),
        pytest.param("x == (a)", [True, False], id="group-of-a-value"),
        pytest.param("x == (!(a))", [True, True], id="negated"),
    ],
)
def test_what_must_be_true_or_false(text: str, logical: list[bool]) -> None:
    assert [it.is_logical for it in operands(tokens_of(text))] == logical


def test_comparisons_are_those_outside_brackets() -> None:
    found = comparisons("a == f(b != c) in ['==', d]")
    assert [token.text for token in found] == ["==", "in"]


def test_macros_are_those_that_are_called_on_something() -> None:
    tokens = tokens_of("a.exists(x, f(x)) && exists(b) && a.filter == 1")
    assert [tokens[start - 1].text for start, _ in macro_calls(tokens)] == ["exists"]
    ((opening, closing),) = macro_calls(tokens)
    assert (tokens[opening].text, tokens[closing].start) == ("(", len("a.exists(x, f(x)"))


@pytest.mark.parametrize(
    ("offset", "place"),
    [
        pytest.param(0, "line 1, column 1", id="first"),
        pytest.param(2, "line 1, column 3", id="end-of-line"),
        pytest.param(3, "line 2, column 1", id="next-line"),
        pytest.param(5, "line 3, column 2", id="last"),
    ],
)
def test_position(offset: int, place: str) -> None:
    assert position("ab\n\ncd", offset) == place


ATOMS = (
    *("identity.groups", "identity.claims.x", "identity.acr", "identity.percentile", "now"),
    *("local.time", "local.weekday", "account.created_at", "request.origin", "g", "true"),
    *("'a'", '"b\\""', r"r'\'", r'bR"\"', "'''c'd'''", '"""e\n"""', "1", "2u", "1.5", "null"),
    *("[1]", "['a', 'b']", "{'a': 1}", "duration('1h')", "-9223372036854775808", "b'x'"),
    *("timestamp('2026-01-01T00:00:00Z')", "{}", "[[1], []]", "0x10", ".5", "// x\n1"),
)
OPERATORS = ("+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||")
CALLS = (
    *(".size()", ".contains('a')", ".matches('^a$')", ".exists(g, g == 'a')", "[0]", ".x"),
    *(".all(g, g in [1])", ".filter(g, true)", "['a']", ".map(g, g)", ".startsWith('a')"),
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(CALLS)).map("".join),
        st.tuples(inner, inner, inner).map(lambda it: f"{it[0]} ? {it[1]} : {it[2]}"),
        inner.map(lambda it: f"({it})"),
        inner.map(lambda it: f"!{it}"),
        inner.map(lambda it: f"-{it}"),
        st.tuples(st.sampled_from(("size", "int", "has", "matches")), inner).map(
            lambda it: f"{it[0]}({it[1]})"
        ),
    )


EXPRESSIONS = st.recursive(st.sampled_from(ATOMS), _larger, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
@example("1e308 < (r'\\') ? (1) : 2")
@example("double(-9223372036854775808 >= local.time)")
def test_whatever_the_interpreter_reads_can_be_taken_apart(text: str) -> None:
    try:
        cel.compile_program(text)
    except ValueError:
        return
    tokens = tokens_of(text)
    ends = [0, *(it.end for it in tokens)]
    gaps = (text[end : it.start] for end, it in zip(ends, tokens, strict=False))
    assert all(re.fullmatch(r"(\s|//[^\n]*\n)*", gap) for gap in gaps)
    list(macro_calls(tokens))
    for part in operands(tokens):
        assert text[part.start : part.end].strip()


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS | st.text(max_size=60))
@example("\ud800")
@example("\0")
@example("'\ud800' == 'x'")
def test_a_text_is_an_expression_or_has_a_fault_and_nothing_else(text: str) -> None:
    with suppress(ExpressionFault):
        assert Expression.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 900 + "true" + ")" * 900, id="brackets"),
        pytest.param("[" * 900 + "]" * 900, id="lists"),
        pytest.param("true?true:" * 190 + "true", id="conditionals"),
        pytest.param("true?" * 150 + "true" + ":true" * 150, id="inner-conditionals"),
        pytest.param("!" * 1990 + "1", id="negations"),
        pytest.param("a." * 900 + "a", id="fields"),
        pytest.param("1&&" * 600 + "true", id="operands"),
        pytest.param("identity.claims.x[" * 100 + "0" + "]" * 100 + " && 1", id="indices"),
    ],
)
def test_deep_nesting_is_a_fault_like_any_other(text: str) -> None:
    with pytest.raises(ExpressionFault):
        Expression.parse(text)
