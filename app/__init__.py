"""Usher: tokens for iAdvize's authenticated chat, for signed-in visitors and nobody else."""

from __future__ import annotations

from .admission import Admission, Credentials
from .audit import Visit
from .errors import PROBLEMS, Code, Fault, Problem, SettingsError, UsherError
from .extension import Usher
from .factory import create_app
from .policy import Facts, Issue, Refuse, Rule
from .settings import Settings
from .signals import sign_in_failed, signed_in, signed_out, token_issued, token_refused
from .state import State, current_state

__all__ = [
    "PROBLEMS",
    "Admission",
    "Code",
    "Credentials",
    "Facts",
    "Fault",
    "Issue",
    "Problem",
    "Refuse",
    "Rule",
    "Settings",
    "SettingsError",
    "State",
    "Usher",
    "UsherError",
    "Visit",
    "create_app",
    "current_state",
    "sign_in_failed",
    "signed_in",
    "signed_out",
    "token_issued",
    "token_refused",
]
