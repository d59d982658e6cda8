"""One root for all errors, and the table of every code that leaves the service.

A code is stable: front ends, dashboards and the documentation rely on it. The page of each
code in the documentation says more than the two sentences here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Literal

Activation = Literal["none", "anonymous"]
"""What a refusal makes the page do: nothing, or an anonymous chat."""


class Code(StrEnum):
    """Why there is no token."""

    NO_SESSION = "no-session"
    SESSION_EXPIRED = "session-expired"
    ACCOUNT_INACTIVE = "account-inactive"
    IDENTITY_UNUSABLE = "identity-unusable"
    NOT_ALLOWED = "not-allowed"
    PAUSED = "paused"
    OPERATORS_ONLY = "operators-only"
    CROSS_ORIGIN = "cross-origin"
    CLIENT_HEADER_REQUIRED = "client-header-required"
    HTTPS_REQUIRED = "https-required"
    HOST_NOT_ALLOWED = "host-not-allowed"
    MALFORMED_REQUEST = "malformed-request"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONTENT_TOO_LARGE = "content-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    TOO_MANY_REQUESTS = "too-many-requests"
    SIGN_IN_FAILED = "sign-in-failed"
    FORM_EXPIRED = "form-expired"
    SIGN_IN_REJECTED = "sign-in-rejected"
    SIGN_IN_DECLINED = "sign-in-declined"
    INVALID_TOKEN = "invalid-token"  # noqa: S105
    INSUFFICIENT_SCOPE = "insufficient-scope"
    AMBIGUOUS_CREDENTIALS = "ambiguous-credentials"
    SESSION_LIMIT = "session-limit"
    INTERNAL_ERROR = "internal-error"
    STORE_UNAVAILABLE = "store-unavailable"
    PROVIDER_UNAVAILABLE = "provider-unavailable"
    AUDIT_UNAVAILABLE = "audit-unavailable"
    KEY_UNAVAILABLE = "key-unavailable"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a code means to those who receive it (RFC 9457).

    `detail` says what to do; `sign_in_helps` that signing in (again) would mend it;
    `retryable` that the same request may succeed later, with nobody doing anything.
    """

    status: HTTPStatus
    title: str
    detail: str
    sign_in_helps: bool = False
    retryable: bool = False


