"""What an operator does to a running service, or what happens to it, as scripts by name."""

from __future__ import annotations

from .page import CLONE, SETTINGS

WORKERS = 'pgrep --parent "$(systemctl show --property MainPID --value usher)"'
UNNOTICED = {
    "reload": "systemctl reload usher",
    "reload with a fault in the settings": f"""
sed -i 's/^workers = 2/workers = "two"/' {SETTINGS}
if systemctl reload usher; then exit 1; fi
journalctl --unit usher --lines 20 | grep 'expected  a whole number'
sed -i 's/^workers = "two"/workers = 2/' {SETTINGS}
systemctl reload usher
""",
    "kill -9 of a worker": f"kill -9 $({WORKERS} | tail -n 1)",
    "rotation of the audit log": """
logrotate --force /etc/logrotate.d/usher
sleep 5
test -s /var/log/usher/audit.log
""",
    "restart of Redis": "systemctl restart redis-server",
    "new release": f"""
cd {CLONE}
rm -rf build *.egg-info
/opt/usher/bin/pip install -c requirements/constraints.txt '.[serve,postgresql,redis]'
usher db upgrade
systemctl reload usher
""",
}
"""During these nobody goes without a token."""
OVERCOME = {
    "kill -9 of the service": "systemctl kill --signal KILL --kill-whom main usher",
    "restart": "systemctl restart usher",
    "start of the machine": "systemd-run --on-active 1 systemctl reboot",
}
"""After these there are tokens again."""
