"""The files that hold keys and secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .faults import KeyFault

MAXIMUM_FILE_BYTES = 64 * 1024


def write_private_file(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600, whole or not at all.

    Raises `FileExistsError` when it is already there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
    except OSError:
        path.unlink()
        raise


def read_private_file(path: Path) -> bytes:
    """Return what is in a file that only its owner may read. Raises `KeyFault`."""
    content = read_file(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFault(
            str(path),
            f"can be read or changed by others (mode {mode:04o})",
            f"Run: chmod 600 {path}",
        )
    return content


def read_file(path: Path) -> bytes:
    """Return what is in a file of at most 64 KiB that holds something. Raises `KeyFault`."""
    try:
        if not stat.S_IMODE(path.stat().st_mode) & 0o400:
            # The superuser could read it all the same, and would only there.
            raise PermissionError
        with path.open("rb") as file:
            content = file.read(MAXIMUM_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise KeyFault(
            str(path), "does not exist", "Check the path, or make it with: usher keys --help"
        ) from error
    except IsADirectoryError as error:
        raise KeyFault(str(path), "is a directory", "Give the path of a file") from error
    except PermissionError as error:
        raise KeyFault(
            str(path),
            "may not be read by this user",
            f"Run as the file's owner: chmod 600 {path}",
        ) from error
    except (OSError, ValueError) as error:
        raise KeyFault(str(path), "cannot be read", "Check the path") from error
    if not content.strip():
        raise KeyFault(str(path), "is empty", "Restore it, or make it with: usher keys --help")
    if len(content) > MAXIMUM_FILE_BYTES:
        raise KeyFault(str(path), "is too large for a key", "Check the path")
    return content
