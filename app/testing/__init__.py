"""Fakes that behave, and what every identity provider must do: for tests of one's own.

Plain classes and functions; any test runner will do.
"""

from __future__ import annotations

from .clock import Clock
from .forgery import GENUINE, Forgery, base64url, signed_token
from .http_exchange import Drip, HangUp, Reply, Request
from .openid_behaviour import FLAWLESS, Behaviour, Endpoint, Late
from .openid_clients import Client
from .openid_people import JANE, JOHN, Person, Session
from .openid_provider import FakeOpenIdProvider
from .openid_tokens import FakeTokenIssuer
from .signing import BitFlipped, FixedSignature, Honest, MacWith, SignedWith, SigningKey

__all__ = [
    "FLAWLESS",
    "GENUINE",
    "JANE",
    "JOHN",
    "Behaviour",
    "BitFlipped",
    "Client",
    "Clock",
    "Drip",
    "Endpoint",
    "FakeOpenIdProvider",
    "FakeTokenIssuer",
    "FixedSignature",
    "Forgery",
    "HangUp",
    "Honest",
    "Late",
    "MacWith",
    "Person",
    "Reply",
    "Request",
    "Session",
    "SignedWith",
    "SigningKey",
    "base64url",
    "signed_token",
]
