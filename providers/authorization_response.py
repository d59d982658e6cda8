"""What the browser brings back from a provider (OpenID Connect Core 3.1.2.5, RFC 9207)."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Mapping, Sequence

from .base import ProviderUnavailable, SignInDeclined, SignInFailed

logger = logging.getLogger(__name__)

# RFC 6749, appendix A.11; the length is that of the longest in use, and some more.
_CODE = re.compile(r"[ -~]{1,4096}")

_PERSONS_ANSWERS = {
    "access_denied": "access-denied",
    "login_required": "login-required",
    "interaction_required": "interaction-required",
    "consent_required": "consent-required",
    "account_selection_required": "account-selection-required",
}
_PROVIDERS_FAULTS = frozenset({"server_error", "temporarily_unavailable"})
_OPERATORS_FAULTS = frozenset(
    {
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_response_type",
        "request_not_supported",
    }
)


def read_code(
    query: Mapping[str, Sequence[str]], *, state: str, issuer: str, names_itself: bool
) -> str:
    """Return the authorization code in `query`.

    `state` is that of the attempt; `names_itself` tells whether the issuer sends `iss` always.
    Raises `SignInFailed`, `SignInDeclined` or `ProviderUnavailable`. Nothing that the provider
    says in words (`error_description`) goes any further.
    """
    if any(len(values) != 1 for values in query.values()):
        raise SignInFailed("response-malformed")
    response = {name: values[0] for name, values in query.items()}
    if not _is_same(response.get("state", ""), state):
        raise SignInFailed("state-mismatch")
    # Before anything is sent anywhere: the answer may come from another provider.
    if response.get("iss", None if names_itself else issuer) != issuer:
        raise SignInFailed("response-issuer-mismatch")
    if "error" in response:
        if "code" in response:
            raise SignInFailed("response-malformed")
        raise _refusal(response["error"], issuer)
    code = response.get("code", "")
    if _CODE.fullmatch(code) is None:
        raise SignInFailed("response-malformed")
    return code


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _refusal(error: str, issuer: str) -> Exception:
    if error in _OPERATORS_FAULTS:
        logger.error("%s does not accept how we ask: %s", issuer, error)
        return ProviderUnavailable(f"the provider answered {error}")
    if error in _PROVIDERS_FAULTS:
        return ProviderUnavailable(f"the provider answered {error}")
    if error in _PERSONS_ANSWERS:
        return SignInDeclined(_PERSONS_ANSWERS[error])
    return SignInFailed("provider-error")
