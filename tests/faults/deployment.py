"""Two hosts with two workers each, one PostgreSQL, one Redis, and nginx in front of both."""

from __future__ import annotations

import http.client
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.disks import disk_of_its_own
from faults.host import WORKERS, Host
from faults.judge import Judge, audit_lines
from faults.line import Line
from faults.page_views import PageViews
from faults.people import Person, fill
from joserfc.jwk import RSAKey
from parts import nginx_program, postgresql_programs, redis_program
from support.certificates import certificate
from support.nginx_files import HOST, NginxFiles
from support.postgresql import PostgresqlServer
from support.redis_server import RedisServer
from support.server import free_port
from support.site import wait

from flask_usher import State, configuration, keys, schema
from flask_usher.extension import build

HOSTS = 2
PEOPLE = 400
"""So many that nobody comes near the limit of one person."""
SETTINGS = """\
public_url = "https://{host}"
secret_key = "{shared}/secret-key"

[token]
signing_key = ["{shared}/signing-key.pem", "{shared}/next-signing-key.pem"]
recipient_key = "{shared}/recipient-key.pem"

[database]
url = "{database}"

[redis]
url = "{redis}"

[audit]
file = "audit/audit.log"

[limits]
{limits}

[policy]
file = "policy.toml"

[proxy]
trusted_addresses = ["127.0.0.1"]
"""
UNLIMITED_ADDRESS = '\ntokens_per_address = "1000000 per 60 seconds"'
NGINX_CHANGES = {"usher-error.log crit": "usher-error.log error"}
UNLIMITED_NGINX = {
    "rate=50r/s": "rate=50000r/s",
    f"server_name {HOST};": f"server_name {HOST} localhost;",
}
POLICY = """\
[[rules]]
code = "suspended-{number}"
refuse_when = "'suspended-{number}' in identity.groups"
message = "The account is suspended."
"""


