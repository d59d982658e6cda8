"""The audit log: its lines, where they go, and how they are read again."""

from .log import AuditLog, Details, Observer, Visit

__all__ = ["AuditLog", "Details", "Observer", "Visit"]
