"""The application's log: one line of JSON for each record, whatever is in it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_usher import request_ids
from flask_usher.json_lines import JsonLines

SECRET = "violet-otter-41-harbour"


@pytest.fixture(autouse=True)
def outside_of_requests() -> Iterator[None]:
    """Forget the request that this thread has seen last, in another test."""
    token = request_ids.current.set(None)
    yield
    request_ids.current.reset(token)


@pytest.fixture
def written() -> Callable[..., dict[str, Any]]:
    """Log something; return the line, of which there must be one."""

    def log(message: str, *arguments: object, **options: Any) -> dict[str, Any]:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonLines())
        logger = logging.Logger("shop")
        logger.addHandler(handler)
        logger.error(message, *arguments, **options)
        text = stream.getvalue()
        assert text.endswith("\n")
        assert text[:-1].isascii()
        assert text[:-1].isprintable()
        line = json.loads(text)
        assert isinstance(line, dict)
        return line

    return log


Written = Callable[..., dict[str, Any]]


def test_what_a_line_says(written: Written) -> None:
    line = written("lost %d of %s", 3, "all")
    assert line.pop("time").endswith("Z")
    assert line == {"level": "error", "logger": "shop", "message": "lost 3 of all"}


@pytest.mark.parametrize(
    "text",
    ['"}\n{"message": "made up"}', "\r\n\t\0\x1b[31m\x7f\x85", "\u2028\u202e\ud800", "\\"],
    ids=["lines", "controls", "unicode", "backslash"],
)
def test_a_line_stays_one_line(written: Written, text: str) -> None:
    assert written("said %s", text)["message"] == f"said {text}"


def test_an_exception_is_told_without_what_it_says(written: Written) -> None:
    def fail(password: str) -> None:
        try:
            {}[password]
        except KeyError as error:
            raise ValueError(f"no account for {password}") from error

    try:
        fail(SECRET)
    except ValueError as error:
        line = written("it failed", exc_info=error)
    assert [it["type"] for it in line["exceptions"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    first, second = (it["at"] for it in line["exceptions"])
    assert first[-1].endswith(" in fail")
    assert f"{__file__}:" in second[-1]
    assert SECRET not in json.dumps(line)


def test_exceptions_in_a_circle_have_an_end(written: Written) -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert len(written("it failed", exc_info=one)["exceptions"]) == 2


def test_a_line_has_the_id_of_the_request(written: Written) -> None:
    token = request_ids.current.set("0af7651916cd43dd8448eb211c80319c")
    try:
        assert written("x")["request_id"] == "0af7651916cd43dd8448eb211c80319c"
    finally:
        request_ids.current.reset(token)
    assert "request_id" not in written("x")


def test_everything_that_a_process_logs_is_json() -> None:
    program = """
import logging, sys, warnings
logging.getLogger("_granian").addHandler(logging.StreamHandler())
from flask_usher.json_lines import log_as_json
log_as_json(sys.stderr)
logging.getLogger("_granian").warning("of the server")
logging.getLogger("shop").warning("of a library")
logging.getLogger("shop").info("too much")
warnings.warn("a warning")
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    lines = [json.loads(it) for it in told.stderr.splitlines()]
    assert [it["logger"] for it in lines] == ["_granian", "shop", "py.warnings"]
    assert told.stdout == b""
