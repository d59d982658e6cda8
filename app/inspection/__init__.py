"""Opening a token as iAdvize does, and saying what is wrong with it."""

from .checks import CHECKS, USER_ID, VISITOR_DATA
from .inspection import Inspection, inspect_token

__all__ = ["CHECKS", "USER_ID", "VISITOR_DATA", "Inspection", "inspect_token"]
