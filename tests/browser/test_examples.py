"""The tests that a brand may copy hold for the service as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from browser.service import PASSWORD, Service
from parts import ROOT, chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_end_to_end_example_passes(two_workers: Service) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", "examples", "examples/end_to_end"]
    environment = {
        **os.environ,
        "SHOP_URL": two_workers.shop,
        "SHOP_PASSWORD": PASSWORD,
        "CHROMIUM": str(chromium()),
    }
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert "15 passed" in run.stdout
