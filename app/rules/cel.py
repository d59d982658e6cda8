"""The interpreter of the Common Expression Language: the extension module of the package `cel`.

`import cel` would load that package's command line as well, with its terminal libraries: 28 MiB
and a third of a second in each worker.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cel import Context, Program

MODULE = "cel.cel"


@cache
def _extension() -> Any:
    if MODULE in sys.modules:
        return sys.modules[MODULE]
    package = importlib.util.find_spec("cel")
    folders = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(MODULE, folders)
    if spec is None or spec.loader is None:
        raise ImportError("the package common-expression-language is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Whoever imports the whole package later must get this one: it can't be loaded twice.
    sys.modules[MODULE] = module
    return module


def compile_program(text: str) -> Program:
    """Return the program for an expression. Raises `ValueError` when it is none."""
    program: Program = _extension().compile(text)
    return program


def make_context(variables: dict[str, Any]) -> Context:
    """Return what programs are run with. Raises `ValueError` for values that CEL has not."""
    context: Context = _extension().Context(variables)
    return context
