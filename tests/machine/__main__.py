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
from collections.abc import Iterator
from pathlib import Path

from faults.trial import tell
from parts import ROOT
from support.nginx_files import HOST

from machine.drills import DRILLS, Drill
from machine.image import make_image
from machine.machine import Machine
from machine.page import CERTIFICATE, CLONE, PASSWORD, PERSON, script

BUILD = ROOT / "build/machine"
ASK = f"python3 /root/visitor.py {HOST} {CERTIFICATE} {PERSON} {PASSWORD}"
SERVICES = "usher nginx postgresql redis-server"
IS_WELL = f"""
systemctl is-active {SERVICES}
curl -s --cacert {CERTIFICATE} https://{HOST}/usher/health/ready | grep '"status": "ready"'
"""
SETTLE_SECONDS = 15
"""For new workers to start in an emulated machine."""
READY_SECONDS = 180


def main() -> int:
    """Follow the page, do the drills, and return 1 if something is as it must not be."""
    arguments = _arguments()
    # As for an interrupt: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tell("Making the disk of an empty Debian, if there is none yet …")
    page, image = script(), make_image(BUILD / "image")
    tell("Starting the machine …")
    with Machine(image, BUILD / "console.log", arguments.accelerator) as machine:
        tell("Following the page, about ten minutes …")
        _prepare(machine)
        followed = machine.run(page)
        if followed.status != 0:
            print(f"{followed.printed}\nBROKEN: the page, at the last line above")
            return 1
        faults = [(it.name, fault) for it in DRILLS for fault in _play(machine, it)]
    for name, fault in faults:
        print(f"BROKEN {name}: {fault}")
    return int(bool(faults))


def _prepare(machine: Machine) -> None:
    committed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True)
    machine.put(committed.stdout, CLONE)
    visitor = (Path(__file__).parent / "visitor.py").read_text()
    machine.run(
        f"cat > /root/visitor.py <<'PYTHON'\n{visitor}PYTHON\n"
        f"echo 127.0.0.1 {HOST} >> /etc/hosts\n"
        "apt-get update"
    )


def _play(machine: Machine, drill: Drill) -> Iterator[str]:
    """Do a drill, and give what was wrong."""
    tell(f"{drill.name} …")
    visitor = machine.begin(ASK)
    done = machine.run(drill.script)
    if done.status != 0:
        yield done.printed
    time.sleep(SETTLE_SECONDS)
    if not _becomes_well(machine):
        yield machine.run(f"systemctl status {SERVICES}").printed
    machine.run("pkill --full visitor.py")
    asked, _ = visitor.communicate()
    if not drill.is_lossless:
        asked = machine.run(f"timeout 8 {ASK}").printed
    yield from _failed(asked)


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--accelerator",
        choices=["tcg", "kvm"],
        default="tcg",
        help="QEMU's: tcg emulates and works everywhere, kvm is faster (default: tcg)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
