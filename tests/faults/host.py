"""One host: `usher serve` with two workers, started again when it ends, as systemd does."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from support.site import Serving, wait

WORKERS = 2
CLOCK = Path(__file__).parent / "clock"
SERVE = "from flask_usher.cli import main; main()"


class Host:
    """Runs in `folder`, which holds its settings, its audit log and its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "socket"
        self.policy = folder / "policy.toml"
        self.audit_file = folder / "audit/audit.log"
        self.ends = 0
        """How often it ended by itself."""
        self.reloads = 0
        self._wanted = False
        self._log = folder / "serve.log"
        with (folder / "clock").open("wb") as clock:
            clock.write(struct.pack("d", 0.0))

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self._process.pid

    def start(self) -> None:
        """Start it, keep it running, and return when all workers serve."""
        self._wanted = True
        started = threading.Event()
        self._keeper = threading.Thread(target=self._keep_running, args=(started,))
        self._keeper.start()
        started.wait()
        self.wait_until_whole()

    def stop(self) -> None:
        """Let it end its requests."""
        self._wanted = False
        self._process.terminate()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
        self._keeper.join()

    def kill(self) -> None:
        """End all its processes at once, as a host that loses its power."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Return the ids of the worker processes that have started."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return Serving(self._process, self._log).workers()
        return []

    def is_whole(self) -> bool:
        """Tell whether all workers serve."""
        return self.socket.exists() and len(self.workers()) == WORKERS

    def wait_until_whole(self) -> None:
        """Wait until all workers serve."""
        wait(self.is_whole)

    def kill_a_worker(self) -> None:
        """Kill the worker that has run for longest."""
        oldest = min(self.workers(), key=_started_at)
        with suppress(ProcessLookupError):
            os.kill(oldest, signal.SIGKILL)
        wait(lambda: oldest not in self.workers())

    def reload(self) -> None:
        """Have it read settings and code anew, and wait until new workers do all the work."""
        before = set(self.workers())
        self.reloads += 1
        self._process.send_signal(signal.SIGHUP)
        wait(lambda: self.is_whole() and not before & set(self.workers()))

    @contextmanager
    def clock_off(self, seconds: float) -> Iterator[None]:
        """Put its clock wrong for the block."""
        with (self.folder / "clock").open("r+b") as opened:
            off = mmap.mmap(opened.fileno(), 8)
        struct.pack_into("d", off, 0, seconds)
        try:
            yield
        finally:
            struct.pack_into("d", off, 0, 0.0)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `usher` with the host's settings."""
        return subprocess.run(
            [sys.executable, "-c", SERVE, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )

    def log(self) -> str:
        """Return what it wrote about itself."""
        return self._log.read_text(errors="replace")

    def _keep_running(self, started: threading.Event) -> None:
        command = [sys.executable, "-c", SERVE, "serve"]
        command += [f"--workers={WORKERS}", f"--bind=unix:{self.socket}"]
        while self._wanted:
            with self._log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    env=self._environment(),
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            started.set()
            self._process.wait()
            self.kill()
            if self._wanted:
                self.ends += 1
                time.sleep(1)

    def _environment(self) -> Mapping[str, str]:
        return os.environ | {
            "USHER_SETTINGS": str(self.folder / "usher.toml"),
            "USHER_FAULTS_CLOCK": str(self.folder / "clock"),
            "PYTHONPATH": os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]),
        }


def _started_at(process: int) -> int:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
