"""The blueprint that holds every route and the static files."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint(
    "usher",
    "flask_usher",
    static_folder="static",
    static_url_path="/static",
)
