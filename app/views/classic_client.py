"""`usher.js` for pages that take classic scripts only: the same source in another form."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from flask import Response, request

from .blueprint import blueprint

_EXPORT = re.compile(r"^export (?:async )?function (\w+)", re.M)


@blueprint.get("/static/usher.classic.js")
def classic_client() -> Response:
    """Send the client as a classic script that puts its exports on `window.usher`."""
    response = Response(_classic_client(), mimetype="text/javascript")
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def classic_form(module: str) -> str:
    """Return a module without imports as a classic script with the exports on `window.usher`.

    Its own address is that of the running script, for which it must look at once.
    """
    names = ", ".join(_EXPORT.findall(module))
    body = re.sub(r"^export ", "", module, flags=re.M)
    body = body.replace("import.meta.url", "document.currentScript.src")
    return f"(() => {{\n'use strict';\n{body}\nwindow.usher = {{ {names} }};\n}})();\n"


@cache
def _classic_client() -> str:
    source = resources.files("flask_usher") / "static/usher.js"
    return classic_form(source.read_text(encoding="utf-8"))
