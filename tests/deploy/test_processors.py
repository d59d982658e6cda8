"""Where the workers of `usher serve` run."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.site import Serving, Site, serving, wait

pytestmark = [pytest.mark.nginx, pytest.mark.slow]

PROCESSORS = os.sched_getaffinity(0)


@pytest.fixture
def one_for_each(site: Site) -> Iterator[Serving]:
    with serving(site, len(PROCESSORS)) as server:
        yield server


def spread(server: Serving) -> Counter[frozenset[int]]:
    """Return how many workers may use which processors, with all of their threads."""
    return Counter(frozenset(used_by(it)) for it in server.workers())


def used_by(process: int) -> Iterator[int]:
    for task in Path(f"/proc/{process}/task").iterdir():
        # A thread may have ended meanwhile.
        with suppress(ProcessLookupError):
            yield from os.sched_getaffinity(int(task.name))


def test_each_worker_keeps_to_a_processor_of_its_own(one_for_each: Serving) -> None:
    each_has_one = {frozenset({it}): 1 for it in PROCESSORS}
    assert spread(one_for_each) == each_has_one
    one_for_each.reload()
    assert spread(one_for_each) == each_has_one


def test_so_does_the_one_that_takes_the_place_of_a_killed_one(one_for_each: Serving) -> None:
    killed = one_for_each.workers()[-1]
    os.kill(killed, signal.SIGKILL)
    wait(
        lambda: (
            killed not in one_for_each.workers()
            and len(one_for_each.workers()) == len(PROCESSORS)
        )
    )
    assert spread(one_for_each) == {frozenset({it}): 1 for it in PROCESSORS}


def test_workers_that_are_not_as_many_on_each_go_everywhere(site: Site) -> None:
    count = len(PROCESSORS) + 1
    with serving(site, count, **{"USHER__LIMITS__WORKERS": str(count)}) as server:
        assert spread(server) == {frozenset(PROCESSORS): count}
