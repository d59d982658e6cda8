"""The one place that says which refusal an error amounts to."""

from __future__ import annotations

import logging

from flask_usher.providers.base import CredentialsRefused, ProviderUnavailable

from .errors import RETRY_AFTER_FAULT_SECONDS, Code, UsherError
from .policy import Refuse

_CODES = {
    "invalid_request": Code.MALFORMED_REQUEST,
    "invalid_token": Code.INVALID_TOKEN,
    "insufficient_scope": Code.INSUFFICIENT_SCOPE,
}
logger = logging.getLogger(__name__)


def refusal_of(error: Exception, support_id: str) -> Refuse:
    """Return the refusal; errors that nobody foresaw are logged with the support id."""
    if isinstance(error, UsherError):
        return Refuse(error.code, error.reason, retry_after=error.retry_after)
    if isinstance(error, CredentialsRefused):
        return Refuse(_CODES[error.error], error.reason)
    if isinstance(error, ProviderUnavailable):
        return Refuse(Code.PROVIDER_UNAVAILABLE, retry_after=RETRY_AFTER_FAULT_SECONDS)
    logger.error("an unforeseen error (%s)", support_id, exc_info=error)
    return Refuse(Code.INTERNAL_ERROR)
