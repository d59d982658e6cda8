"""The pages that people see, in a template environment of our own.

That of the host app may be set not to escape, and what it adds to every page may fail or look
into its session.
"""

from __future__ import annotations

from pathlib import Path

from flask import url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
)


def render(template: str, **values: object) -> str:
    """Return the page that a template makes of these values."""
    return _environment.get_template(template).render(
        values,
        icon=url_for("usher.static", filename="icon.svg"),
        stylesheet=url_for("usher.static", filename="usher.css"),
    )
