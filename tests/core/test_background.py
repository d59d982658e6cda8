"""The thread beside the requests: begun late, alone, and not ended before its work is done."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest
from support.threads import together

from flask_usher import background
from flask_usher.background import Background, Job
from flask_usher.database import Database
from flask_usher.outcomes.figures import totals
from flask_usher.outcomes.tables import Event


class Diary:
    """A job that writes down what is asked of it."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.threads: set[int] = set()
        self.worked = threading.Semaphore(0)

    @property
    def job(self) -> Job:
        return Job(self.work, lambda: self.entries.append("close"))

    def work(self) -> None:
        self.entries.append("work")
        self.threads.add(threading.get_ident())
        self.worked.release()

    def wait(self, times: int) -> None:
        for _ in range(times):
            assert self.worked.acquire(timeout=30)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "SECONDS", 0.01)


def test_nothing_is_done_before_the_start() -> None:
    diary = Diary()
    before = set(threading.enumerate())
    running = Background(diary.job)
    assert set(threading.enumerate()) <= before
    assert diary.entries == []
    running.close()
    assert diary.entries == ["close"]


def test_one_thread_does_the_jobs_again_and_again() -> None:
    diary = Diary()
    running = Background(diary.job)
    together(8, lambda _: running.start())
    diary.wait(5)
    assert len(diary.threads) == 1
    running.close()
    assert set(diary.entries[:-1]) == {"work"}
    assert diary.entries[-1] == "close"


def test_nothing_is_done_after_the_end() -> None:
    diary = Diary()
    running = Background(diary.job)
    running.start()
    diary.wait(1)
    running.close()
    running.start()
    running.close()
    for thread in threading.enumerate():
        if thread.ident in diary.threads:
            thread.join(30)
            assert not thread.is_alive()
    assert diary.entries.count("close") == 1
    assert diary.entries[-1] == "close"


def test_a_job_that_fails_ends_neither_itself_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    diary = Diary()

    def fail() -> None:
        raise ZeroDivisionError

    running = Background(Job(fail, fail), diary.job)
    running.start()
    diary.wait(3)
    running.close()
    assert diary.entries[-1] == "close"
    assert "a job in the background has failed" in caplog.text


def test_a_thread_that_cannot_be_had_now_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    diary = Diary()
    running = Background(diary.job)

    def fail(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        running.start()
    assert diary.entries == []
    running.start()
    diary.wait(1)
    running.close()


def test_the_child_of_a_fork_has_a_thread_of_its_own() -> None:
    """Some servers fork a process that has answered requests before."""
    diary = Diary()
    running = Background(diary.job)
    running.start()
    diary.wait(1)
    told = multiprocessing.get_context("fork").SimpleQueue()

    def serve() -> None:
        diary.threads.clear()
        running.start()
        diary.wait(2)
        told.put(os.getpid())

    child = multiprocessing.get_context("fork").Process(target=serve)
    child.start()
    child.join(30)
    running.close()
    assert child.exitcode == 0
    assert told.get() == child.pid


COUNT_AND_END = """
import multiprocessing, sys
from flask_usher import background
from flask_usher.audit import Visit
from flask_usher.database import Database
from flask_usher.outcomes.recorder import Outcomes

background.SECONDS = 3600.0

def work(url):
    outcomes = Outcomes(Database(url), lambda: 1_800_000_000.0)
    background.Background(background.Job(outcomes.save, outcomes.close)).start()
    for _ in range(3):
        outcomes("token", "issued", Visit("-", "-", None), {})

if __name__ == "__main__":
    if sys.argv[2] == "main":
        work(sys.argv[1])
    else:
        child = multiprocessing.get_context("fork").Process(target=work, args=[sys.argv[1]])
        child.start()
        child.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["main", "child"])
def test_a_process_that_ends_saves_first(sqlite_url: str, where: str) -> None:
    command = [sys.executable, "-c", COUNT_AND_END, sqlite_url, where]
    subprocess.run(command, check=True, timeout=60)
    database = Database(sqlite_url)
    assert totals(database).total(Event.GRANTED) == 3
    database.close()
