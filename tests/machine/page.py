"""What `docs/deployment.md` tells to do on an empty machine, as one script."""

from __future__ import annotations

import re

from parts import ROOT
from support.nginx_files import HOST
from support.pages import replaced

SECTIONS = (
    "What is needed",
    "A user, and places",
    "Keys and settings",
    "The service",
    "TLS and nginx",
)
BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.M | re.S)
CLONE = "/root/usher"
SETTINGS = "/etc/usher/usher.toml"
PERSON, PASSWORD = "jane", "violet-otter-41-harbour"
CERTIFICATE = f"/etc/letsencrypt/live/{HOST}/fullchain.pem"
KEY = f"/etc/letsencrypt/live/{HOST}/privkey.pem"
CHANGES = {
    # No authority signs for this name.
    f"certbot certonly --standalone --domain {HOST}": (
        f"install -d {CERTIFICATE.rpartition('/')[0]}\n"
        f"openssl req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN={HOST}"
        f" -addext subjectAltName=DNS:{HOST} -keyout {KEY} -out {CERTIFICATE}"
    ),
    "YOUR.SITE": HOST,
    f"usher users add {PERSON}": f"echo {PASSWORD} | usher users add {PERSON}",
    "usher doctor\n": f"usher doctor --ca-file {CERTIFICATE}\n",
}


def script() -> str:
    """Return the commands of the page, for a clone of the repository in `CLONE`.

    What can't be had here is replaced.
    """
    page = (ROOT / "docs/deployment.md").read_text()
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## )", page, re.M | re.S))
    told = (block for name in SECTIONS for block in BLOCK.findall(sections[name]))
    return f"cd {CLONE}\n" + replaced(
        "".join(_command(kind, text) for kind, text in told), CHANGES
    )


def _command(kind: str, text: str) -> str:
    return text if kind == "sh" else f"cat > {SETTINGS} <<'TOML'\n{text}TOML\n"
