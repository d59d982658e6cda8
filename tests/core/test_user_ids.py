"""userId: unique for each person, constant, and refused rather than repaired."""

from __future__ import annotations

import base64
import hmac
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.installations import SECRET

from flask_usher.database import Database
from flask_usher.errors import Code
from flask_usher.keys import Secret
from flask_usher.policy import Facts, Policy, Refuse
from flask_usher.providers.accounts import Accounts, NewAccount
from flask_usher.providers.base import Identity
from flask_usher.providers.local import LocalProvider
from flask_usher.sign_ins import SignIn
from flask_usher.user_ids import Derive, IdentityUnusable, derivation

KEY = Secret("pairwise-key", SECRET.encode())
OTHER_KEY = Secret("pairwise-key", SECRET[::-1].encode())
SUBJECT = derivation("subject", None)
PAIRWISE = derivation("pairwise", KEY)
CLAIM = derivation("claim:customer_number", None)


def person(subject: object = "1", provider: str = "local", **claims: object) -> Identity:
    return Identity(
        provider=provider,
        subject=subject,  # type: ignore[arg-type]
        signed_in_at=0.0,
        claims=claims,
    )


UNUSABLE = [
    pytest.param(None, id="row118-none"),
    pytest.param("", id="row118-empty"),
    pytest.param(" ", id="row118-space"),
    pytest.param("\t", id="row118-tab"),
    pytest.param("\u00a0", id="row118-no-break-space"),
    pytest.param("\u3000", id="row118-ideographic-space"),
    pytest.param("null", id="row118-null"),
    pytest.param("NULL", id="row118-null-upper-case"),
    pytest.param("undefined", id="row118-undefined"),
    pytest.param("None", id="row118-none-word"),
    pytest.param("nil", id="row118-nil"),
    pytest.param("NaN", id="row118-nan-word"),
    pytest.param("true", id="row118-true-word"),
    pytest.param("False", id="row118-false-word"),
    pytest.param("[object Object]", id="row118-javascript-object"),
    pytest.param(" null ", id="row118-null-with-spaces"),
    pytest.param(0, id="row118-zero"),
    pytest.param(1, id="row118-one"),
    pytest.param(1.5, id="row118-float"),
    pytest.param(float("nan"), id="row118-nan"),
    pytest.param(10**400, id="row137-huge-integer"),
    pytest.param(False, id="row118-false"),
    pytest.param(True, id="row118-true"),
    pytest.param([], id="row118-list"),
    pytest.param(["x"], id="row118-list-of-one"),
    pytest.param({}, id="row118-dict"),
    pytest.param({"sub": "x"}, id="row137-dict"),
    pytest.param(b"x", id="row118-bytes"),
    pytest.param(object(), id="row118-object"),
    pytest.param(" x", id="leading-space"),
    pytest.param("x ", id="trailing-space"),
    pytest.param("x\n", id="trailing-line-break"),
    pytest.param("\ufeffx", id="byte-order-mark"),
    pytest.param("x" * 256, id="row119-256"),
    pytest.param("é" * 256, id="row119-256-not-ascii"),
    pytest.param("😀" * 128, id="row119-128-code-points-256-utf16-units"),
    pytest.param("x" * 254 + "😀", id="row119-255-code-points-256-utf16-units"),
    pytest.param("x" * 5_000_000, id="row137-5-mb"),
    pytest.param("é" * 5_000_000, id="row137-5-mb-not-ascii"),
    *(
        pytest.param(f"a{character}b", id=f"u{ord(character):04x}")
        for character in (
            "\x00\x01\x08\t\n\x0b\r\x1b\x7f\x80\x85\x9f\xad"
            "\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029"
            "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2064\u2066\u2067\u2068\u2069"
            "\u206a\u206f\ufdd0\ufeff\ufff9\uffff\ud800\udbff\udc00\udfff"
            "\U000e0001\U000e0041\U0001fffe\U0010ffff"
        )
    ),
]


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("mode", ["subject", "pairwise", "claim:customer_number"])
def test_what_identifies_nobody_is_refused(mode: str, value: object) -> None:
    identity = person() if mode.startswith("claim:") else person(value)
    if mode.startswith("claim:"):
        identity = person(customer_number=value)
    derive = derivation(mode, KEY)
    with pytest.raises(IdentityUnusable) as error:
        derive(identity)
    assert len(str(error.value)) < 80
    sign_in = SignIn("id", identity, 1.0)
    decision = Policy(derive).decide(Facts(sign_in, identity, 1.0))
    assert isinstance(decision, Refuse)
    assert decision.code is Code.IDENTITY_UNUSABLE
    assert decision.reason == str(error.value)


