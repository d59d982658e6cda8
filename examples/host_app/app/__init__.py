"""Quire, a small stationery shop with customers of its own, and Usher put onto it."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from flask_usher import Usher

from . import errors, pages, sign_in
from .customers import Customers
from .usher_identity import identify


def create_app() -> Flask:
    """Return the shop. Its database, secret and settings lie in the folder `SHOP_FOLDER`."""
    folder = Path(os.environ["SHOP_FOLDER"]).absolute()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=(folder / "shop-secret").read_text().strip(),
        SESSION_COOKIE_NAME="quire",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=os.environ.get("SHOP_HTTPS") == "1",
    )
    app.extensions["customers"] = Customers(folder / "shop.db")
    sign_in.login_manager.init_app(app)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(sign_in.blueprint)
    errors.install(app)

    # After the login manager, so that Usher sees that the shop has one.
    app.config["USHER"] = folder / "usher.toml"
    Usher(app, identify=identify)
    return app
