"""Limits on how often somebody may do something, and what counts it: memory or Redis."""

from .limits import Limits, Standing
from .shared_counters import make_counters

__all__ = ["Limits", "Standing", "make_counters"]