def test_a_claim_that_is_not_there_is_refused() -> None:
    with pytest.raises(IdentityUnusable, match="not a string"):
        CLAIM(person())


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(IdentityUnusable) as error:
        CLAIM(person(customer_number="jane@shop.example\n"))
    assert "jane" not in str(error.value)
    assert "jane" not in repr(error.value.__cause__)


USABLE = [
    "1",
    "a",
    "0",
    "nullable",
    "jane doe",
    "José",
    "李小龍",
    "😀",
    "a:b",
    "a|b",
    "x" * 249,
]


@pytest.mark.parametrize("value", USABLE)
def test_what_identifies_somebody_is_taken_as_it_stands(value: str) -> None:
    assert SUBJECT(person(value)) == f"local:{value}"
    assert CLAIM(person(customer_number=value)) == value


@pytest.mark.parametrize("value", ["x" * 255, "é" * 255, "x" * 253 + "😀"])
def test_row_119_255_units_are_accepted_whole(value: str) -> None:
    assert CLAIM(person(customer_number=value)) == value
    assert len(PAIRWISE(person(value))) == 43


def test_row_119_the_providers_name_counts() -> None:
    assert len(SUBJECT(person("x" * 249))) == 255
    with pytest.raises(IdentityUnusable, match="longer than 255"):
        SUBJECT(person("x" * 250))


def test_row_119_nothing_is_cut_to_fit() -> None:
    for value in ("x" * 256, "x" * 255 + " "):
        with pytest.raises(IdentityUnusable):
            CLAIM(person(customer_number=value))


def test_spellings_of_one_text_are_different_people() -> None:
    texts = ["Jane", "jane", "JANE", "jos\u00e9", "jose\u0301", "\uff4aane", "ﬁ", "fi"]
    for derive in (SUBJECT, PAIRWISE):
        assert len({derive(person(text)) for text in texts}) == len(texts)


COLLIDING = [
    ("a", "b:c"),
    ("a:b", "c"),
    ("a:b:c", "d"),
    ("a", "b:c:d"),
    ("ab", "c"),
    ("a", "bc"),
]


@pytest.mark.parametrize(
    ("derive", "usable"),
    [pytest.param(SUBJECT, 4, id="subject"), pytest.param(PAIRWISE, 6, id="pairwise")],
)
def test_row_121_where_the_providers_name_ends_is_never_in_doubt(
    derive: Derive, usable: int
) -> None:
    derived = [_derived(derive, provider, subject) for provider, subject in COLLIDING]
    named = [user_id for user_id in derived if user_id is not None]
    assert len(named) == len(set(named)) == usable


def _derived(derive: Derive, provider: str, subject: str) -> str | None:
    try:
        return derive(person(subject, provider))
    except IdentityUnusable:
        return None


names = st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True)
subjects = st.text(st.sampled_from("ab:|/\\0é😀- "), min_size=1, max_size=8)


