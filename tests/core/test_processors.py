"""Which processor a worker keeps to."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import pytest

from flask_usher import processors
from flask_usher.processors import keep_to_one, least_used


@pytest.mark.parametrize(
    ("kept", "chosen"),
    [
        pytest.param([], 4, id="nobody"),
        pytest.param([(4, 100)], 5, id="one-is-free"),
        pytest.param([(4, 100), (5, 101), (7, 102), (4, 103)], 5, id="the-fewest"),
        pytest.param([(4, 100), (5, 101), (7, 102)], 4, id="a-reload-begins"),
        pytest.param([(4, 100), (5, 101), (7, 102), (4, 200)], 5, id="a-reload-goes-on"),
        pytest.param([(4, 200), (5, 101), (7, 102)], 5, id="its-first-old-one-has-ended"),
        pytest.param([(4, 200), (5, 201), (7, 102)], 7, id="a-reload-ends"),
        pytest.param([(4, 100), (7, 102)], 5, id="one-was-killed"),
        pytest.param([(0, 100), (1, 101)], 4, id="elsewhere"),
    ],
)
def test_it_is_the_one_that_the_fewest_keep_to(
    kept: Sequence[tuple[int, int]], chosen: int
) -> None:
    assert least_used({7, 5, 4}, kept) == chosen


@pytest.mark.parametrize("refused", ["sched_setaffinity", "sched_getaffinity"])
def test_a_system_that_refuses_keeps_no_worker_from_serving(
    refused: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = os.sched_getaffinity(0)
    monkeypatch.setattr(processors.os, refused, refuse)
    with caplog.at_level(logging.WARNING):
        keep_to_one()
    monkeypatch.undo()
    assert os.sched_getaffinity(0) == before
    (message,) = caplog.messages
    assert message == "this worker can't keep to one processor: Operation not permitted"
