"""The workers of `usher serve`, as they tell of themselves in the database."""

from __future__ import annotations

import pytest
from support.site import Serving, Site, wait

from flask_usher.workers import seen

pytestmark = [pytest.mark.nginx, pytest.mark.slow]


def processes(site: Site) -> set[int]:
    return {it.process for it in seen(site.service.state.database, 3600)}


def test_workers_are_known_while_they_serve(site: Site, server: Serving) -> None:
    """Nobody has asked them anything."""
    wait(lambda: processes(site) == set(server.workers()))
    before = processes(site)
    assert len(before) == 2
    server.reload()
    wait(lambda: processes(site) == set(server.workers()))
    assert not before & processes(site)
    assert len({it.standing for it in seen(site.service.state.database)}) == 1
    assert server.stop() == 0
    assert processes(site) == set()
