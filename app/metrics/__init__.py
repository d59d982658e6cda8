"""What Prometheus is told."""

from .registry import registry_of

__all__ = ["registry_of"]
