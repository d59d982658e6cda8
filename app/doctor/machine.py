"""This machine: room on its disks, and who may read and change the files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ..findings import Finding, fault, ok, warning
from ..production import audit_faults
from ..settings import RedisSettings
from .subject import Subject

FULL_BYTES, SCARCE_BYTES = 100 * 1024**2, 1024**3
LARGE_AUDIT_BYTES = 10 * 1024**3
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def machine_findings(subject: Subject) -> Iterator[Finding]:
    """Judge the machine on which this command runs."""
    yield _user(subject.file)
    yield from _audit(subject)
    for name, folder in _written_folders(subject).items():
        yield _room(name, folder)
    yield from _modes(subject)


def _user(settings: Path | None) -> Finding:
    if os.geteuid() != 0:
        return ok("user", f"the user with the number {os.geteuid()}")
    variable = "" if settings is None else f"env USHER_SETTINGS={settings.absolute()} "
    return warning(
        "user",
        "root, who may read and write everything",
        "That another user can't is not seen, and files that root makes belong to root.",
        "Run it as the service's user: "
        f"runuser -u usher -- {variable}{sys.prefix}/bin/usher doctor",
    )


def _audit(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings.audit
    faults = tuple(audit_faults(subject.state))
    for it in faults:
        why = "A token is not issued without its line."
        yield fault("audit log", f"{it.path}: {it.found}", why, f"Expected: {it.expected}.")
    if faults:
        return
    where = settings.syslog or settings.file or "the standard output"
    yield ok("audit log", f"{where} takes lines")
    if settings.file is not None and settings.file.is_file():
        size = settings.file.stat().st_size
        if size > LARGE_AUDIT_BYTES:
            yield warning(
                "audit log's size",
                f"{_gibibytes(size)} in one file",
                "It grows with every page view, until the disk is full and no token is issued.",
                "Rotate it: deploy/logrotate.conf.",
            )


def _written_folders(subject: Subject) -> dict[str, Path]:
    settings, url = subject.settings, subject.state.database.url
    folders = {}
    if settings.audit.syslog is None and settings.audit.file is not None:
        folders["room for the audit log"] = settings.audit.file.parent
    if url.get_backend_name() == "sqlite" and url.database:
        folders["room for the database"] = Path(url.database).parent
    return {name: it for name, it in folders.items() if it.is_dir()}


def _room(check: str, folder: Path) -> Finding:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    # Some file systems have no fixed number of files.
    files = disk.f_favail if disk.f_files else SCARCE_BYTES
    found = f"{_gibibytes(free)} free at {folder}"
    if free < SCARCE_BYTES or files < 1000:
        judge = fault if free < FULL_BYTES or files < 100 else warning
        if files < 1000:
            found = f"room for {files} files at {folder}"
        return judge(
            check,
            found,
            "When the disk is full, no token is issued.",
            "Make room or move it to another disk; keep less of old logs.",
        )
    return ok(check, found)


def _modes(subject: Subject) -> Iterator[Finding]:
    files = _files(subject)
    open_ones = [it for it in files if _mode(it) & OTHERS_WRITE]
    folders = sorted({it.parent for it in files if _is_open(it.parent)})
    for path in (*open_ones, *folders):
        judge = fault if _mode(path) & stat.S_IWOTH else warning
        yield judge(
            f"permissions of {path.name}",
            f"others may change {path} (mode {_mode(path):04o})",
            "Whoever changes it decides who gets tokens, and for whom.",
            f"Run: chmod go-w {path}",
        )
    yield from _readable_ones(subject)
    if not open_ones and not folders:
        yield ok("permissions", f"nobody else may change the {len(files)} files in use")


def _readable_ones(subject: Subject) -> Iterator[Finding]:
    for path, others in _confidential_files(subject).items():
        mode = _mode(path)
        if mode & others:
            yield warning(
                f"permissions of {path.name}",
                f"{'everybody' if mode & stat.S_IROTH else 'its group'} may read {path} "
                f"(mode {mode:04o})",
                "It holds a password, or tells who visits and when.",
                f"Run: chmod {'go-r' if others & stat.S_IRGRP else 'o-r'} {path}",
            )


def _files(subject: Subject) -> list[Path]:
    """Return the files that decide what is in a token and who gets one."""
    settings = subject.settings
    token = settings.token
    given = [
        subject.file,
        settings.policy.file,
        Path(settings.secret_key.source),
        *(Path(it.source) for it in token.signing_key),
        Path(token.pairwise_key.source) if token.pairwise_key else None,
        *(Path(it.source) for it in token.recipient_key or ()),
    ]
    return [it for it in given if it is not None and it.is_file()]


def _confidential_files(subject: Subject) -> dict[Path, int]:
    """Return files, each with the permissions that others should not have."""
    settings, url = subject.settings, subject.state.database.url
    given = {settings.audit.file: stat.S_IROTH}
    if url.get_backend_name() == "sqlite":
        given[Path(url.database or "")] = stat.S_IROTH
    if url.password is not None or _has_password(settings.redis):
        # nginx is in the group, for the sake of the socket.
        given[subject.file] = stat.S_IRGRP | stat.S_IROTH
    return {it: others for it, others in given.items() if it is not None and it.is_file()}


def _has_password(redis: RedisSettings | None) -> bool:
    return redis is not None and urlsplit(redis.url.get_secret_value()).password is not None


def _is_open(folder: Path) -> bool:
    # In a folder with the sticky bit, such as /tmp, files are their owners'.
    mode = _mode(folder)
    return bool(mode & OTHERS_WRITE) and not mode & stat.S_ISVTX


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _gibibytes(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
