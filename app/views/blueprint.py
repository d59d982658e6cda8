"""The blueprint that holds every route, the static files and the pages."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint(
    "usher",
    "flask_usher",
    static_folder="static",
    static_url_path="/static",
    template_folder="templates",
)
