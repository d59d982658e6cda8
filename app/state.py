"""What one installation consists of, frozen when the extension has wired it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from flask import current_app

from flask_usher.providers.base import Provider

from .admission import Admission
from .audit import AuditLog
from .authentication import Authentication
from .background import Background
from .database import Database
from .limits import Limits
from .outcomes.recorder import Outcomes
from .presence import Presence
from .settings import Settings
from .sign_ins import SignIns
from .support_ids import SupportIds
from .visitor_keys import VisitorKeys

EXTENSION = "usher"


@dataclass(frozen=True, slots=True)
class State:
    """The parts that views and commands work with."""

    settings: Settings
    clock: Callable[[], float]
    database: Database
    providers: Mapping[str, Provider]
    sign_ins: SignIns
    limits: Limits
    admission: Admission
    authentication: Authentication
    audit: AuditLog
    outcomes: Outcomes
    presence: Presence
    background: Background
    support_ids: SupportIds
    visitor_keys: VisitorKeys

    def close(self) -> None:
        """Save what waits in memory, and close the database."""
        self.background.close()
        self.database.close()


def current_state() -> State:
    """Return the state of the Flask app that handles the current request."""
    return cast(State, current_app.extensions[EXTENSION])
