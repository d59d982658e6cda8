"""`make machine`: follow the page on deployment in an empty Debian, under systemd.

The commands are taken out of docs/deployment.md, word by word. Then the service is reloaded,
killed, upgraded and started again while somebody asks for tokens. It runs in a virtual machine,
whose disk is kept in build/machine and made first, as root. Needs an amd64 machine.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.trial import tell
from parts import ROOT
from support.nginx_files import HOST

from machine.drills import OVERCOME, UNNOTICED, WORKERS
from machine.image import make_image
from machine.machine import Machine, running
from machine.page import CERTIFICATE, CLONE, PASSWORD, PERSON, script

BUILD = ROOT / "build/machine"
ASK = f"python3 /root/visitor.py {HOST} {CERTIFICATE} {PERSON} {PASSWORD}"
SERVICES = "usher nginx postgresql redis-server"
IS_WELL = f"""
systemctl is-active {SERVICES}
# The sandbox lets each worker keep to one processor.
if {WORKERS} | xargs -n 1 taskset -cp | grep -v 'list: [0-9]*$'; then exit 1; fi
curl -s --cacert {CERTIFICATE} https://{HOST}/usher/health/ready | grep '"status": "ready"'
"""
SETTLE_SECONDS = 15
"""For new workers to start in an emulated machine."""
READY_SECONDS = 180
Play = Callable[[Machine, str], Iterator[str]]


def main() -> int:
    """Follow the page, do the drills, and return 1 if something is as it must not be."""
    _parser().parse_args()
    # As for an interrupt: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tell("Making the disk of an empty Debian, if there is none yet …")
    page, image = script(), make_image(BUILD / "image")
    tell("Starting the machine …")
    with running(image, BUILD / "console.log") as machine:
        tell("Following the page, about ten minutes …")
        _prepare(machine)
        followed = machine.run(page)
        if followed.status != 0:
            print(f"{followed.printed}\nBROKEN: the page, at the last line above")
            return 1
        kinds = ((_unnoticed, UNNOTICED), (_overcome, OVERCOME))
        drills = [(name, play, it) for play, them in kinds for name, it in them.items()]
        return max([_play(machine, *it) for it in drills])


def _play(machine: Machine, name: str, play: Play, script: str) -> int:
    """Do a drill; return 1 if something was as it must not be."""
    tell(f"{name} …")
    faults = list(play(machine, script))
    for fault in faults:
        print(f"BROKEN {name}: {fault}")
    return int(bool(faults))


def _prepare(machine: Machine) -> None:
    committed = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    machine.put(committed.stdout, CLONE)
    visitor = (Path(__file__).parent / "visitor.py").read_text()
    prepared = machine.run(
        f"cat > /root/visitor.py <<'PYTHON'\n{visitor}PYTHON\n"
        f"echo 127.0.0.1 {HOST} >> /etc/hosts\n"
        "apt-get update"
    )
    if prepared.status != 0:
        raise RuntimeError(prepared.printed)


def _unnoticed(machine: Machine, script: str) -> Iterator[str]:
    """Run a drill while somebody asks for tokens, and give what was wrong."""
    visitor = machine.begin(ASK)
    assert visitor.stdout is not None
    visitor.stdout.readline()
    yield from _drilled(machine, script)
    machine.run("pkill --full visitor.py")
    asked, _ = visitor.communicate()
    yield from _failed(asked)


def _overcome(machine: Machine, script: str) -> Iterator[str]:
    """Run a drill, let somebody ask for tokens, and give what was wrong."""
    yield from _drilled(machine, script)
    yield from _failed(machine.run(f"timeout 8 {ASK}").printed)


def _drilled(machine: Machine, script: str) -> Iterator[str]:
    done = machine.run(script)
    if done.status != 0:
        yield done.printed
    time.sleep(SETTLE_SECONDS)
    if not _becomes_well(machine):
        yield machine.run(f"systemctl status {SERVICES}").printed


def _becomes_well(machine: Machine) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while machine.run(IS_WELL).status != 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def _failed(printed: str) -> Iterator[str]:
    try:
        asked = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        yield f"the visitor was turned away:\n{printed}"
        return
    tell(f"  {asked['tokens']} tokens, {len(asked['failed'])} requests without one")
    yield from asked["failed"]
    if not asked["tokens"]:
        yield "no token"


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="make machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
