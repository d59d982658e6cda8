"""The import rules: one name for each module, and one direction."""

from __future__ import annotations

import pytest
from package.sources import Source, all_sources, package_sources

import flask_usher

LAYERS = """
    cli migrations testing
    doctor
    account_files production
    page_findings key_findings
    embedding nginx_block page_probe
    serving
    factory watchdog
    extension
    tracing
    sandbox host_identity signals metrics
    spans
    views
    state
    admission authentication outcomes presence
    explanation key_rotation
    audit self_test recent_failures background workers
    minter refusals problem_details
    policy
    limits
    sign_ins user_ids support_ids configuration registry schema inspection proxies
    visitor_keys settings openid_registry pauses
    provider_settings rules
    json_lines
    setting_types clocks
    database
    timing
    keys
    keyed_digests timestamps errors page_origins script_files request_ids findings
    whole_answers server processors
"""
"""The modules and packages of `app`. Imports go down: never up, never to the same line."""

HEIGHT = {
    name: -line for line, names in enumerate(LAYERS.split("\n")) for name in names.split()
}
ABOVE_THE_LINE = HEIGHT["state"]

APP = package_sources("app")
PROVIDERS = package_sources("providers")


def _part(module: str) -> str:
    """Return the first name below `flask_usher`."""
    return module.removeprefix("flask_usher").lstrip(".").partition(".")[0]


def _imported_parts(source: Source) -> set[str]:
    return {
        _part(it.module) or it.name
        for it in source.imports
        if it.module.split(".")[0] == "flask_usher"
    }


@pytest.mark.parametrize("source", all_sources(), ids=str)
def test_nothing_is_imported_by_the_name_of_its_folder(source: Source) -> None:
    # It would load every class a second time, and `app` is a name that host projects use.
    roots = {it.module.split(".")[0] for it in source.imports}
    assert not roots & {"app", "providers"}


# Alembic runs env.py by its path, outside of any package.
@pytest.mark.parametrize("source", [it for it in APP if it.path.name != "env.py"], ids=str)
def test_app_is_relative_inside_and_absolute_towards_providers(source: Source) -> None:
    for it in source.imports:
        if _part(it.module) == "providers" or it.name == "providers":
            assert it.level == 0
        elif it.module.split(".")[0] == "flask_usher":
            assert it.level > 0


@pytest.mark.parametrize("source", PROVIDERS, ids=str)
def test_providers_know_nothing_of_the_app(source: Source) -> None:
    ours = {it for it in source.imports if it.module.split(".")[0] == "flask_usher"}
    assert all(it.level > 0 and _part(it.module) == "providers" for it in ours)


@pytest.mark.parametrize("source", PROVIDERS, ids=str)
def test_providers_know_nothing_of_http(source: Source) -> None:
    assert not {it.module.split(".")[0] for it in source.imports} & {
        "flask",
        "flask_login",
        "werkzeug",
    }


@pytest.mark.parametrize(
    "source", [it for it in APP if it.module != "flask_usher"], ids=lambda it: it.module
)
def test_imports_go_down(source: Source) -> None:
    own = _part(source.module)
    others = _imported_parts(source) - {own, "providers"}
    assert own in HEIGHT, "a new module: give it a line in LAYERS"
    assert {it for it in others if HEIGHT[it] >= HEIGHT[own]} == set()


@pytest.mark.parametrize(
    "source",
    [it for it in APP if HEIGHT.get(_part(it.module), 0) < ABOVE_THE_LINE],
    ids=lambda it: it.module,
)
def test_the_line_and_all_below_it_know_nothing_of_flask(source: Source) -> None:
    assert not {it.module.split(".")[0] for it in source.imports} & {"flask", "flask_login"}


@pytest.mark.parametrize("source", APP, ids=str)
def test_only_views_read_the_request(source: Source) -> None:
    if _part(source.module) in {"views", "sandbox"}:
        return
    names = {it.name for it in source.imports if it.module == "flask"}
    assert not names & {"request", "session", "g"}


def test_the_entry_point_for_servers_uses_the_front_door_only() -> None:
    (wsgi,) = (source for source in all_sources() if str(source) == "wsgi.py")
    assert {it.module for it in wsgi.imports} == {"flask_usher"}


def test_the_front_door_names_what_it_promises_and_holds_no_logic() -> None:
    (door,) = (source for source in APP if source.module == "flask_usher")
    imported = {it.name for it in door.imports if it.module != "__future__"}
    assert set(flask_usher.__all__) == imported
    assert all(hasattr(flask_usher, name) for name in flask_usher.__all__)
