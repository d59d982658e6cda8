"""No token without its audit line, and no line that is not whole."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from support.refusals import assert_sealed
from support.service import Answer, MakeService, Service
from support.threads import together


def assert_unavailable(answer: Answer) -> None:
    assert_sealed(answer, 503)
    assert "The decision could not be recorded" in answer.text
    assert answer.headers["Retry-After"] == "5"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def watched(make_service: MakeService, tmp_path: Path) -> Service:
    """A service whose audit log lies in a folder of its own."""
    folder = tmp_path / "audit"
    folder.mkdir()
    return make_service(audit={"file": str(folder / "audit.log")})


def test_row_165_every_token_is_on_record_and_nothing_else_is(service: Service) -> None:
    people = [service.signed_in(name) for name in ("jane", "sam", "kim")]
    stranger = service.browser()
    tokens = []
    for browser in people * 5:
        tokens.append(browser.ask().members["token"])
        browser.ask(data=b"[]")
        stranger.ask()
    assert [sha256(token.encode()).hexdigest() for token in tokens] == service.issued()
    lines = service.audit_lines()
    assert len(lines) == 3 * len(tokens)
    assert len({line["support_id"] for line in lines}) == len(lines)


def test_row_165_lines_of_many_threads_do_not_mix(make_service: MakeService) -> None:
    service = make_service(limits={"tokens_per_person": "1000 per 60 seconds"})
    browsers = [service.signed_in() for _ in range(8)]

    def ask(number: int) -> list[str]:
        return [browsers[number].ask().members["token"] for _ in range(20)]

    tokens = [token for tokens in together(8, ask) for token in tokens]
    assert sorted(service.issued()) == sorted(
        sha256(token.encode()).hexdigest() for token in tokens
    )


@pytest.mark.parametrize("opened_before", [True, False])
def test_row_165_the_folder_is_gone(watched: Service, opened_before: bool) -> None:
    browser = watched.signed_in()
    if opened_before:
        assert browser.ask().status_code == 200
    shutil.rmtree(watched.audit_file.parent)
    assert_unavailable(browser.ask())
    watched.audit_file.parent.mkdir()
    assert browser.ask().status_code == 200
    assert len(watched.issued()) == 1


def test_row_165_a_file_that_is_moved_away_is_made_again(watched: Service) -> None:
    browser = watched.signed_in()
    browser.ask()
    rotated = watched.audit_file.rename(watched.audit_file.with_suffix(".1"))
    browser.ask()
    assert len(watched.issued()) == 1
    assert rotated.read_text().count("\n") == 1
    assert watched.audit_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/token", "/sign-in", "/sign-out", "/nowhere", "/session"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_row_165_no_space_left(make_service: MakeService, path: str, method: str) -> None:
    service = make_service(audit={"file": "/dev/full"})
    assert_unavailable(service.signed_in().ask(path, method=method))


def test_row_165_no_space_left_for_the_line_of_a_sign_in(make_service: MakeService) -> None:
    service = make_service(audit={"file": "/dev/full"})
    service.add_account("jane")
    browser = service.browser()
    answer = browser.sign_in("jane")
    assert_sealed(answer, 503)
    assert browser.cookie() is None
    with service.state.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usher_sign_ins").scalar() == 0


def test_row_165_failures_use_up_no_descriptors(make_service: MakeService) -> None:
    service = make_service(audit={"file": "/dev/full"})
    browser = service.signed_in()
    browser.ask()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(60):
        browser.ask()
    # Connections to the database come and go meanwhile, in the background too.
    assert len(os.listdir("/proc/self/fd")) < before + 30


def test_row_165_a_line_that_is_cut_short_counts_as_none(service: Service) -> None:
    browser = service.signed_in()
    browser.ask()
    with files_no_larger_than(service.audit_size() + 40):
        refused = browser.post(f"{service.prefix}/token")
        assert_unavailable(refused)
    browser.post(f"{service.prefix}/token")
    browser.post(f"{service.prefix}/token")
    whole, half, *rest = service.audit_file.read_text().splitlines()
    assert (whole[-1], len(half)) == ("}", 40)
    codes = [json.loads(line)["code"] for line in rest]
    assert codes == ["lines-lost", "client-header-required", "client-header-required"]
    service.audit_file.unlink()


@pytest.mark.parametrize("file", ["directory", "loop"])
def test_row_165_a_file_that_can_not_be_opened(watched: Service, file: str) -> None:
    browser = watched.signed_in()
    if file == "directory":
        watched.audit_file.mkdir()
    else:
        watched.audit_file.symlink_to(watched.audit_file)
    answer = browser.post(f"{watched.prefix}/token")
    assert_unavailable(answer)
    watched.audit_file.rmdir() if file == "directory" else watched.audit_file.unlink()
    assert browser.ask().status_code == 200
