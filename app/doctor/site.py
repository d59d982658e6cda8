"""The site as browsers see it: asked at public_url, through whatever stands before it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from ..findings import Finding, fault, ok, warning
from ..page_findings import findings, origin_findings
from ..page_origins import Relation, relation
from ..page_probe import Answer, Probe, Unreachable, trusted_certificates
from ..settings import Settings
from .subject import Subject

TIMEOUT_SECONDS = 5
SOON_DAYS, TOO_SOON_DAYS = 21, 7
DAY = 24 * 3600
HEALTHY = frozenset({"ready", "degraded"})


def site_findings(subject: Subject) -> Iterator[Finding]:
    """Judge what the running service answers at its public address."""
    settings, ca_file = subject.settings, subject.ca_file
    address = settings.public_url + settings.url_prefix
    if settings.secure:
        yield from _certificate(settings.public_url, ca_file)
    own = Probe(settings, settings.public_url, ca_file)
    try:
        answers = own.ask()
        health = own.get("/health/ready")
    except Unreachable as error:
        yield fault(
            "connection",
            f"{address}: {error}",
            "What this machine can't reach, visitors may not reach either.",
            "Look at the name, the firewall, the certificate and the server in front.",
        )
        return
    yield ok("connection", f"{address} answers")
    yield _health(health)
    script = (resources.files("flask_usher") / "static/usher.js").read_bytes()
    yield from findings(settings, settings.public_url, answers, script)
    for origin in settings.allowed_origins:
        yield from _origin(settings, origin, ca_file)


def _origin(settings: Settings, origin: str, ca_file: Path | None) -> Iterator[Finding]:
    if relation(origin, settings.public_url) is Relation.SAME_ORIGIN:
        return
    try:
        answers = Probe(settings, origin, ca_file).ask()
    except Unreachable as error:
        yield fault(
            f"connection for {origin}",
            str(error),
            "A moment ago the service answered.",
            "Run this command again, and look at the server's load.",
        )
        return
    for it in origin_findings(settings, origin, answers):
        yield Finding(f"{it.check} for {origin}", it.verdict, it.found, it.remedy, it.why)


def _health(answer: Answer) -> Finding:
    told = answer.json_object()
    status, checks = told.get("status"), told.get("checks")
    if not isinstance(status, str) or not isinstance(checks, dict):
        return ok("readiness", f"not public: answered with {answer.status}")
    bad = ", ".join(f"{name}: {it}" for name, it in checks.items() if it != "ok")
    if status == "ready":
        return ok("readiness", "ready")
    judge = warning if status in HEALTHY else fault
    return judge(
        "readiness",
        f"{status} ({bad})",
        "The service says so of itself.",
        "See what is found above, and the service's log.",
    )


def _certificate(origin: str, ca_file: Path | None) -> Iterator[Finding]:
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context(cafile=trusted_certificates(ca_file))
    try:
        with (
            socket.create_connection((host, port), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            ends = ssl.cert_time_to_seconds(str((connection.getpeercert() or {})["notAfter"]))
            version = connection.version()
    except ssl.SSLCertVerificationError as error:
        yield fault(
            "certificate",
            f"is refused: {error.verify_message}",
            "Browsers show a warning in the place of the page, and ask for no token.",
            "Renew it, for this name, and let the server send the whole chain. One of your own "
            "authority: --ca-file.",
        )
        return
    except OSError:
        # The connection as such is judged next.
        return
    days = (ends - time.time()) / DAY
    found = f"trusted, good for {days:.0f} more days; {version}"
    if days >= SOON_DAYS:
        yield ok("certificate", found)
        return
    judge = fault if days < TOO_SOON_DAYS else warning
    yield judge(
        "certificate",
        found,
        "When it has expired, no browser asks for a token.",
        "See why it is not renewed by itself: certbot renew --dry-run",
    )
