"""The shop's own page for what goes wrong in the shop."""

from __future__ import annotations

from flask import Flask, render_template
from werkzeug.exceptions import HTTPException

from .guard import HEADERS

WORDS = {404: "There is no such page. Perhaps the address has a slip of the pen in it."}


def install(app: Flask) -> None:
    """Answer errors of the app with a page of the shop."""

    @app.errorhandler(HTTPException)
    def show(error: HTTPException) -> tuple[str, int, dict[str, str]]:
        code = error.code or 500
        words = WORDS.get(code, error.description)
        return render_template("shop/error.html", code=code, words=words), code, HEADERS
