"""The policy in force, and its successor when the operator changes the settings."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..configuration import PolicySource
from ..errors import Fault, SettingsError
from ..rules.settings import PolicySettings
from .policy import Policy

LOOK_SECONDS = 0.5
Stamps = dict[Path, tuple[int, int, int] | None]
logger = logging.getLogger(__name__)


class Policies:
    """Gives the policy of the newest settings that are good, without a restart.

    Files are looked at when a policy is asked for, at most twice a second. What has changed is
    read once it has stayed the same from one look to the next, as half a file may be good
    TOML. Settings with a fault, or whose tests fail, leave the policy before them in force.

    `build` makes a policy of its settings; `monotonic` gives seconds that never go back;
    `faulty` is called when what has changed is not taken.
    """

    def __init__(
        self,
        settings: PolicySettings,
        build: Callable[[PolicySettings], Policy],
        source: PolicySource | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        faulty: Callable[[], None] = lambda: None,
    ) -> None:
        self._build = build
        self._tell_faulty = faulty
        self._source = source
        self._monotonic = monotonic
        self._policy = build(settings)
        self._fault: SettingsError | None = None
        # Unknown: what was written since the settings were read is seen by reading them again.
        self._loaded: Stamps = {}
        self._pending = _stamps(source.files() if source else ())
        self._look_at = monotonic() + LOOK_SECONDS
        self._lock = threading.Lock()

    def current(self) -> Policy:
        """Return the policy in force, whole: it does not change under the caller."""
        if self._source is not None and self._monotonic() >= self._look_at:
            self._look(self._source)
        return self._policy

    @property
    def fault(self) -> SettingsError | None:
        """What is wrong with what was read last, `None` when that is in force."""
        return self._fault

    def _look(self, source: PolicySource) -> None:
        # Whoever finds somebody looking goes on with the policy in force.
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._look_at = self._monotonic() + LOOK_SECONDS
            stamps = _stamps(self._pending)
            if stamps != self._pending:
                self._pending = stamps
            elif stamps != self._loaded:
                self._loaded = stamps
                self._reload(source)
        finally:
            self._lock.release()

    def _reload(self, source: PolicySource) -> None:
        try:
            # What is faulty now may be mended where the settings say so, or as it was before.
            # Stamps are of before the read: whoever writes meanwhile is seen at the next look.
            named = _stamps(source.files())
            self._loaded = self._pending = named | self._loaded
            settings = source.load()
            self._check_emptied(settings)
            policy = self._build(settings)
        except SettingsError as error:
            self._fault = error
            self._tell_faulty()
            paths = ", ".join(fault.path for fault in error.faults)
            logger.error(
                "the new policy has faults (%s); %s stays in force. Run: usher policy test",
                paths,
                self._policy.version,
            )
            return
        except Exception:
            # A fault of ours must not end the policy in force either.
            self._fault = SettingsError(())
            self._tell_faulty()
            logger.exception("the new policy can't be loaded")
            return
        self._fault = None
        self._loaded = self._pending = {file: self._loaded[file] for file in named}
        if policy.version != self._policy.version:
            logger.warning(
                "the policy is now %s; before: %s", policy.version, self._policy.version
            )
        self._policy = policy

    def _check_emptied(self, settings: PolicySettings) -> None:
        # A file that a full disk or an editor has emptied is good TOML.
        if self._policy.settings.rules and "rules" not in settings.model_fields_set:
            expected = "rules; write rules = [] to have none any more"
            raise SettingsError((Fault("policy.rules", "nothing", expected),))


def _stamps(files: Iterable[Path]) -> Stamps:
    return {file: _file_stamp(file) for file in files}


def _file_stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
