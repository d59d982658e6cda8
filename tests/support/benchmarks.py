"""The modules of `benchmarks`, which is no part of the path on which the suite looks."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from parts import ROOT

FOLDER = ROOT / "benchmarks"


def benchmark(name: str) -> ModuleType:
    """Return the module of this name below `benchmarks`."""
    if "benchmarks" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "benchmarks", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["benchmarks"])
    return importlib.import_module(f"benchmarks.{name}")
