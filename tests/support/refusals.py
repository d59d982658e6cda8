"""What is promised of every refusal, whatever its reason."""

from __future__ import annotations

from support.secrecy import holds_token
from support.service import USER_ID, Answer


def assert_refused(
    answer: Answer, status: int, code: str, *, event: str = "token", retry: bool = False
) -> None:
    """Check all that is promised of a refusal, whatever its reason."""
    assert_sealed(answer, status)
    assert answer.mimetype == "application/problem+json"
    problem = answer.members
    assert problem["code"] == code
    assert problem["type"].endswith(code)
    assert problem["status"] == status
    assert problem["activation"] == "none"
    assert problem.keys() & {"token", "userId", USER_ID} == set()
    assert ("sign_in_url" in problem) == (status == 401)
    assert ("Retry-After" in answer.headers) == (retry or status in {429, 503})
    assert_on_record(answer, code, event)
    assert answer.audit_lines[0]["support_id"] == problem["support_id"]


def assert_page_refused(answer: Answer, status: int, code: str) -> None:
    """Check all that is promised of a refusal that people see."""
    assert_sealed(answer, status)
    assert answer.mimetype == "text/html"
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert_on_record(answer, code, "sign-in")


def assert_sealed(answer: Answer, status: int) -> None:
    """Check the headers that every refusal has, and that it signs nobody in.

    An attempt to sign in elsewhere may be over with it.
    """
    assert answer.status_code == status, answer.text
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.getlist("Vary") == ["Origin, Cookie"]
    assert "Location" not in answer.headers
    assert "Traceback" not in answer.text
    assert not holds_token(answer.text)
    assert all(
        name.endswith("-form") or ("-attempt-" in name and not value)
        for name, value in answer.cookies
    )


def assert_on_record(answer: Answer, code: str, event: str) -> None:
    """Check that there is exactly one audit line, which says the code."""
    assert [(line["event"], line["code"]) for line in answer.audit_lines] == [(event, code)]
    assert "token_sha256" not in answer.audit_lines[0]
