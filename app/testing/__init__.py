"""Fakes that behave, and what every identity provider must do: for tests of one's own.

Plain classes and functions; any test runner will do.
"""

from __future__ import annotations

from .chat_tokens import ChatTokenAbout, ChatTokens
from .clock import Clock
from .forgery import GENUINE, Forgery, base64url, signed_token
from .form_contract import FormProviderContract
from .hostile_texts import HOSTILE_TEXTS
from .http_exchange import Drip, HangUp, Reply, Request
from .openid_behaviour import FLAWLESS, Behaviour, Endpoint, Late
from .openid_clients import Client
from .openid_people import JANE, JOHN, Person, Session
from .openid_provider import FakeOpenIdProvider
from .openid_tokens import FakeTokenIssuer
from .provider_contract import ProviderContract
from .redirect_contract import RedirectProviderContract
from .request_contract import RequestProviderContract
from .signing import BitFlipped, FixedSignature, Honest, MacWith, SignedWith, SigningKey

__all__ = [
    "FLAWLESS",
    "GENUINE",
    "HOSTILE_TEXTS",
    "JANE",
    "JOHN",
    "Behaviour",
    "BitFlipped",
    "ChatTokenAbout",
    "ChatTokens",
    "Client",
    "Clock",
    "Drip",
    "Endpoint",
    "FakeOpenIdProvider",
    "FakeTokenIssuer",
    "FixedSignature",
    "Forgery",
    "FormProviderContract",
    "HangUp",
    "Honest",
    "Late",
    "MacWith",
    "Person",
    "ProviderContract",
    "RedirectProviderContract",
    "Reply",
    "Request",
    "RequestProviderContract",
    "Session",
    "SignedWith",
    "SigningKey",
    "base64url",
    "signed_token",
]
