"""The dashboard and the alerts ask for what `usher metrics` tells, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from parts import ROOT
from prometheus_client.core import Metric
from support.prometheus import METRIC, alerts, panel_expressions, panels, prometheus
from support.server import free_port
from support.service import MakeService, Service

from flask_usher.metrics import registry_of

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def families(service: Service) -> list[Metric]:
    service.state.presence.announce()
    return list(registry_of(service.state).collect())


def test_they_ask_for_metrics_that_there_are(make_service: MakeService) -> None:
    told = {it.name + end for it in families(make_service()) for end in SUFFIXES[it.type]}
    asked = [*panel_expressions(), *(rule["expr"] for rule in alerts().values())]
    assert {name for text in asked for name in METRIC.findall(text)} <= told


def test_the_dashboard_shows_every_metric(make_service: MakeService) -> None:
    shown = " ".join(panel_expressions())
    missing = {it.name for it in families(make_service()) if it.name not in shown}
    assert missing == set()


def test_panels_stand_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
    titles = [it["title"] for it in panels() if it["type"] != "stat"]
    assert len(titles) == len(set(titles))


def test_every_metric_is_documented_with_its_labels_and_no_other(
    make_service: MakeService,
) -> None:
    text = (ROOT / "docs/monitoring.md").read_text()
    table = text.partition("| metric | labels |")[2].partition("\n\n")[0]
    told = {row.split("|")[1].strip(" `") for row in table.splitlines()[2:]}
    ends = {"counter": "_total", "gauge": "", "histogram": ""}
    assert told == {it.name + ends[it.type] for it in families(make_service())}


@contextmanager
def metrics_of(service: Service) -> Iterator[str]:
    """Run `usher metrics`; give its host and port."""
    listen = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-c", "from flask_usher.cli import main; main()", "metrics"],
        env=os.environ | service.environment | {"USHER__METRICS__LISTEN": f'"{listen}"'},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert listen in process.stdout.readline().decode()
        yield listen
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        process.wait(30)


@pytest.mark.prometheus
@pytest.mark.slow
def test_prometheus_scrapes_it_and_understands_every_expression(
    make_service: MakeService, tmp_path: Path
) -> None:
    service = make_service()
    browser = service.signed_in()
    for _ in range(3):
        assert browser.ask().status_code == 200
    service.browser().ask()
    assert service.state.outcomes.save()
    with metrics_of(service) as target, prometheus(tmp_path, target) as server:
        server.wait_for("usher_up == 1")
        (found,) = server.query("usher_tokens_granted_total")
        assert found["value"][1] == "3"
        for expression in panel_expressions():
            server.query(expression)
        (group,) = server.get("rules")["groups"]
        assert {it["name"] for it in group["rules"]} == alerts().keys()
        # Each was evaluated, with what is there.
        server.wait_for("count(ALERTS) or vector(1)")
        for rule in group["rules"]:
            server.query(rule["query"])
            assert rule["health"] != "err", rule
