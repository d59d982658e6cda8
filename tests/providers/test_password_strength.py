"""Which passwords may be set."""

from __future__ import annotations

import pytest

from flask_usher.providers.password_strength import weakness

ABOUT = ("jane.doe", "www.acme-shop.example")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        pytest.param("", "bytes", id="empty"),
        pytest.param("tulip-7", "at least 8 characters", id="row31-7-characters"),
        pytest.param("é" * 7, "at least 8 characters", id="row31-7-characters-14-bytes"),
        pytest.param("baseball", "easy to guess", id="row31-common-word"),
        pytest.param("Password1", "easy to guess", id="row31-common-with-digit"),
        pytest.param("P@ssw0rd", "easy to guess", id="row31-common-with-symbols"),
        pytest.param("trustno1", "easy to guess", id="row31-breached"),
        pytest.param("12345678", "easy to guess", id="row31-digits"),
        pytest.param("qwertyuiop", "easy to guess", id="row31-keyboard"),
        pytest.param("aaaaaaaaaaaa", "easy to guess", id="row31-repeated"),
        pytest.param("x" * 1024, "easy to guess", id="row31-long-and-repeated"),
        pytest.param("acme-shop", "name of the site", id="row31-site-name"),
        pytest.param("AcmeShop2026", "name of the site", id="row31-site-name-and-year"),
        pytest.param("www.acme-shop.example", "name of the site", id="row31-site-address"),
        pytest.param("Jane.Doe", "name of the site", id="row31-user-name"),
        pytest.param("doejane1", "name of the site", id="row31-user-name-and-digit"),
        pytest.param("x" * 1025, "bytes", id="row28-1025-bytes"),
        pytest.param("tulip\0vase-9", "control character", id="row27-nul"),
        pytest.param("tulip\ud800vase-9", "Unicode", id="row27-lone-surrogate"),
    ],
)
def test_refused(password: str, why: str) -> None:
    reason = weakness(password, about=ABOUT)
    assert reason is not None
    assert why in reason
    assert len(password) < 2 or password not in reason


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("qzkvxwpj", id="row31-8-small-letters"),
        pytest.param("tulip vase nine", id="row31-spaces"),
        pytest.param("жёлтый тюльпан", id="row31-cyrillic"),
        pytest.param("🌷🏺🎩🪁🦉🧭🛶🎻", id="row31-emoji"),
        pytest.param("tulips for jane", id="contains-a-name"),
        pytest.param("correct horse battery staple " * 3, id="row28-over-72-characters"),
        pytest.param(
            "".join(chr(33 + i * 37 % 90) for i in range(1024)), id="row28-1024-bytes"
        ),
    ],
)
def test_accepted(password: str) -> None:
    assert weakness(password, about=ABOUT) is None


def test_without_knowing_anything_about_the_person() -> None:
    assert weakness("acme-shop-jane") is None


def test_short_names_do_not_count_as_part_of_a_password() -> None:
    assert weakness("alqzkvxw", about=("al",)) is None
