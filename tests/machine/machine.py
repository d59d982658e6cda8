"""A virtual machine that QEMU emulates, and root's shell in it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.server import free_port
from support.site import wait

from .image import Image

MEMORY_MIB = 2048
START_SECONDS = 300
OPTIONS = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ConnectTimeout": "5",
    # A machine that starts again ends no connection.
    "ServerAliveInterval": "5",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script came to."""

    status: int
    printed: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A running machine; `key` is root's."""

    port: int
    key: Path

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
        said = [word for name, it in OPTIONS.items() for word in ("-o", f"{name}={it}")]
        return ["ssh", "-i", str(self.key), "-p", str(self.port), *said, "root@127.0.0.1"]


@contextmanager
def running(image: Image, log: Path) -> Iterator[Machine]:
    """Run a machine for the block. Its disk is forgotten at the end."""
    machine = Machine(free_port(), image.key)
    command = [
        "qemu-system-x86_64",
        *("-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-nographic"),
        *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
        *("-drive", f"file={image.disk},if=virtio,format=raw,snapshot=on"),
        *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{machine.port}-:22"),
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait(
            lambda: process.poll() is not None or machine.run("true").status == 0, START_SECONDS
        )
        if process.poll() is not None:
            raise RuntimeError(f"the machine does not start: {log}")
        yield machine
    finally:
        process.terminate()
        process.wait()
