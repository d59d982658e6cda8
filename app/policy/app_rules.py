"""The rules that the app brings as functions: bounded in time, and never trusted."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace

from ..errors import Code, Problem
from ..rules.tables import ISSUED
from .policy import Facts, Refuse, Rule

LONGEST_SECONDS = 1.0
THREADS = 8
logger = logging.getLogger(__name__)


class AppRules:
    """Asks rules in order, and refuses when all of them together take more than a second.

    A rule returns `None` when it has nothing against a token. One that raises, or returns
    anything but a `Refuse`, refuses. Rules run in a thread of their own, with the context of
    the request; while 8 of them hang, everybody is refused.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def __call__(self, facts: Facts) -> Refuse | None:
        """Return the first refusal, if any. Never raises."""
        try:
            future = self._started_pool().submit(copy_context().run, self._ask, facts)
        except RuntimeError:
            # The process is ending, or can have no more threads.
            logger.exception("the app's policy rules can't run, which refuses")
            return Refuse(Code.NOT_ALLOWED, "the app's rules can't run")
        try:
            return future.result(LONGEST_SECONDS)
        except TimeoutError:
            future.cancel()
            logger.error("the app's policy rules took too long, which refuses")
            return Refuse(Code.NOT_ALLOWED, "the app's rules took too long")

    def _ask(self, facts: Facts) -> Refuse | None:
        for rule in self._rules:
            refusal = _apply(rule, facts)
            if refusal is not None:
                return refusal
        return None

    def _started_pool(self) -> ThreadPoolExecutor:
        # Not at once: a server may fork between start and the first request.
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="usher-rules")
            return self._pool


def _apply(rule: Rule, facts: Facts) -> Refuse | None:
    name = getattr(rule, "__name__", type(rule).__name__)
    try:
        refusal = rule(facts)
    except BaseException:
        # In a thread of its own, even SystemExit is only this rule's failure.
        logger.exception("the policy rule %s failed, which refuses", name)
        return Refuse(Code.NOT_ALLOWED, f"the rule {name} failed", rule=name)
    if refusal is None:
        return None
    if isinstance(refusal, Refuse) and _can_be_recorded(refusal):
        return replace(refusal, rule=name)
    return Refuse(Code.NOT_ALLOWED, f"the rule {name} gave no decision", rule=name)


def _can_be_recorded(refusal: Refuse) -> bool:
    # A line that says "issued" must have a token.
    has_own_code = isinstance(refusal.own_problem, Problem) and refusal.code != ISSUED
    return isinstance(refusal.reason, str | None) and (
        isinstance(refusal.code, Code) or has_own_code
    )