PROBLEMS: dict[Code, Problem] = {
    Code.NO_SESSION: Problem(
        HTTPStatus.UNAUTHORIZED,
        "Nobody is signed in",
        "Sign in first. If you just did, the browser did not send the sign-in cookie.",
        sign_in_helps=True,
    ),
    Code.SESSION_EXPIRED: Problem(
        HTTPStatus.UNAUTHORIZED,
        "The sign-in has expired",
        "Sign in again.",
        sign_in_helps=True,
    ),
    Code.ACCOUNT_INACTIVE: Problem(
        HTTPStatus.FORBIDDEN,
        "The account is not active",
        "The account was disabled or removed. Its operator can enable it.",
    ),
    Code.IDENTITY_UNUSABLE: Problem(
        HTTPStatus.FORBIDDEN,
        "The person has no usable identifier",
        "The operator must look at the setting token.user_id and at this person's record.",
    ),
    Code.NOT_ALLOWED: Problem(
        HTTPStatus.FORBIDDEN,
        "The policy does not allow a token",
        "The operator's policy decides who may chat; the audit line names the rule.",
    ),
    Code.PAUSED: Problem(
        HTTPStatus.FORBIDDEN,
        "The chat is paused",
        "The operator has paused the authenticated chat for everybody. Try again later.",
        retryable=True,
    ),
    Code.OPERATORS_ONLY: Problem(
        HTTPStatus.FORBIDDEN,
        "This page is for operators",
        "Whoever looks after the accounts can put you into the operators' group.",
    ),
    Code.CROSS_ORIGIN: Problem(
        HTTPStatus.FORBIDDEN,
        "The request comes from a page that is not allowed",
        "The operator can add the page's origin to allowed_origins.",
    ),
    Code.CLIENT_HEADER_REQUIRED: Problem(
        HTTPStatus.FORBIDDEN,
        "The header X-Usher-Client is missing or malformed",
        "Use usher.js, or send the header with the name of the client, such as my-app/1.0.",
    ),
    Code.HTTPS_REQUIRED: Problem(
        HTTPStatus.FORBIDDEN,
        "The request came over plain http",
        "Use https. Behind a proxy, the operator must set proxy.trusted_addresses.",
    ),
    Code.HOST_NOT_ALLOWED: Problem(
        HTTPStatus.BAD_REQUEST,
        "The Host header is not that of this service",
        "Use the address in the setting public_url.",
    ),
    Code.MALFORMED_REQUEST: Problem(
        HTTPStatus.BAD_REQUEST,
        "The request could not be understood",
        "Send what the documentation of this address names, once, in UTF-8.",
    ),
    Code.NOT_FOUND: Problem(
        HTTPStatus.NOT_FOUND,
        "There is nothing at this address",
        "Check the address: a slash at its end or another letter case counts.",
    ),
    Code.METHOD_NOT_ALLOWED: Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "This address does not answer that method",
        "Use one of the methods in the Allow header.",
    ),
    Code.CONTENT_TOO_LARGE: Problem(
        HTTPStatus.CONTENT_TOO_LARGE
        if hasattr(HTTPStatus, "CONTENT_TOO_LARGE")
        else HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The request body is too large",
        "Send a smaller body.",
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The request body has the wrong type",
        "Send Content-Type: application/json.",
    ),
    Code.TOO_MANY_REQUESTS: Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests",
        "Wait for the time that the Retry-After header gives.",
        retryable=True,
    ),
    Code.SIGN_IN_FAILED: Problem(
        HTTPStatus.UNAUTHORIZED,
        "The name or the password is wrong",
        "Check both and try again.",
        sign_in_helps=True,
    ),
    Code.FORM_EXPIRED: Problem(
        HTTPStatus.BAD_REQUEST,
        "The sign-in form has expired, or cookies are blocked",
        "Allow cookies for this site, then open the sign-in page again.",
        sign_in_helps=True,
    ),
    Code.SIGN_IN_REJECTED: Problem(
        HTTPStatus.BAD_REQUEST,
        "The sign-in could not be completed",
        "It took too long, was finished before, or the provider's answer could not be believed."
        " Start again from the sign-in page.",
        sign_in_helps=True,
    ),
    Code.SIGN_IN_DECLINED: Problem(
        HTTPStatus.FORBIDDEN,
        "The sign-in was declined",
        "The identity provider was not allowed to say who you are.",
        sign_in_helps=True,
    ),
    Code.INVALID_TOKEN: Problem(
        HTTPStatus.UNAUTHORIZED,
        "The access token is not accepted",
        "Get a new access token for this service, and send it in the Authorization header.",
    ),
    Code.INSUFFICIENT_SCOPE: Problem(
        HTTPStatus.FORBIDDEN,
        "The access token does not allow this",
        "The operator lists the apps that may ask and the scope that their tokens need.",
    ),
    Code.AMBIGUOUS_CREDENTIALS: Problem(
        HTTPStatus.BAD_REQUEST,
        "The request speaks for two people",
        "Send the sign-in cookie or an access token, not both.",
    ),
    Code.SESSION_LIMIT: Problem(
        HTTPStatus.FORBIDDEN,
        "Signed in on too many devices",
        "Sign out on another device first.",
    ),
    Code.INTERNAL_ERROR: Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong on our side",
        "Try again later. The operator finds the cause in the log by the support id.",
        retryable=True,
    ),
    Code.STORE_UNAVAILABLE: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer",
        "Try again in a few seconds.",
        retryable=True,
    ),
    Code.PROVIDER_UNAVAILABLE: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The identity provider does not answer",
        "Try again in a few seconds.",
        retryable=True,
    ),
    Code.AUDIT_UNAVAILABLE: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The decision could not be recorded",
        "No token is issued without its audit line. The operator must mend the audit log.",
        retryable=True,
    ),
    Code.KEY_UNAVAILABLE: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The key for tokens is not available",
        "Try again in a few seconds. The operator finds out more with: usher keys status.",
        retryable=True,
    ),
}

RETRY_AFTER_FAULT_SECONDS = 5
RETRY_AFTER_PAUSE_SECONDS = 30


class UsherError(Exception):
    """The root of all errors that Usher raises on purpose.

    `code` names the problem; `retry_after` is in seconds, `None` where waiting does not help.
    `reason` is for the operator's audit line.
    """

    code = Code.INTERNAL_ERROR
    retry_after: int | None = None
    reason: str | None = None


class StoreUnavailable(UsherError):
    """The database did not answer in time."""

    code = Code.STORE_UNAVAILABLE
    retry_after = RETRY_AFTER_FAULT_SECONDS


class AuditUnavailable(UsherError):
    """The audit line could not be written."""

    code = Code.AUDIT_UNAVAILABLE
    retry_after = RETRY_AFTER_FAULT_SECONDS


class KeyUnavailable(UsherError):
    """A key that tokens are made with is away for now, or not on this host; see `reason`."""

    code = Code.KEY_UNAVAILABLE
    retry_after = RETRY_AFTER_FAULT_SECONDS

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Paused(UsherError):
    """The operator has paused the chat; `reason` may say why."""

    code = Code.PAUSED
    retry_after = RETRY_AFTER_PAUSE_SECONDS

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason or None


class TooManyRequests(UsherError):
    """A limit was reached; `retry_after` says when the next try may succeed."""

    code = Code.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class Rejected(UsherError):
    """A request that is turned away before any decision, with the `code` that says why."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code


class SettingsError(UsherError):
    """The settings have faults; `faults` holds every one of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults

    @property
    def is_of_pin(self) -> bool:
        """Whether a token has refused a PIN: to start again with it may lock the token."""
        return any(isinstance(it, RefusedPin) for it in self.faults)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in the settings: where, what was found (never a secret), what is expected."""

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; expected {self.expected}"


@dataclass(frozen=True, slots=True)
class RefusedPin(Fault):
    """A PIN that a token has refused."""
