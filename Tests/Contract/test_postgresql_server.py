"""The tools of the tests of replicas themselves: the real PostgreSQL server, and the proxy in front of it."""

import os
import socket
import threading
import time

import pytest

import postgresql
from postgresql_client import DatabaseError
from tcp_proxy import TCPProxy

pytestmark = pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed")


@pytest.fixture(scope="module")
def database():
    with postgresql.postgresql(fsync="off") as server:
        server.create_user("gateway")
        server.create_database("ledger", "gateway")
        yield server


def test_queries(database):
    with database.session("ledger", "gateway") as session:
        assert session.query("SELECT 1, NULL, 'ä'") == [("1", None, "ä")]
        assert session.query("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT a FROM t ORDER BY a") == [("1",), ("2",)]
        with pytest.raises(DatabaseError) as refused:
            session.query("SELECT 1 / 0")
        assert refused.value.state == "22012"
        assert session.value("SELECT count(*) FROM t") == "2"
        session.query("LISTEN tests")
        session.query("NOTIFY tests, 'hello'")
        assert session.query("SELECT 1") and session.notifications == [("tests", "hello")]


def test_it_does_not_run_as_root(database):
    uid = os.stat(f"/proc/{database.pid}").st_uid
    assert uid != 0 and (os.geteuid() != 0 or uid != os.geteuid())


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_what_was_committed_outlives_every_end(database, mode):
    with database.session("ledger") as session:
        session.query(f"CREATE TABLE {mode}_kept (a INT)")
        session.query(f"BEGIN; INSERT INTO {mode}_kept VALUES (1)")
        with database.session("ledger") as other:
            other.query(f"INSERT INTO {mode}_kept VALUES (2)")
        database.restart(mode)
        with pytest.raises(OSError):
            session.query("SELECT 1")
    with database.session("ledger") as session:
        assert session.query(f"SELECT a FROM {mode}_kept") == [("2",)]


class Echo:
    """Sends back what it gets."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while block := connection.recv(1 << 16):
                    connection.sendall(block)
            except OSError:
                return

    def close(self):
        self._listener.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def connect(proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    connection.settimeout(10)
    return connection


def exactly(connection, count: int) -> bytes:
    received = b""
    while len(received) < count:
        block = connection.recv(1 << 16)
        assert block
        received += block
    return received


def test_the_proxy_forwards_everything_and_the_end(echo):
    with TCPProxy(echo.port) as proxy, connect(proxy) as connection:
        sent = os.urandom(3 << 20)
        sender = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        assert exactly(connection, len(sent)) == sent
        assert connection.recv(1) == b""
        sender.join()


def test_the_proxy_cuts(echo):
    with TCPProxy(echo.port) as proxy:
        with connect(proxy) as connection:
            connection.sendall(b"a")
            assert exactly(connection, 1) == b"a"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with connect(proxy) as connection:
            connection.sendall(b"b")
            assert exactly(connection, 1) == b"b"
            proxy.refuse()
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with pytest.raises(OSError), connect(proxy) as connection:
            connection.recv(1)
            raise ConnectionResetError("it ended")
        proxy.resume()
        with connect(proxy) as connection:
            connection.sendall(b"c")
            assert exactly(connection, 1) == b"c"


def test_the_proxy_stalls_and_resumes(echo):
    with TCPProxy(echo.port) as proxy, connect(proxy) as connection:
        connection.sendall(b"a")
        assert exactly(connection, 1) == b"a"
        proxy.stall()
        connection.settimeout(0.3)
        connection.sendall(b"b")
        with connect(proxy) as late:
            late.sendall(b"c")
            late.settimeout(0.3)
            for each in (connection, late):
                with pytest.raises(TimeoutError):
                    each.recv(1)
            began = time.monotonic()
            proxy.resume()
            assert exactly(connection, 1) == b"b" and exactly(late, 1) == b"c"
            assert time.monotonic() - began < 5


def test_postgresql_through_the_proxy(database):
    """`pg_isready` needs no password."""
    with TCPProxy(database.port) as proxy:
        assert os.system(f"{postgresql.program('pg_isready')} -q -h 127.0.0.1 -p {proxy.port}") == 0
        proxy.refuse()
        assert os.system(f"{postgresql.program('pg_isready')} -q -t 2 -h 127.0.0.1 -p {proxy.port}") != 0
