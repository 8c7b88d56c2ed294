"""Several replicas of the gateway on one real PostgreSQL, each with a database user of its own, and the proxy in between."""

import contextlib
import copy
import functools
import http.client
import itertools
import re
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bodies
import evidence
import postgresql
import servers
from client import call
from postgresql_client import Session
from tcp_proxy import TCPProxy

_numbers = itertools.count(1)

#: The leases of the connections of `servers.connections`: those of one application share a budget, and so a lease.
LEASES = {
    "purview": f"graph-ediscovery application {bodies.CLIENT}",
    "purview-former": f"graph-ediscovery application {bodies.CLIENT}",
    "goals": "viva-goals connection goals",
    "devices": f"intune application {bodies.CLIENT}",
    "bi": f"power-bi application {bodies.CLIENT}",
}
class Database:
    """An empty database on a server of the test's own, and its users."""

    def __init__(self, server: postgresql.PostgreSQL):
        self.server = server
        self.name = self._owner = f"ledger{next(_numbers)}"
        server.create_user(self._owner)
        server.create_database(self.name, self._owner)

    def create_user(self, name: str) -> str:
        """One who does everything as the owner. `session_user` tells them apart; gives back the password."""
        password = self.server.create_user(name)
        with self.server.session("postgres") as session:
            session.query(f'GRANT "{self._owner}" TO "{name}"; ALTER ROLE "{name}" SET role = "{self._owner}"')
        return password

    def url(self, user: str, port: int | None = None) -> str:
        """The address without the password; `port` where something stands in between."""
        return self.server.url(self.name, user, port)

    def session(self, timeout: float = 60) -> Session:
        """The superuser's."""
        return self.server.session(self.name, timeout=timeout)

    def query(self, sql: str) -> list[tuple]:
        with self.session() as session:
            return session.query(sql)


class Replica(servers.Gateway):
    """One of several gateways. `user` is its name at the database, `proxy` what stands before that."""

    user = ""

    def __init__(self, name: str, configuration: dict, key: str, database: Database | None, proxied: bool, program: Path,
                 environment: dict[str, str]):
        self.name, self.proxy = name, None
        configuration = copy.deepcopy(configuration)
        variables = {"SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET, "GATEWAY_CURSOR_KEY": cursor_key()} | environment
        if database:
            self.user = f"{database.name}-{name}"
            variables["GATEWAY_LEDGER_PASSWORD"] = database.create_user(self.user)
            if proxied:
                self.proxy = TCPProxy(database.server.port)
            address = database.url(self.user, self.proxy and self.proxy.port)
            configuration["ledger"] = {"url": address, "password": "env:GATEWAY_LEDGER_PASSWORD"} | configuration.get("ledger", {})
        super().__init__(configuration, variables, key, program)
        self.program = program
        # It is stopped by SIGSTOP as long as this is True.
        self.paused = False

    def pause(self) -> None:
        self.process.signal(signal.SIGSTOP)
        self.paused = True

    def go_on(self) -> None:
        self.paused = False
        self.process.signal(signal.SIGCONT)

    def replace(self, program: Path) -> None:
        """The next start runs this executable."""
        self.program = program
        self.process.replace(program)

    def metrics(self) -> str:
        """Empty where it does not answer."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = call(self.address, "GET", "/metrics", self._authenticated({}), timeout=3)
            return answer.body.decode() if answer.status == 200 else ""
        return ""

    def leases_held(self) -> int | None:
        """How many it says that it holds; None where it says nothing."""
        found = re.search(r"^export_gateway_leases_held(?:\{.*\})? (\d+)", self.metrics(), re.M)
        return int(found[1]) if found else None

    def close(self) -> None:
        try:
            if self.paused:
                self.go_on()
            if self.proxy:
                self.proxy.resume()
            super().close()
        finally:
            if self.proxy:
                self.proxy.close()

    def discard(self) -> None:
        """Ends it without a check, where the test has failed already."""
        self.kill()
        if self.proxy:
            self.proxy.close()


class Replicas(list[Replica]):
    """All of them, and what they share."""

    def __init__(self, configuration: dict, key: str, database: Database | None, proxied: bool):
        super().__init__()
        self.configuration, self.key, self.database, self._proxied = configuration, key, database, proxied

    def add(self, program: Path = servers.BINARY, environment: dict[str, str] | None = None, **sections: dict) -> Replica:
        """One more, which is not started. `sections` are merged over those that all have."""
        name = f"replica{len(self) + 1}"
        configuration = {**self.configuration} | {
            section: self.configuration.get(section, {}) | own for section, own in sections.items()
        }
        replica = Replica(name, configuration, self.key, self.database, self._proxied, program, environment or {})
        self.append(replica)
        return replica

    def start(self) -> None:
        """All at once; returns once all are ready."""
        for replica in self:
            replica.start(ready=False)
        for replica in self:
            replica.await_ready()


@contextmanager
def database(**settings: str) -> Iterator[Database]:
    """An empty database on a server of its own; `settings` are those of `postgresql.conf`."""
    with postgresql.postgresql(**settings) as server:
        yield Database(server)


@contextmanager
def replicas(
    upstream: servers.Sandbox,
    database: Database | None,
    count: int = 3,
    *,
    start: bool = True,
    proxied: bool = False,
    program: Path = servers.BINARY,
    **sections: dict | list,
) -> Iterator[Replicas]:
    """Running replicas, configured like `servers.gateway`; with `proxied`, each has a proxy before the database.

    Without a database there is one replica, on SQLite.
    """
    sections["server"] = {"cursorKey": "env:GATEWAY_CURSOR_KEY"} | sections.get("server", {})
    configuration, key = servers.configured(upstream, True, sections)
    group = Replicas(configuration, key, database, proxied)
    try:
        for _ in range(count):
            group.add(program)
        if start:
            group.start()
        yield group
    except BaseException:
        for replica in group:
            replica.discard()
        raise
    else:
        for replica in group:
            replica.close()


@functools.cache
def cursor_key() -> str:
    """The same for all replicas of this process."""
    key = "cursor-key-" + secrets.token_hex(16)
    evidence.keep_secrets([key])
    return key


@functools.cache
def knows_replicas(program: Path = servers.BINARY) -> bool:
    """Whether the executable has the key `ledger.url`."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # Read up to the first mistake, which is that there is no path, or no connection.
        file.write("ledger: {url: 'postgresql://nobody@127.0.0.1:1/none'}\nconnections: []\n")
        file.flush()
        checked = servers.run("check", "--config", file.name)
    assert checked.returncode != 0, checked.stdout
    return "ledger.path" not in checked.stdout + checked.stderr


def series(metrics: str, name: str) -> dict[str, float]:
    """The values of one metric by their labels, as they are written."""
    return {found[1] or "": float(found[2]) for found in re.finditer(rf"^{name}(\{{.*\}})? (\S+)$", metrics, re.M)}
