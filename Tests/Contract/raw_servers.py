"""A gateway in front of an upstream on bare sockets."""

import itertools
import threading
from contextlib import contextmanager

import bodies
import evidence
import servers
from raw_upstream import RawUpstream, Source, certificate


class Pair:
    """The two, and exports of one file or several that are ready to be fetched."""

    # One connection of Power BI for each thread that asks: the breaker of a connection counts what fails in a row.
    LINES = 16

    def __init__(self, upstream: RawUpstream, gateway: servers.Gateway):
        self.upstream, self.gateway = upstream, gateway
        self.key = {"Authorization": f"Bearer {gateway.key}"}
        self._line = threading.local()
        self._lines = itertools.cycle(range(self.LINES))

    def export(self, sources: list[Source], keeper: str = "graph") -> str:
        """The path of a new export that has succeeded, of these files; Power BI has one."""
        if keeper.startswith("graph"):
            options = {"graphEDiscovery": self.upstream.add_search(sources)}
            body = {"provider": "graph-ediscovery", "connection": "graph"} | options
        else:
            (source,) = sources
            options = {"powerBI": self.upstream.add_report(source)}
            if not hasattr(self._line, "number"):
                self._line.number = next(self._lines)
            name = f"bi-{'tls' if source.is_tls else 'plain'}-{self._line.number}"
            body = {"provider": "power-bi", "connection": name} | options
        for _ in range(3):
            export = self.gateway.create(body)
            while export["status"] in ("notStarted", "running"):
                answer = self.gateway.get(export["href"], Prefer="wait=30")
                assert answer.status == 200, (answer.status, answer.body)
                export = answer.json
            # A start that went out on a connection that was about to be closed: the gateway cannot know, we can.
            if export["status"] != "unknown":
                break
        assert export["status"] == "succeeded", export
        assert len(export["files"]) == len(sources), export
        return export["href"]


@contextmanager
def pair(**sections):
    """A running gateway with connections to a raw upstream."""
    chain = certificate(evidence.directory("certificate"))
    with RawUpstream(chain) as upstream:
        application = {
            "type": "clientSecret",
            "authority": upstream.address,
            "tenantId": bodies.TENANT,
            "clientId": bodies.CLIENT,
            "clientSecret": "env:SANDBOX_CLIENT_SECRET",
        }
        common = {"allowPlainHTTP": True, "requestsPerMinute": 0, "pollInterval": "10ms", "credential": application}
        connections = [
            common
            | {
                "name": "graph",
                "provider": "graph-ediscovery",
                "apiRoot": upstream.address,
                "proxyHosts": [],
                "blobHosts": [upstream.address, upstream.secure_address],
            },
        ]
        for number in range(Pair.LINES):
            for kind, root in (("plain", upstream.address), ("tls", upstream.secure_address)):
                name = f"bi-{kind}-{number}"
                connections.append(
                    common | {"name": name, "provider": "power-bi", "apiRoot": root, "ranges": True}
                )
        environment = {"SSL_CERT_FILE": str(chain[0])}
        try:
            with servers.gateway(upstream, environment=environment, connections=connections, **sections) as gateway:
                yield Pair(upstream, gateway)
        finally:
            evidence.keep_secrets(upstream.tokens)
