"""What an operator does to a running service, or what happens to it."""

from __future__ import annotations

from dataclasses import dataclass

from .page import CLONE, SETTINGS

WORKER = 'pgrep --parent "$(systemctl show --property MainPID --value usher)"'


@dataclass(frozen=True, slots=True)
class Drill:
    """A script, during which nobody goes without a token if `is_lossless`."""

    name: str
    script: str
    is_lossless: bool = True


DRILLS = (
    Drill("reload", "systemctl reload usher"),
    Drill(
        "reload with a fault in the settings",
        f"""sed -i 's/^workers = 2/workers = "two"/' {SETTINGS}
if systemctl reload usher; then exit 1; fi
journalctl --unit usher --lines 20 | grep 'expected  a whole number'
sed -i 's/^workers = "two"/workers = 2/' {SETTINGS}
systemctl reload usher""",
    ),
    Drill("kill -9 of a worker", f"kill -9 $({WORKER} | tail -n 1)"),
    Drill(
        "rotation of the audit log",
        """logrotate --force /etc/logrotate.d/usher
sleep 5
test -s /var/log/usher/audit.log""",
    ),
    Drill("restart of Redis", "systemctl restart redis-server"),
    Drill(
        "new release",
        f"""cd {CLONE}
rm -rf build *.egg-info
/opt/usher/bin/pip install -c requirements/constraints.txt '.[serve,postgresql,redis]'
usher db upgrade
systemctl reload usher""",
    ),
    Drill(
        "kill -9 of the service",
        "systemctl kill --signal KILL --kill-whom main usher",
        is_lossless=False,
    ),
    Drill("restart", "systemctl restart usher", is_lossless=False),
    Drill(
        "start of the machine", "systemd-run --on-active 1 systemctl reboot", is_lossless=False
    ),
)