@dataclass(frozen=True)
class Deployment:
    """All of it, running."""

    folder: Path
    nginx: int
    """The id of its first process."""
    port: int
    plain_port: int
    certificate: Path
    postgresql: PostgresqlServer
    database: str
    redis: RedisServer
    line: Line
    hosts: Sequence[Host]
    state: State
    people: Sequence[Person]
    recipient_key: RSAKey
    lifetime_seconds: float = 60

    @contextmanager
    def asked(self, rate: float, people: Sequence[Person] = ()) -> Iterator[PageViews]:
        """Ask for tokens during the block, for these people as for the others."""
        everybody = [*self.people, *people]
        views = PageViews(self.port, self.certificate, rate, lambda: random.choice(everybody))
        views.start()
        try:
            yield views
        finally:
            views.stop()

    @property
    def next_key(self) -> str:
        """The source of the key that is not in force at the start."""
        return str(self.folder / "shared/next-signing-key.pem")

    @property
    def next_fingerprint(self) -> str:
        """Its fingerprint, as iAdvize would tell it."""
        return keys.load_private_key(Path(self.next_key)).fingerprint

    def judge(self) -> Judge:
        """Return who knows the keys that iAdvize has."""
        public = sorted((self.folder / "shared").glob("*-public.pem"))
        return Judge(
            self.recipient_key,
            [RSAKey.import_key(it.read_text()) for it in public],
            f"https://{HOST}",
            self.lifetime_seconds,
            time.time() - time.monotonic(),
        )

    def audit_sizes(self) -> list[int]:
        """Return how long the audit logs are, in bytes."""
        files = [it.audit_file for it in self.hosts]
        return [it.stat().st_size if it.exists() else 0 for it in files]

    def audit_lines(self, since: Sequence[int]) -> list[dict[str, Any]]:
        """Return the lines of all hosts after these sizes."""
        logs = [(it.audit_file, size) for it, size in zip(self.hosts, since, strict=True)]
        return [
            line for file, size in logs if file.exists() for line in audit_lines(file, size)
        ]

    def post(self, path: str, person: Person) -> int:
        """Send one request of a person's page, apart from the others; return its status."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        # The name in the certificate leads elsewhere.
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=30, context=context)
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        connection.sock = context.wrap_socket(plain, server_hostname=HOST)
        headers = {
            "Cookie": f"__Host-usher={person.cookie}",
            "Origin": f"https://{HOST}",
            "X-Usher-Client": "usher.js/1",
        }
        try:
            connection.request("POST", path, b"", headers)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def deployed(
    accounts: int = PEOPLE,
    sign_ins: int = PEOPLE,
    host_count: int = HOSTS,
    *,
    direct: bool = False,
    from_one_address: bool = False,
    password_hash: str = "-",
) -> Iterator[Deployment]:
    """Run the deployment for the block, with so many accounts of which some are signed in.

    With `direct`, the hosts reach PostgreSQL without the line that can be broken. With
    `from_one_address`, nothing limits a single address, and nginx is `localhost` too.
    """
    with ExitStack() as stack:
        # Short, since the path of a socket may have 107 bytes.
        folder = Path(tempfile.mkdtemp(prefix="usher-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # nginx gives its own workers to another user, who must reach the sockets.
        folder.chmod(0o755)
        postgresql, redis = _stores(stack)
        line = Line(folder / ".s.PGSQL.5432", postgresql.folder / ".s.PGSQL.5432")
        stack.callback(line.stop)
        name = postgresql.create_database()
        recipient_key = _make_keys(folder / "shared")
        url = f"postgresql+psycopg://usher@/{name}?host={folder}"
        if direct:
            url = postgresql.url(name)
        limits = f"workers = {host_count * WORKERS}"
        if from_one_address:
            limits += UNLIMITED_ADDRESS
        hosts = [
            _host(folder, number, url, redis.url, limits) for number in range(1, host_count + 1)
        ]
        state = _state(hosts[0], postgresql.url(name))
        stack.callback(state.close)
        schema.upgrade(state.database)
        people = fill(state, accounts, sign_ins, password_hash)
        for host in hosts:
            stack.enter_context(disk_of_its_own(host.audit_file.parent))
            host.start()
            stack.callback(host.stop)
        files = NginxFiles(
            folder,
            free_port(),
            free_port(),
            certificate(folder, HOST),
            [it.socket for it in hosts],
            workers="auto",
            changes=NGINX_CHANGES | (UNLIMITED_NGINX if from_one_address else {}),
        )
        process = stack.enter_context(_nginx(files))
        yield Deployment(
            folder,
            process,
            files.port,
            files.plain_port,
            files.certificate,
            postgresql,
            name,
            redis,
            line,
            hosts,
            state,
            people,
            recipient_key,
        )


def policy(number: int) -> str:
    """Return a policy that refuses nobody here; each number has its own version."""
    return POLICY.format(number=number)


def _stores(stack: ExitStack) -> tuple[PostgresqlServer, RedisServer]:
    programs, program = postgresql_programs(), redis_program()
    if programs is None or program is None or nginx_program() is None:
        raise RuntimeError("PostgreSQL, Redis or nginx is missing")
    postgresql = PostgresqlServer(programs)
    stack.callback(postgresql.remove)
    postgresql.start()
    redis = RedisServer(program)
    stack.callback(redis.remove)
    redis.start()
    return postgresql, redis


def _make_keys(folder: Path) -> RSAKey:
    folder.mkdir()
    for name in ("signing-key", "next-signing-key"):
        signing_key = keys.generate(folder / f"{name}.pem")
        (folder / f"{name}-public.pem").write_text(keys.public_pem(signing_key.public_key))
    recipient_key = keys.generate(folder / "recipient-private-key.pem")
    (folder / "recipient-key.pem").write_text(keys.public_pem(recipient_key.public_key))
    keys.generate_secret(folder / "secret-key")
    return RSAKey.import_key((folder / "recipient-private-key.pem").read_text())


def _host(folder: Path, number: int, database: str, redis: str, limits: str) -> Host:
    place = folder / f"host-{number}"
    (place / "audit").mkdir(parents=True)
    (place / "usher.toml").write_text(
        SETTINGS.format(
            host=HOST,
            shared=folder / "shared",
            database=database,
            redis=redis,
            limits=limits,
        )
    )
    (place / "policy.toml").write_text(policy(0))
    return Host(place)


def _state(host: Host, url: str) -> State:
    """Return a state with a line of its own to PostgreSQL."""
    environment = {"USHER__DATABASE__URL": url}
    return build(configuration.load(host.folder / "usher.toml", environment))


@contextmanager
def _nginx(files: NginxFiles) -> Iterator[int]:
    process = subprocess.Popen([str(nginx_program()), *files.write(), "-g", "daemon off;"])
    try:
        wait(lambda: _listens(files.port))
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
