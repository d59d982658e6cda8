"""The part of nginx's configuration that puts nginx in front of the service."""

from __future__ import annotations

from urllib.parse import urlsplit

from .settings import Settings

# `$host` is there in every version of HTTP, but comes without the port.
_BLOCK = """\
# Inside the server block that answers for {origin}.
underscores_in_headers off;

location {prefix}/ {{
    proxy_pass http://{upstream};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host{port};
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host{port};
    proxy_set_header Forwarded "";
    proxy_set_header X-Request-ID $request_id;
    # Else `usher check --page` sees nginx's clock, and not the service's.
    proxy_pass_header Date;
    client_max_body_size 16k;
    client_body_timeout 10s;
    proxy_connect_timeout 2s;
    proxy_send_timeout 10s;
    proxy_read_timeout 30s;

    location = {prefix}/token {{
        proxy_pass http://{upstream};
        # nginx does not repeat a POST by itself. A second token does no harm.
        proxy_next_upstream error timeout non_idempotent;
    }}
}}
"""


def nginx_block(settings: Settings, upstream: str) -> str:
    """Return the directives for the server block.

    `upstream` is where the service listens, as `proxy_pass` takes it: `127.0.0.1:8000`, or
    `unix:/run/usher.sock`.
    """
    port = urlsplit(settings.public_url).port
    return _BLOCK.format(
        origin=settings.public_url,
        prefix=settings.url_prefix,
        upstream=upstream,
        port="" if port is None else f":{port}",
    )
