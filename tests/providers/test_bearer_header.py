"""One access token, or none, or a refusal: never a guess."""

from __future__ import annotations

import pytest

from flask_usher.providers.base import CredentialsRefused
from flask_usher.providers.bearer_header import bearer_token


@pytest.mark.parametrize(
    ("values", "token"),
    [
        pytest.param(["Bearer abc"], "abc", id="token"),
        pytest.param(["bearer abc"], "abc", id="lower-case"),
        pytest.param(["BEARER a-._~+/b=="], "a-._~+/b==", id="every-letter"),
        pytest.param(["Bearer " + "x" * 8192], "x" * 8192, id="8-kb"),
        pytest.param([], None, id="row111-no-value"),
        pytest.param([""], None, id="row111-empty"),
        pytest.param(["Basic dTpw"], None, id="row111-basic"),
        pytest.param(["Basic bearer"], None, id="row111-basic-bearer"),
        pytest.param(["Basic dTpw", "Basic dTpw"], None, id="two-of-another-scheme"),
        pytest.param(['Digest username="a", realm="b"'], None, id="digest"),
        pytest.param(["Bearerabc"], None, id="scheme-bearerabc"),
        pytest.param(["Bearer-2 abc"], None, id="scheme-bearer-2"),
    ],
)
def test_what_is_shown(values: list[str], token: str | None) -> None:
    assert bearer_token({"authorization": values}) == token


def test_row_111_no_header_is_no_token() -> None:
    assert bearer_token({}) is None
    assert bearer_token({"cookie": ["Bearer abc"], "x-authorization": ["Bearer abc"]}) is None


@pytest.mark.parametrize(
    ("values", "error", "reason"),
    [
        pytest.param([value], "invalid_token", "token-malformed", id=f"row111-{value!r}")
        for value in (
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer  a",
            "Bearer\tabc",
            "Bearer =",
            "Bearer abc=d",
            'Bearer "abc"',
            "Bearer: abc",
            " Bearer abc",
            "Bearer abc ",
            "Bearer abc\n",
        )
    ]
    + [
        pytest.param([value], "invalid_token", "token-malformed", id=f"row117-{value!r}")
        for value in ("Bearer é", "Bearer \0", "Bearer a\0", "Bearer \ud800", "Bearer 😀")
    ]
    + [
        pytest.param(
            ["Bearer " + "x" * size], "invalid_token", "token-too-large", id=f"row117-{size}"
        )
        for size in (8193, 10_000_000)
    ]
    + [
        pytest.param(values, "invalid_request", "several-credentials", id=f"row111-{id_}")
        for id_, values in {
            "two-headers": ["Bearer a", "Bearer b"],
            "two-equal-headers": ["Bearer a", "Bearer a"],
            "two-schemes": ["Basic dTpw", "Bearer a"],
            "two-schemes-bearer-first": ["Bearer a", "Basic dTpw"],
            "joined-by-a-server": ["Bearer a, Bearer b"],
            "joined-without-space": ["Bearer a,Bearer b"],
            "joined-schemes": ["Basic dTpw,bearer a"],
            "comma-at-the-end": ["Bearer a,"],
            "empty-and-token": ["", "Bearer a"],
        }.items()
    ],
)
def test_what_is_refused(values: list[str], error: str, reason: str) -> None:
    with pytest.raises(CredentialsRefused) as refusal:
        bearer_token({"authorization": values})
    assert (refusal.value.error, refusal.value.reason) == (error, reason)
