"""Counting the requests, by route and class of status."""

from __future__ import annotations

from time import perf_counter

from flask import Flask, Response

from ..outcomes.labels import OTHER
from ..state import State
from .visits import current_request

BEGAN = "flask_usher.began"


class RequestMeter:
    """Sees each request below the prefix before anybody else, and its answer after them.

    A route is the rule below the prefix, such as `/token`; what has none is `other`.
    """

    def __init__(self, state: State) -> None:
        self._outcomes = state.outcomes
        self._prefix = state.settings.url_prefix

    def install(self, app: Flask) -> None:
        """Put it around the app's requests."""
        app.before_request(self._begin)
        app.after_request(self._end)

    def _begin(self) -> None:
        current_request().environ[BEGAN] = perf_counter()

    def _end(self, response: Response) -> Response:
        request = current_request()
        if request.path.startswith(f"{self._prefix}/"):
            rule = request.url_rule
            route = OTHER if rule is None else rule.rule.removeprefix(self._prefix)
            seconds = perf_counter() - request.environ.get(BEGAN, perf_counter())
            self._outcomes.request(route, response.status_code, seconds)
        return response
