# ruff: noqa: RUF001 (letters that look alike are the point)
"""One canonical form for every spelling of a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_usher.providers.account_names import (
    MAX_CHARACTERS,
    NO_NAME,
    UnusableName,
    canonical_name,
)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        pytest.param("jane", "jane", id="as-it-is"),
        pytest.param("JANE", "jane", id="row26-case"),
        pytest.param("ＪＡＮＥ", "jane", id="row26-full-width"),
        pytest.param("jane ", "jane", id="row26-trailing-space"),
        pytest.param("\u3000jane\u00a0\n", "jane", id="row26-other-white-space"),
        pytest.param("zoe\u0308", "zoë", id="row26-nfd"),
        pytest.param("zo\u00eb", "zoë", id="row26-nfc"),
        pytest.param("ｶﾞｽﾞ", "ガズ", id="row26-half-width"),
        pytest.param("IRMAK", "irmak", id="row26-turkish-capital-dotless"),
        pytest.param("ırmak", "ırmak", id="row26-turkish-small-dotless"),
        pytest.param("İZMİR", "i\u0307zmi\u0307r", id="row26-turkish-capital-dotted"),
        pytest.param("שלום", "שלום", id="row26-right-to-left"),
        pytest.param("ΟΔΥΣΣΕΥΣ", "οδυσσευς", id="final-sigma"),
        pytest.param("Jane.Doe+1@Shop.Example", "jane.doe+1@shop.example", id="address"),
        pytest.param("e\u0301" * 255, "é" * 255, id="longest-decomposed"),
        pytest.param("コ・ド", "コ・ド", id="katakana-middle-dot"),
    ],
)
def test_spellings_of_a_name(spelling: str, name: str) -> None:
    assert canonical_name(spelling) == name


@pytest.mark.parametrize(
    ("spelling", "why"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \t ", "empty", id="white-space"),
        pytest.param("jane doe", "U+0020 SPACE", id="space-inside"),
        pytest.param("ja\0ne", "U+0000 control character", id="row27-nul"),
        pytest.param("ja\x1bne", "U+001B control character", id="control"),
        pytest.param("jane\ud800", "U+D800", id="row27-lone-surrogate"),
        pytest.param("😀", "U+1F600 GRINNING FACE", id="row27-emoji"),
        pytest.param("𝕁ane", "U+1D541", id="row27-four-byte-letter"),
        pytest.param("ja\u200bne", "U+200B ZERO WIDTH SPACE", id="row26-zero-width"),
        pytest.param("ja\u200dne", "U+200D ZERO WIDTH JOINER", id="row26-joiner"),
        pytest.param("jane\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE", id="row26-bom"),
        pytest.param("\u202ejane", "U+202E", id="row26-bidi-override"),
        pytest.param("שלוםjane", "right to left", id="row26-mixed-directions"),
        pytest.param("ﬁona", "U+FB01", id="ligature"),
        pytest.param("x" * 256, "255", id="256-characters"),
        pytest.param("e\u0301" * 256, "255", id="256-decomposed"),
        pytest.param("x" * 10_000_000, "255", id="10-million-characters"),
        pytest.param("・" * 254 + "ド", "U+30FB", id="slow-to-check"),
    ],
)
def test_texts_that_are_no_name(spelling: str, why: str) -> None:
    with pytest.raises(UnusableName, match=why.replace("+", r"\+")):
        canonical_name(spelling)


def test_the_message_does_not_repeat_the_text() -> None:
    with pytest.raises(UnusableName) as error:
        canonical_name("my secret")
    assert "secret" not in str(error.value)


def test_the_stand_in_for_impossible_names_is_one() -> None:
    with pytest.raises(UnusableName):
        canonical_name(NO_NAME)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_canonical_form_is_its_own_canonical_form(text: str) -> None:
    try:
        name = canonical_name(text)
    except UnusableName:
        return
    assert canonical_name(name) == name
    assert 0 < len(name) <= MAX_CHARACTERS
    assert name.encode()
