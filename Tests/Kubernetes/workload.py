"""What a gateway is used for, and what goes wrong with it: enough that nearly every metric has a value."""

import contextlib
import http.client
import socket
import ssl

import bodies
import evidence
import identities
import postgresql
import replicas
import servers
from client import call, poll

SIZE = 1 << 20


class Site:
    """Gateways in front of one sandbox: one without TLS, one with; and, where there can be, two that share a database."""

    def __init__(
        self,
        upstream: servers.Sandbox,
        plain: servers.Gateway,
        secure: servers.Gateway,
        files: identities.ServerFiles,
        shared: list[servers.Gateway],
    ):
        self.upstream, self.plain, self.secure, self.files, self.shared = upstream, plain, secure, files, shared

    @property
    def targets(self) -> dict[str, str]:
        """Where each serves its metrics, as host and port, by its name."""
        gateways = {"plain": self.plain, "secure": self.secure}
        gateways |= {f"shared-{number}": gateway for number, gateway in enumerate(self.shared, 1)}
        ports = {name: gateway.configuration["server"]["operations"]["port"] for name, gateway in gateways.items()}
        return {name: f"127.0.0.1:{port}" for name, port in ports.items()}

    def exports(self) -> None:
        """One export on each provider, its file in every form; one that fails, and one whose start is not confirmed."""
        gateway, upstream = self.plain, self.upstream
        upstream.rule("entra.token", {"kind": "status", "status": 503}, times=1)
        for body in (bodies.search_result(), bodies.goals(), bodies.report(), bodies.intune()):
            gateway.succeeded(gateway.create(body))
        path = f"{self._ledger()['href']}/content"
        gateway.download(path)
        gateway.download(path, {"Accept-Encoding": "gzip"})
        gateway.call("GET", path, {"Range": "bytes=100-199"})
        gateway.call("GET", path, {"Accept": "application/zip"})
        upstream.rule("power-bi.start", {"kind": "failed"}, times=1)
        gateway.watch(gateway.create(bodies.report()))
        upstream.rule("intune.start", {"kind": "cutConnection", "started": True}, times=1)
        gateway.watch(gateway.create(bodies.intune()), until=lambda export: export["status"] == "unknown")
        upstream.rule("power-bi.status", {"kind": "status", "status": 503}, times=2)
        gateway.succeeded(gateway.create(bodies.report()))

    def broken_downloads(self) -> None:
        """A download that goes on where its upstream broke off, and one that cannot."""
        export = self._ledger(SIZE)
        self.upstream.rule("power-bi.download", {"kind": "cutDownload", "afterBytes": SIZE // 2}, times=1)
        self.plain.download(f"{export['href']}/content")
        self.upstream.rule("power-bi.download", {"kind": "cutDownload", "afterBytes": SIZE // 2})
        with contextlib.suppress(http.client.IncompleteRead, OSError):
            self.plain.download(f"{export['href']}/content")
        self.upstream.remove_rules()

    def callers(self) -> None:
        """Callers with tokens, good and bad, and what is no caller at all."""
        good = self.upstream.mint(kind="user", claims={"scp": "Exports.Read"})
        assert call(self.plain.address, "GET", "/exports", {"Authorization": f"Bearer {good}"}).status == 200
        bad = self.upstream.mint(kind="user", signature="otherKey", claims={"scp": "Exports.Read"})
        assert call(self.plain.address, "GET", "/exports", {"Authorization": f"Bearer {bad}"}).status == 401
        assert call(self.plain.address, "GET", "/nothing-here").status == 404
        for gateway in (self.plain, self.secure):
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
                connection.sendall(b"this is no request\r\n\r\n")
                with contextlib.suppress(OSError):
                    connection.recv(1000)
        context = ssl.create_default_context(cafile=self.files.authority)
        with socket.create_connection(("127.0.0.1", self.secure.port), timeout=10) as connection:
            with context.wrap_socket(connection, server_hostname="localhost") as stream:
                stream.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert stream.recv(12) == b"HTTP/1.1 200"

    def unusable_certificate(self) -> None:
        """The certificate's file is replaced by something else."""
        self.files.certificate.write_text("not a certificate\n")

    def _ledger(self, size: int = 100_000) -> dict:
        self.upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": size, "content": "csv"}, times=1)
        return self.plain.succeeded(self.plain.create(bodies.paginated_csv()))


@contextlib.contextmanager
def site():
    """The gateways, and their sandbox."""
    directory = evidence.directory("tls")
    files = identities.server_files(directory)
    # Tokens are soon asked for again.
    with servers.sandbox(token_lifetime="2s") as upstream, contextlib.ExitStack() as stack:
        entra = {
            "authority": upstream.api,
            "tenantIds": [bodies.TENANT],
            "audiences": [bodies.CLIENT],
            "keyRefreshInterval": "1s",
            "allowPlainHTTP": True,
        }
        plain = stack.enter_context(
            servers.gateway(
                upstream,
                # With a request budget, in which each call waits for its place.
                connections=[connection | {"requestsPerMinute": 6000} for connection in servers.connections(upstream)],
                server={"operations": operations(), "entra": entra},
                downloads={"resumeAttempts": 1, "idleTimeout": "2s", "measure": "always"},
            )
        )
        tls = {"certificate": str(files.certificate), "key": str(files.key)}
        secure = stack.enter_context(
            servers.gateway(upstream, start=False, server={"operations": operations(), "tls": tls})
        )
        secure.start(ready=False)
        address = f"http://127.0.0.1:{secure.configuration['server']['operations']['port']}"
        poll("the second gateway's readiness", lambda: is_ready(secure, address))
        yield Site(upstream, plain, secure, files, stack.enter_context(sharing(upstream)))


@contextlib.contextmanager
def sharing(upstream: servers.Sandbox):
    """Two replicas on one database; none where the executable, or this machine, has no PostgreSQL."""
    if not (postgresql.available() and replicas.knows_replicas()):
        yield []
        return
    with replicas.database() as database, replicas.replicas(upstream, database, 0) as group:
        for _ in range(2):
            group.add(server={"operations": operations()})
        group.start()
        yield group


def operations() -> dict:
    return {"host": "127.0.0.1", "port": servers.free_port()}


def is_ready(gateway: servers.Gateway, address: str) -> bool:
    assert gateway.process.exit_code is None, gateway.process.lines()[-4000:]
    try:
        return call(address, "GET", "/readyz").status == 200
    except OSError:
        return False
