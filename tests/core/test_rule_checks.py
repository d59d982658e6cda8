"""What an expression must be: each fault is told when the rule is written, and where it is."""

from __future__ import annotations

import pytest

from flask_usher.rules.expression_checks import FUNCTIONS
from flask_usher.rules.expression_faults import ExpressionFault
from flask_usher.rules.expressions import LONGEST, Expression
from flask_usher.rules.syntax import MACROS
from flask_usher.rules.variables import FIELDS

ALL_FUNCTIONS = ", ".join(sorted(FUNCTIONS | MACROS | {"has"}))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "!identity.claims.email_verified",
        "identity.claims.email_verified != true",
        "identity.acr != 'urn:bank:2' && !('otp' in identity.amr)",
        "now - identity.signed_in_at > duration('8h')",
        "account.created_at > now - duration('24h')",
        "identity.percentile >= 20",
        "local.time < '09:00' || local.time >= '18:00' || local.weekday > 5",
        "'09:00' <= local.time && local.weekday in [6, 7]",
        "local.date in ['2026-12-25', '2027-01-01']",
        "local.time > identity.claims.opens",
        "!has(request.origin) || request.origin != 'https://www.shop.example'",
        "!request.address.startsWith('10.')",
        "identity.claims['https://shop.example/contract'] == 'gold'",
        "identity.claims.matches == 'x' && identity.claims.size == 1",
        "identity.groups.exists(g, g.startsWith('vip-'))",
        "identity.claims.roles.exists(r, r in identity.groups)",
        "identity.groups.filter(g, g != 'a').size() > 1",
        "size(identity.groups) > 2 && identity.groups.size() < 9",
        "has(identity.acr) ? identity.acr == 'silver' : true",
        "identity.subject.matches('^[a-z]+$')",
        "identity.subject.matches(r'(?i)^(\\d+|root)$')",
        "now < timestamp('2026-12-01T00:00:00+01:00')",
        "int(identity.claims.age) < 18 || double(identity.claims.age) > 150.0",
        "false && identity.claims.age > 'x'",
        "identity.provider == 'a' // the old one\n|| identity.provider == 'b'",
        'identity.provider in ["a", r"b", """c"""]',
        "'a' in {'a': 1}",
        "identity.claims.phone == null",
    ],
)
def test_good_expressions(text: str) -> None:
    assert Expression.parse(text).text == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", f"an expression of 1 to {LONGEST} characters", id="row141-empty"),
        pytest.param(" \n", f"an expression of 1 to {LONGEST} characters", id="row141-blank"),
        pytest.param(
            "true" + " " * LONGEST,
            f"an expression of 1 to {LONGEST} characters",
            id="row141-long",
        ),
        (
            "identity.claims.email_verified == false",
            "!= true, which refuses everything else (at line 1, column 32)",
        ),
        pytest.param(
            "true ||",
            "an expression of CEL; mismatched input '<EOF>' (at line 1, column 8)",
            id="row141-half",
        ),
        pytest.param(
            "true\n&& 'a' 'b'",
            "an expression of CEL; extraneous input ''b'' expecting <EOF>"
            " (at line 2, column 8)",
            id="row141-two-texts",
        ),
        pytest.param(
            "(" * 500 + "true" + ")" * 500,
            "an expression of CEL, with fewer brackets in one another",
            id="row137-nesting",
        ),
        pytest.param(
            "identiy.acr == 'a'",
            "'identity', not 'identiy' (at line 1, column 1)",
            id="row141-typo-in-a-name",
        ),
        pytest.param(
            "true ||\n  os.environ",
            "one of account, identity, local, now, request, not 'os' (at line 2, column 3)",
            id="row141-unknown-name",
        ),
        pytest.param(
            "identity.clams.email == 'a'",
            "'claims', not 'clams' (at line 1, column 10)",
            id="row141-typo-in-a-field",
        ),
        pytest.param(
            "true || has(request.orgin)",
            "'origin', not 'orgin' (at line 1, column 21)",
            id="row141-typo-in-has",
        ),
        pytest.param(
            "account.password == 'a'",
            "one of created_at, name, not 'password' (at line 1, column 9)",
            id="row141-unknown-field",
        ),
        pytest.param(
            "identity['claims'].email == 'a'",
            "a field of it, such as identity.acr (at line 1, column 9)",
            id="row141-index",
        ),
        pytest.param(
            "r'\\' == identity.clams || '' == ''",
            "'claims', not 'clams' (at line 1, column 18)",
            id="row141-behind-a-raw-string",
        ),
        pytest.param(
            "sizee(identity.groups) > 1",
            "'size', not 'sizee' (at line 1, column 1)",
            id="row141-typo-in-a-function",
        ),
        pytest.param(
            "now.getHours() > 8",
            f"one of {ALL_FUNCTIONS}, not 'getHours' (at line 1, column 5)",
            id="row141-unknown-method",
        ),
        pytest.param(
            "identity.groups.map(g, g).size() > 1",
            f"one of {ALL_FUNCTIONS}, not 'map' (at line 1, column 17)",
            id="row137-map-multiplies",
        ),
        pytest.param(
            "identity.groups.exists(now, true)",
            "a name that is not taken (at line 1, column 24)",
            id="taken-name",
        ),
        pytest.param(
            "identity.groups.exists(g, h == 'a')",
            "one of account, identity, local, now, request, not 'h' (at line 1, column 27)",
            id="row141-unbound-name",
        ),
        pytest.param(
            "identity.groups.exists(g, true) && g == 'a'",
            "one of account, identity, local, now, request, not 'g' (at line 1, column 36)",
            id="row141-name-outside-its-brackets",
        ),
        pytest.param(
            "identity.groups.all(g, identity.amr.exists(a, a == g))",
            "one of all, exists, exists_one, filter at a time, not one in another"
            " (at line 1, column 20)",
            id="row137-loop-in-a-loop",
        ),
        pytest.param(
            "identity.groups.all(g, g in identity.amr && g in identity.claims.x)",
            "groups, amr and claims only once in all that runs for each element"
            " (at line 1, column 59)",
            id="row137-lists-in-a-loop",
        ),
        pytest.param(
            "identity.groups.exists(g, g.matches('^a$'))",
            "startsWith, endsWith or contains in exists(), which are quick"
            " (at line 1, column 29)",
            id="row137-patterns-in-a-loop",
        ),
        pytest.param(
            "true || now - identity.signed_in_at > duration('8 hours')",
            "something that can be computed, unlike \"duration('8 hours')\""
            " (at line 1, column 39)",
            id="row141-duration",
        ),
        pytest.param(
            "identity.claims.x == 'a' && now > timestamp('2026-13-01T00:00:00Z')",
            "something that can be computed, unlike \"timestamp('2026-13-01T00:00:00Z')\""
            " (at line 1, column 35)",
            id="row139-time",
        ),
        pytest.param(
            "now > timestamp(identity.claims.until)",
            "timestamp() of a text that is written out (at line 1, column 17)",
            id="row139-time-of-a-claim",
        ),
        pytest.param(
            "local.time > '9:00'",
            "a time such as '09:30' (at line 1, column 14)",
            id="row139-hour-of-one-digit",
        ),
        pytest.param(
            "true && '24:00' > local.time",
            "a time such as '09:30' (at line 1, column 9)",
            id="row139-no-such-hour",
        ),
        pytest.param(
            "local.date in ['2026-12-24', '24.12.2026']",
            "a date such as '2026-01-31' (at line 1, column 30)",
            id="row139-date",
        ),
        pytest.param(
            "local.weekday == 0",
            "a weekday, from 1 for Monday to 7 for Sunday (at line 1, column 18)",
            id="row139-weekday-0",
        ),
        pytest.param(
            "local.weekday in ['6', '7']",
            "types that go together in \"local.weekday in ['6', '7']\" (at line 1, column 1)",
            id="row139-weekday-as-text",
        ),
        pytest.param(
            "identity.groups in []",
            "a list with something in it (at line 1, column 20)",
            id="row141-empty-list",
        ),
        pytest.param(
            "'' in identity.groups",
            "a name: there are no wildcards (at line 1, column 1)",
            id="row143-empty-group",
        ),
        pytest.param(
            "!('*' in identity.groups)",
            "a name: there are no wildcards (at line 1, column 3)",
            id="row143-star",
        ),
        pytest.param(
            "identity.provider in ['a', r'*']",
            "a name: there are no wildcards (at line 1, column 28)",
            id="row143-star-in-a-list",
        ),
        pytest.param(
            "identity.provider == 1",
            "types that go together in 'identity.provider == 1' (at line 1, column 1)",
            id="row141-equality-of-types",
        ),
        pytest.param(
            "true || !(identity.amr != 'otp')",
            "types that go together in \"identity.amr != 'otp'\" (at line 1, column 11)",
            id="row141-list-and-text",
        ),
        pytest.param(
            "true || 1 in identity.groups",
            "types that go together in '1 in identity.groups' (at line 1, column 9)",
            id="row141-never-a-member",
        ),
        pytest.param(
            "'a' in 'abc'",
            "types that go together in \"'a' in 'abc'\" (at line 1, column 1)",
            id="row141-member-of-a-text",
        ),
        pytest.param(
            "true ? true : now > 5",
            "types that go together in 'now > 5' (at line 1, column 15)",
            id="row141-in-a-conditional",
        ),
        pytest.param(
            "identity.groups[99] == 'a'",
            "something that can be computed, unlike \"identity.groups[99] == 'a'\""
            " (at line 1, column 1)",
            id="row141-index-beyond",
        ),
        pytest.param(
            "identity.provider",
            "something true or false, unlike 'identity.provider' (at line 1, column 1)",
            id="row136-text-for-a-yes",
        ),
        pytest.param(
            "true && 1",
            "something true or false, unlike '1' (at line 1, column 9)",
            id="row136-number-for-a-yes",
        ),
        pytest.param(
            "has(identity.acr) ? null : true",
            "something true or false, unlike 'null' (at line 1, column 21)",
            id="row136-null-for-a-yes",
        ),
        pytest.param(
            "identity.subject.matches('[a-z]+')",
            "a regular expression for the whole text: from ^ to $, alternatives in brackets, "
            r"and \[ and \] in a class (at line 1, column 26)",
            id="row143-unanchored",
        ),
        pytest.param(
            "identity.subject.matches(identity.provider)",
            "matches() of a text that is written out (at line 1, column 26)",
            id="row143-computed-pattern",
        ),
        pytest.param(
            "identity.claims.?email == 'a'",
            "an expression of CEL; unsupported syntax '.?' (at line 1, column 16)",
            id="row141-optional",
        ),
        pytest.param(
            ".identity.clams == 'a'",
            "something that can be computed, unlike \".identity.clams == 'a'\""
            " (at line 1, column 1)",
            id="row141-leading-dot",
        ),
        pytest.param(
            "identity{claims: 1}",
            "one of account, identity, local, now, request, not 'claims'"
            " (at line 1, column 10)",
            id="row141-message",
        ),
    ],
)
def test_faults_say_what_is_expected_and_where(text: str, fault: str) -> None:
    with pytest.raises(ExpressionFault) as caught:
        Expression.parse(text)
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    "path", [f"{name}.{field}" for name, fields in FIELDS.items() for field in fields]
)
def test_every_field_can_be_used(path: str) -> None:
    assert Expression.parse(f"{path} == {path}")


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_other_field_can(name: str) -> None:
    with pytest.raises(ExpressionFault, match="unheard_of"):
        Expression.parse(f"has({name}.unheard_of)")
