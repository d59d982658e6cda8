"""How long caches may keep the static files."""

from __future__ import annotations

from flask import Response, request

from ..script_files import version
from ..state import current_state
from .blueprint import blueprint

FOR_GOOD = "public, max-age=31536000, immutable"


@blueprint.after_request
def keep_versions(response: Response) -> Response:
    """Let caches keep a file for good if the address names the version that is sent.

    Any other version gets the same file, to be asked for again each time: an old page is
    better off with the new file, unless it insists on the hash.
    """
    static = current_state().settings.url_prefix + "/static/"
    named = request.query_string.removeprefix(b"v=")
    is_static = response.status_code == 200 and request.path.startswith(static)
    if not is_static or named == request.query_string:
        return response
    response.direct_passthrough = False
    if named == version(response.get_data()).encode():
        response.headers["Cache-Control"] = FOR_GOOD
    return response