@given(st.tuples(names, subjects), st.tuples(names, subjects))
def test_row_121_two_people_never_share_a_user_id(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assume(one != other)
    for derive in (SUBJECT, PAIRWISE):
        ids = [_derived(derive, *pair) for pair in (one, other)]
        assert None in ids or ids[0] != ids[1]


@given(st.text(max_size=300))
def test_any_text_is_taken_as_it_stands_or_refused(text: str) -> None:
    try:
        user_id = CLAIM(person(customer_number=text))
    except IdentityUnusable:
        return
    assert user_id == text
    assert text == text.strip() != ""
    assert len(text.encode("utf-16-le")) <= 510


LETTERS = "ab1-:"
PLACES = 12


def _random_pairs(count: int) -> Iterator[tuple[str, str]]:
    # Many are one text, cut in two at another place.
    for number in random.Random(121).sample(range(5**10 * (PLACES - 3)), count):
        rest, cut = divmod(number, PLACES - 3)
        text = ""
        for _ in range(PLACES):
            rest, letter = divmod(rest, len(LETTERS))
            text += LETTERS[letter]
        cut += 1
        yield text[:cut].replace(":", "c"), text[cut:]


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_row_121_random_people_have_user_ids_of_their_own(count: int) -> None:
    subject, pairwise = set(), set()
    for provider, name in _random_pairs(count):
        identity = person(name, provider)
        subject.add(SUBJECT(identity))
        pairwise.add(PAIRWISE(identity))
    assert len(subject) == len(pairwise) == count


def test_row_121_one_email_at_two_providers_is_two_people() -> None:
    pair = [person(email, name, email=email) for name in "ab" for email in ["j@x.example"]]
    assert len({SUBJECT(identity) for identity in pair}) == 2
    assert len({PAIRWISE(identity) for identity in pair}) == 2


def test_row_122_claims_groups_and_sessions_do_not_change_a_user_id() -> None:
    before = person("42", email="jane@a.example", name="Jane")
    after = Identity(
        provider="local",
        subject="42",
        signed_in_at=9e9,
        claims={"email": "jane@b.example", "preferred_username": "new"},
        groups=("staff",),
        acr="2",
        amr=("pwd", "otp"),
        epoch=7,
    )
    assert SUBJECT(before) == SUBJECT(after) == "local:42"
    assert PAIRWISE(before) == PAIRWISE(after)


def test_row_122_pairwise_is_pinned() -> None:
    # A change to any of this makes strangers of all visitors that iAdvize knows.
    extracted = hmac.digest(bytes(32), KEY.value, "sha256")
    key = hmac.digest(extracted, b"usher pairwise userId\x01", "sha256")
    message = b"\0\0\0\5local" + b"\0\0\0\2" + b"42"
    digest = base64.urlsafe_b64encode(hmac.digest(key, message, "sha256"))
    assert PAIRWISE(person("42")) == digest.decode().rstrip("=")
    assert PAIRWISE(person("42")) == "hp2e1Nfte2_dPfejKVwPg8dRp66KpcjWSDRpcEOTyuo"


def test_row_122_pairwise_is_the_same_in_another_process() -> None:
    program = (
        "import sys\n"
        "from flask_usher.keys import Secret\n"
        "from flask_usher.providers.base import Identity\n"
        "from flask_usher.user_ids import derivation\n"
        "derive = derivation('pairwise', Secret('elsewhere', sys.argv[1].encode()))\n"
        "identity = Identity(provider='local', subject='42', signed_in_at=1.0)\n"
        "print(derive(identity), end='')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, SECRET], capture_output=True, text=True, check=True
    )
    assert result.stdout == PAIRWISE(person("42"))


def test_pairwise_depends_on_the_key_and_hides_the_subject() -> None:
    other = derivation("pairwise", OTHER_KEY)
    assert PAIRWISE(person("42")) != other(person("42"))
    assert "42" not in PAIRWISE(person("42"))
    assert "local" not in PAIRWISE(person("42"))


def test_row_122_a_name_given_again_is_another_person(database: Database) -> None:
    accounts = Accounts(database)
    provider = LocalProvider("local", accounts, lambda: 0.0)

    def user_id() -> str:
        account = accounts.add(NewAccount(name="jane", password_hash="x"))
        current = provider.current(person(account.id))
        assert current is not None
        return SUBJECT(current)

    first = user_id()
    gone = accounts.by_name("jane")
    assert gone is not None
    accounts.delete(gone.id)
    assert provider.current(person(gone.id)) is None
    assert user_id() != first


def test_modes_do_not_meet() -> None:
    identity = person("42", customer_number="local:43")
    ids = [SUBJECT(identity), PAIRWISE(identity), CLAIM(identity)]
    assert all(one != other for one, other in permutations(ids, 2))
