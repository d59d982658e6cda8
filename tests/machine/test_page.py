"""The commands of the page on deployment, as `make machine` runs them."""

from __future__ import annotations

import subprocess

from machine.page import CERTIFICATE, script


def test_the_page_still_has_what_is_replaced_in_it() -> None:
    told = script()
    subprocess.run(["bash", "-n"], input=told, text=True, check=True)
    steps = ("apt-get install", "usher.toml <<", "usher db upgrade", "enable --now usher")
    places = [told.index(it) for it in (*steps, CERTIFICATE, "usher doctor --ca-file")]
    assert places == sorted(places)
