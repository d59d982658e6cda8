"""PostgreSQL fails in all the ways that it can: no token, nobody signed out, and it heals."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from parts import postgresql_programs
from support.postgresql import USER, PostgresqlServer
from support.refusals import assert_page_refused, assert_refused
from support.service import USER_ID, Answer, Browser, LogText, MakeService, Service
from support.site import wait
from support.tcp_proxy import TcpProxy, tcp_proxy
from support.threads import together

from flask_usher import schema
from flask_usher.database import WRITERS, Database
from flask_usher.outcomes import store
from flask_usher.outcomes.tables import Event, Key

pytestmark = pytest.mark.postgresql

SOMETIMES = """
CREATE SEQUENCE asked;
CREATE FUNCTION fails_half_the_time() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF nextval('asked') % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
  RETURN true;
END $$;
ALTER TABLE usher_accounts RENAME TO accounts;
CREATE VIEW usher_accounts AS
  SELECT * FROM (SELECT fails_half_the_time() AS good) AS luck CROSS JOIN accounts WHERE good;
"""
COUNTED = Counter({Key(0, Event.GRANTED, ""): 1})
MENDED = "DROP VIEW usher_accounts; ALTER TABLE accounts RENAME TO usher_accounts"


@dataclass
class Shop:
    """A service whose database is behind a network that can fail; jane has signed in."""

    server: PostgresqlServer
    database: str
    network: TcpProxy
    service: Service
    jane: Browser

    def execute(self, statement: str) -> None:
        """Run a statement past the network."""
        self.server.execute(statement, self.database)

    def value(self, statement: str) -> object:
        """Return the one value that a statement reads."""
        with self.service.state.database.reading() as connection:
            return connection.exec_driver_sql(statement).scalar()

    def readiness(self) -> tuple[int, str]:
        """Return the status of the answer and the verdict on the database."""
        answer = self.service.browser().get("/usher/health/ready")
        return answer.status_code, answer.members["checks"]["database"]

    def assert_heals(self) -> None:
        """Check that all is well again soon, for whoever was signed in and for others."""
        wait(lambda: self.jane.ask().status_code == 200)
        assert self.jane.user_id() == self.service.user_id_of("jane")
        assert self.readiness() == (200, "ok")
        assert self.service.browser().sign_in("jane").status_code == 303


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A server that may be stopped, and forgets nothing then."""
    programs = postgresql_programs()
    assert programs is not None
    server = PostgresqlServer(programs, "synchronous_commit = on")
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def network(server: PostgresqlServer) -> Iterator[TcpProxy]:
    with tcp_proxy(server.socket) as proxy:
        yield proxy


@pytest.fixture
def shop(server: PostgresqlServer, network: TcpProxy, make_service: MakeService) -> Shop:
    name = server.create_database()
    database = Database(server.url(name))
    schema.upgrade(database)
    database.close()
    url = f"postgresql+psycopg://{USER}@127.0.0.1:{network.port}/{name}"
    service = make_service(database={"url": url})
    # What it does beside the requests would take connections of its own.
    service.state.background.close()
    return Shop(server, name, network, service, service.signed_in("jane"))


def assert_away(shop: Shop, answer: Answer | None = None) -> None:
    """Check that jane gets no token, and stays signed in."""
    cookie = shop.jane.cookie()
    assert_refused(answer or shop.jane.ask(), 503, "store-unavailable")
    assert shop.jane.cookie() == cookie


def test_row_164_killed_and_started_again(shop: Shop) -> None:
    assert shop.jane.ask().status_code == 200
    shop.server.stop()
    try:
        for _ in range(3):
            assert_away(shop)
        assert_page_refused(shop.service.browser().sign_in("jane"), 503, "store-unavailable")
        assert shop.readiness() == (503, "unavailable")
    finally:
        shop.server.start()
    shop.assert_heals()


def test_row_164_a_restart_between_two_requests_is_not_noticed(shop: Shop) -> None:
    release = threading.Barrier(4)

    def ask_before_and_after(number: int) -> list[int]:
        before = shop.jane.ask().status_code
        if release.wait() == 0:
            shop.server.stop()
            shop.server.start()
        release.wait()
        if number == 3:
            return [before, shop.readiness()[0]]
        return [before, shop.jane.ask().status_code]

    assert together(4, ask_before_and_after) == [[200, 200]] * 4
    assert shop.service.browser().sign_in("jane").status_code == 303


@contextmanager
def standby_gone(shop: Shop) -> Iterator[None]:
    """Let commits wait for a standby that is not there."""
    shop.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
    shop.execute("SELECT pg_reload_conf()")
    try:
        wait(lambda: shop.value("SHOW synchronous_standby_names") == "gone")
        yield
    finally:
        shop.execute("ALTER SYSTEM RESET synchronous_standby_names")
        shop.execute("SELECT pg_reload_conf()")


def test_what_tokens_need_waits_for_no_standby(shop: Shop, log: LogText) -> None:
    state = shop.service.state
    shop.service.clock.advance(120)
    with standby_gone(shop):
        assert shop.jane.ask().status_code == 200
        store.save(state.database, store.Batch(COUNTED), state.clock())
        store.thin(state.database, state.clock())
        state.presence.announce()
        assert shop.jane.ask().status_code == 200
    assert shop.value("SELECT last_seen_at FROM usher_sign_ins") == shop.service.clock.now
    assert shop.value("SELECT count(*) FROM usher_workers") == 1
    assert shop.value("SELECT sum(count) FROM usher_outcomes") == 1
    assert log.text == ""


