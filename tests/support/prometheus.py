"""Prometheus' own programs, as judges of what is written for it."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from parts import ROOT, prometheus_program
from support.server import free_port

RULES = ROOT / "deploy/prometheus/rules.yml"
CONFIGURATION = ROOT / "deploy/prometheus/prometheus.yml"
DASHBOARD = ROOT / "deploy/grafana/usher.json"
# What Grafana puts in before it asks.
RATE_INTERVAL = "$__rate_interval"
METRIC = re.compile(r"\busher_[a-z0-9_]+")


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alert rules by name."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard, without the rows that only part them."""
    board = json.loads(DASHBOARD.read_text())
    return [it for it in board["panels"] if it["type"] != "row"]


def panel_expressions() -> list[str]:
    """Return what the dashboard asks Prometheus."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [it.replace(RATE_INTERVAL, "5m") for it in asked]


def promtool(*arguments: object, given: str | None = None) -> str:
    """Run promtool and return what it says; it must find no fault."""
    result = subprocess.run(
        [str(prometheus_program("promtool")), *map(str, arguments)],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Server]:
    """Run Prometheus with our files; it asks `target`, a host and port, every second."""
    text = CONFIGURATION.read_text()
    assert '"127.0.0.1:9464"' in text
    text = text.replace('"127.0.0.1:9464"', f'"{target}"').replace(
        "_interval: 15s", "_interval: 1s"
    )
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules.yml").write_text(RULES.read_text())
    server = Server(f"http://127.0.0.1:{free_port()}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(prometheus_program()),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={server.address.removeprefix('http://')}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        server.wait_for("up == 1")
        yield server
    finally:
        process.terminate()
        process.wait()


class Server:
    """A running Prometheus."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of the API."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            answered = json.load(answer)
        assert answered["status"] == "success"
        return answered["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression gives now."""
        found = self.get("query", query=expression)["result"]
        assert isinstance(found, list)
        return found

    def wait_for(self, expression: str) -> None:
        """Wait until an expression gives something."""
        until = time.monotonic() + 30
        while True:
            try:
                if self.query(expression):
                    return
            except (OSError, urllib.error.HTTPError):
                pass
            assert time.monotonic() < until, f"{expression} gives nothing"
            time.sleep(0.2)
