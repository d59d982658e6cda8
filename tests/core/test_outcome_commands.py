"""`usher outcomes` and `usher metrics`: the figures for people, programs and Prometheus."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.command_line import CommandLine, command_line
from support.server import free_port

from flask_usher import schema
from flask_usher.database import Database
from flask_usher.outcomes.reports import read
from flask_usher.outcomes.store import Batch, save, thin
from flask_usher.outcomes.tables import DAY, MINUTE, Event, Key

__all__ = ["command_line"]

NOW = int(time.time())


@pytest.fixture
def database(command_line: CommandLine) -> Iterator[Database]:
    """The command's database, with some outcomes of a minute ago and of last week."""
    database = Database(command_line.database_url)
    for ago, number in ((MINUTE, 10), (7 * DAY, 100)):
        minute = (NOW - ago) // MINUTE * MINUTE
        keys = {
            Key(minute, Event.GRANTED, ""): number,
            Key(minute, Event.REFUSED, "no-session"): 4,
        }
        save(database, Batch(Counter(keys)), NOW)
    for number, members in enumerate(
        [
            {"status": "activated", "timings": {"token_ms": 90, "activated_ms": 900}},
            {"status": "activated", "mode": "anonymous"},
            {"status": "failed", "reason": "=HYPERLINK(\"x\")\x1b[31m"},
            {"status": "failed", "reason": "invalid key"},
        ]
    ):  # fmt: skip
        form = {"v": 1, "mode": "secured", "support_id": f"A{number}"} | members
        report = read(json.dumps(form).encode())
        save(database, Batch(reports=[(NOW - MINUTE, report)]), NOW)
    yield database
    database.close()


@pytest.mark.usefixtures("database")
def test_the_terminal_tells_what_became_of_tokens(command_line: CommandLine) -> None:
    told = command_line.succeed("outcomes")
    rows = {line[:36].strip(): line[36:].split() for line in told.splitlines()}
    assert rows["tokens granted"] == ["10"]
    assert rows["activated"] == ["1", "10.0", "%"]
    assert rows["never activated"] == ["9", "90.0", "%"]
    assert rows["iAdvize said no"] == ["2"]
    assert rows["no report"] == ["7"]
    assert rows["anonymous chats"] == ["1"]
    assert rows["no-session"] == ["4"]
    assert rows["invalid-key"] == ["1"]
    assert rows["until the chat was active"] == ["900", "ms"]
    assert "\x1b" not in told


@pytest.mark.usefixtures("database")
def test_the_same_for_programs(command_line: CommandLine) -> None:
    told = json.loads(command_line.succeed("outcomes", "--since", "30d", "--json"))
    assert (told["granted"], told["activated"], told["never_activated"]) == (110, 1, 109)
    assert told["by_label"]["refused"] == {"no-session": 8}
    assert sum(step["granted"] for step in told["steps"]) == 110


@pytest.mark.usefixtures("database")
def test_no_cell_is_a_formula(command_line: CommandLine) -> None:
    told = command_line.succeed("outcomes", "--since", "1h", "--csv")
    head, *rows = csv.reader(io.StringIO(told))
    assert head[:3] == ["start", "granted", "refused"]
    assert len(rows) == 61
    assert not [it for row in (head, *rows) for it in row if it[:1] in "=+-@\t\r" and it]
    assert [it for it in head if "HYPERLINK" in it]
    assert sum(int(row[1]) for row in rows) == 10


def test_with_nothing_counted(command_line: CommandLine) -> None:
    assert "tokens granted" in command_line.succeed("outcomes")
    assert "Medians" not in command_line.succeed("outcomes")


def test_misuse(command_line: CommandLine) -> None:
    assert "either" in command_line.fail("outcomes", "--json", "--csv", code=2)
    assert "[metrics]" in command_line.fail("metrics")


def test_old_tables_are_said_to_be_old(command_line: CommandLine) -> None:
    database = Database(command_line.database_url)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0003'")
    try:
        assert "usher db upgrade" in command_line.fail("outcomes")
    finally:
        with database.writing() as connection:
            connection.exec_driver_sql(
                f"UPDATE {schema.VERSION_TABLE} SET version_num = '{schema.HEAD}'"
            )
        database.close()


@contextmanager
def listening(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run `usher metrics` and give its address."""
    listen = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("USHER__METRICS__LISTEN", f'"{listen}"')
    process = command_line.process("metrics", stdout=-1)
    assert process.stdout is not None
    try:
        assert listen in process.stdout.readline().decode()
        yield f"http://{listen}/metrics"
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        process.wait(15)


def samples(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.slow
def test_prometheus_gets_counters_that_never_fall(
    command_line: CommandLine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(command_line, monkeypatch) as address:
        found = samples(address)
        assert found["usher_up"] == 1
        assert found["usher_tokens_granted_total"] == 110
        assert found['usher_tokens_refused_total{code="no-session"}'] == 8
        assert found['usher_activations_total{mode="secured"}'] == 1
        assert found['usher_activation_failures_total{reason="other"}'] == 1
        assert found['usher_activation_seconds_bucket{le="1.0"}'] == 1
        assert found['usher_activation_seconds_bucket{le="+Inf"}'] == 1
        thin(database, NOW + 200 * DAY)
        assert samples(address) == found
        save(database, Batch(Counter({Key(NOW, Event.GRANTED, ""): 1})), NOW)
        assert samples(address)["usher_tokens_granted_total"] == 111
        assert "HYPERLINK" not in str(found)


@pytest.mark.slow
def test_row_186_metrics_are_on_their_own_listener_and_tell_only_numbers(
    command_line: CommandLine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(command_line, monkeypatch) as address:
        with urllib.request.urlopen(address, timeout=10) as answer:
            told = answer.read().decode()
        for secret in (command_line.database_url, str(command_line.folder), "python", "SHA256"):
            assert secret not in told
        # A second one can't take its place.
        assert "can't be had" in command_line.fail("metrics")
