"""The files of `deploy/nginx`, written for this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parts import ROOT

HOST = "www.shop.example"
UPSTREAM = "server unix:/run/usher/usher.sock max_fails=0;"


@dataclass(frozen=True)
class NginxFiles:
    """Where nginx listens and what it asks; `changes` are texts to replace in `usher.conf`."""

    folder: Path
    port: int
    plain_port: int
    certificate: Path
    sockets: Sequence[Path]
    workers: str = "1"
    changes: Mapping[str, str] = field(default_factory=dict)

    def write(self) -> list[str]:
        """Write the files; return the arguments that make nginx read them."""
        second = "[::1]" if has_ipv6() else "127.0.0.2"
        tries = "\n    ".join(
            UPSTREAM.replace("/run/usher/usher.sock", str(it)) for it in self.sockets
        )
        _write(
            ROOT / "deploy/nginx/usher.conf",
            self.folder / "conf.d/usher.conf",
            {
                "listen 80": f"listen 127.0.0.1:{self.plain_port}",
                "listen 443": f"listen 127.0.0.1:{self.port}",
                "listen [::]:80": f"listen {second}:{self.plain_port}",
                "listen [::]:443": f"listen {second}:{self.port}",
                UPSTREAM: tries,
                f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(self.certificate),
                f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(self.certificate),
                "/var/log/nginx": str(self.folder),
                **self.changes,
            },
        )
        paths = "".join(
            f"    {kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        _write(
            ROOT / "deploy/nginx/nginx.conf",
            self.folder / "nginx.conf",
            {
                "user www-data;": "user root;" if os.geteuid() == 0 else "",
                "/run/nginx.pid": f"{self.folder}/nginx.pid",
                "worker_processes auto": f"worker_processes {self.workers}",
                "/var/log/nginx": str(self.folder),
                "/etc/nginx/conf.d": f"{self.folder}/conf.d",
                "    server_tokens off;\n": f"    server_tokens off;\n{paths}",
            },
        )
        return ["-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")]


def has_ipv6() -> bool:
    """Tell whether this machine has a loopback address of IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def _write(source: Path, target: Path, changes: Mapping[str, str]) -> None:
    text = source.read_text()
    for old, new in changes.items():
        assert old in text, f"{source.name} no longer says {old!r}"
        text = text.replace(old, new)
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
