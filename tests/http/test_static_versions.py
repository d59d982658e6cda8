"""How long caches may keep the client."""

from __future__ import annotations

import hashlib

import pytest
from support.service import Service

CLIENT = "/usher/static/usher.js"


def version(service: Service) -> str:
    return hashlib.sha384(service.browser().get(CLIENT).get_data()).hexdigest()[:16]


def test_the_version_of_just_this_file_may_be_kept_for_good(service: Service) -> None:
    answer = service.browser().get(f"{CLIENT}?v={version(service)}")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.get_data() == service.browser().get(CLIENT).get_data()


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef", "?w={0}", "?v={0}0"])
def test_any_other_address_is_asked_again_each_time(query: str, service: Service) -> None:
    answer = service.browser().get(CLIENT + query.format(version(service)))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_nothing_but_static_files_is_ever_kept(service: Service) -> None:
    live = "/usher/health/live"
    digest = hashlib.sha384(service.browser().get(live).get_data()).hexdigest()[:16]
    answer = service.browser().get(f"{live}?v={digest}")
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_address_that_is_no_text_is_turned_away(service: Service) -> None:
    sent = {"QUERY_STRING": b"v=\xff\xfe".decode("latin-1")}
    answer = service.browser().get("/usher/static/usher.js", environ_overrides=sent)
    assert answer.status_code == 400
