"""Sign-ins: the record of each, attempts under way, logouts, and what counts only once."""

from .attempts import Attempt, Attempts
from .sign_ins import CLOCK_TOLERANCE_SECONDS, Absence, SignIn, SignIns

__all__ = ["CLOCK_TOLERANCE_SECONDS", "Absence", "Attempt", "Attempts", "SignIn", "SignIns"]
