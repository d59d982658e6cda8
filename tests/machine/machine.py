"""A virtual machine that QEMU runs, and root's shell in it."""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from support.server import free_port

from .image import Image

MEMORY_MIB = 2048
START_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script came to."""

    status: int
    printed: str


class Machine:
    """A `with` block in which the machine runs. Its disk is forgotten at the end.

    `accelerator` is QEMU's: `tcg` emulates and works everywhere, `kvm` is ten times as fast.
    """

    def __init__(self, image: Image, log: Path, accelerator: str) -> None:
        self._image, self._log = image, log
        self._port = free_port()
        processor = {"tcg": "max", "kvm": "host"}[accelerator]
        self._command = [
            "qemu-system-x86_64",
            *("-accel", accelerator, "-cpu", processor, "-smp", "2", "-m", str(MEMORY_MIB)),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-nographic"),
            *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
            *("-drive", f"file={image.disk},if=virtio,format=raw,snapshot=on"),
            *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
        ]

    def __enter__(self) -> Machine:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def wait(self) -> None:
        """Wait until it can be reached."""
        deadline = time.monotonic() + START_SECONDS
        while self.run("true").status != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the machine does not start: {self._log}")
            time.sleep(1)

    def run(self, script: str) -> Answer:
        """Run a script of bash until a command of it fails; its commands are printed too."""
        with self.begin(f"bash -e -x -c {shlex.quote(script)}") as process:
            printed, _ = process.communicate()
        return Answer(process.returncode, printed)

    def begin(self, command: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*self._ssh(), command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def put(self, archive: bytes, folder: str) -> None:
        """Unpack a tar archive into a folder of the machine's."""
        command = f"mkdir -p {folder} && tar -x -C {folder}"
        subprocess.run([*self._ssh(), command], input=archive, check=True)

    def _ssh(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "5",
            # A machine that starts again ends no connection.
            "ServerAliveInterval": "5",
        }
        said = [word for name, it in options.items() for word in ("-o", f"{name}={it}")]
        key, port = str(self._image.key), str(self._port)
        return ["ssh", "-i", key, "-p", port, *said, "root@127.0.0.1"]

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait()
