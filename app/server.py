"""granian, but for its warning that so many threads are too many for the processors.

The number is meant: most of the time threads wait, for the database or a provider.

Run by its path, this file is no part of the package: workers are forked from granian's process,
and what that had imported of the package no reload would read anew.
"""

from __future__ import annotations

import logging
import runpy
import sys

LOGGER = "_granian"
UNTOLD = "Configuration allows spawning up to "


def command() -> list[str]:
    """Return the command that runs granian; its options and what it is to load follow."""
    # Without -P, the modules beside this file would pose as libraries, `limits` as one.
    return [sys.executable, "-P", __file__]


def _is_told(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(UNTOLD)


if __name__ == "__main__":
    logging.getLogger(LOGGER).addFilter(_is_told)
    runpy.run_module("granian", run_name="__main__", alter_sys=True)
