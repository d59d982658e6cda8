"""Changing keys: what the database says of each, the ceremony, and the keys in force."""

from .ceremony import Ceremony, StepRefused
from .records import KeyRecord, KeyState, Purpose
from .ring import KeyRing

__all__ = ["Ceremony", "KeyRecord", "KeyRing", "KeyState", "Purpose", "StepRefused"]