@pytest.mark.parametrize("fault", ["row164-silent", "row164-5-seconds-late"])
def test_one_that_does_not_answer_is_asked_by_few(shop: Shop, fault: str) -> None:
    assert shop.jane.ask().status_code == 200
    shop.service.clock.advance(120)
    accepted = shop.network.accepted
    if fault == "row164-silent":
        shop.network.fall_silent()
    else:
        shop.network.delay = 5
    try:
        assert_away(shop)
        # All the others are told at once, but for one a second who tries.
        for answer in together(16, lambda _: shop.jane.ask()):
            assert answer.status_code == 503
            assert answer.members["code"] == "store-unavailable"
        assert shop.network.accepted <= accepted + 8
        assert shop.readiness()[0] == 503
    finally:
        shop.network.speak()
        shop.network.delay = 0
    shop.assert_heals()


def test_row_164_what_was_revoked_meanwhile_stays_so(shop: Shop) -> None:
    assert shop.jane.ask().status_code == 200
    shop.network.fall_silent()
    try:
        assert_away(shop)
        shop.execute("UPDATE usher_accounts SET active = false, epoch = epoch + 1")
    finally:
        shop.network.speak()
    wait(lambda: shop.jane.ask().status_code != 503)
    assert_refused(shop.jane.ask(), 403, "account-inactive")


def test_row_164_a_replica_that_is_read_only(shop: Shop, log: LogText) -> None:
    assert shop.jane.ask().status_code == 200
    set_read_only(shop.server, "on")
    try:
        shop.service.clock.advance(120)
        # Neither a token nor who is signed in needs a write.
        for _ in range(3):
            assert shop.jane.ask().status_code == 200
        assert log.text.count("a visit could not be noted") == 1
        assert_page_refused(shop.service.browser().sign_in("jane"), 503, "store-unavailable")
        assert shop.jane.ask().status_code == 200
        assert shop.readiness() == (200, "ok")
    finally:
        set_read_only(shop.server, "off")
    shop.assert_heals()


def test_row_164_after_a_failover_connections_are_new(shop: Shop) -> None:
    """The address may lead to another server by then; the old one still reads."""
    assert shop.jane.ask().status_code == 200
    accepted = shop.network.accepted
    set_read_only(shop.server, "on")
    try:
        assert shop.jane.ask().status_code == 200
        assert shop.network.accepted == accepted
        shop.service.browser().sign_in("jane")
        accepted = shop.network.accepted
        assert shop.jane.ask().status_code == 200
        assert shop.network.accepted == accepted + 1
    finally:
        set_read_only(shop.server, "off")


def set_read_only(server: PostgresqlServer, value: str) -> None:
    """Make every transaction on the server read-only, or no longer."""
    server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    server.execute("SELECT pg_reload_conf()")

    def is_done() -> bool:
        with psycopg.connect(
            host=str(server.socket.parent), user=USER, dbname="postgres"
        ) as it:
            found = it.execute("SHOW default_transaction_read_only").fetchone()
        return found == (value,)

    wait(is_done)


def test_row_164_no_connection_is_left(shop: Shop) -> None:
    assert shop.jane.ask().status_code == 200
    folder = str(shop.server.socket.parent)
    taken = []
    try:
        while True:
            taken.append(psycopg.connect(host=folder, user=USER, dbname="postgres"))
    except psycopg.OperationalError:
        pass
    try:
        # This thread holds a connection, the other has none.
        assert shop.jane.ask().status_code == 200
        (answer,) = together(1, lambda _: shop.jane.ask())
        assert_away(shop, answer)
        assert shop.jane.ask().status_code == 200
    finally:
        for connection in taken:
            connection.close()
    assert [it.status_code for it in together(1, lambda _: shop.jane.ask())] == [200]
    shop.assert_heals()


def test_row_164_half_of_the_queries_fail(shop: Shop) -> None:
    shop.execute(SOMETIMES)
    before = len(shop.service.issued())
    answers = [shop.jane.ask() for _ in range(20)]
    issued = [answer for answer in answers if answer.status_code == 200]
    assert len(issued) == 10
    for answer in answers:
        if answer.status_code != 200:
            assert_away(shop, answer)
    assert len(shop.service.issued()) == before + 10
    whose = {shop.service.open_token(it.members["token"])[USER_ID] for it in issued}
    assert whose == {shop.service.user_id_of("jane")}
    shop.execute(MENDED)
    assert shop.jane.user_id() == shop.service.user_id_of("jane")
    shop.assert_heals()


def test_row_164_connections_have_an_upper_end(shop: Shop) -> None:
    threads = 8
    accepted = shop.network.accepted

    def visit(_number: int) -> None:
        for _ in range(3):
            assert shop.jane.ask().status_code == 200
            assert shop.readiness() == (200, "ok")
            browser = shop.service.signed_in("jane")
            assert browser.sign_out().status_code == 204

    together(threads, visit)
    assert shop.network.accepted - accepted <= threads + WRITERS
