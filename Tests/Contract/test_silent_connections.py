"""Twice as many silent connections as the limit, renewed all the time: nobody else notices.

EXPORT_GATEWAY_SILENT_SECONDS says for how long.
"""

import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

import bodies
import evidence
import identities
import servers
import silence
from client import call, poll

SECONDS = int(os.environ.get("EXPORT_GATEWAY_SILENT_SECONDS", "20"))
LIMIT = 64


@pytest.mark.alone
def test_silent_connections_that_are_renewed(upstream, figure):
    """In front of a plain gateway, and of one with TLS whose handshakes never end; both at once."""
    files = identities.server_files(evidence.directory("tls"))
    tls = {"certificate": str(files.certificate), "key": str(files.key)}
    context = ssl.create_default_context(cafile=str(files.authority))
    server = {"maximumConnections": LIMIT}
    with (
        servers.gateway(upstream, server=server) as plain,
        servers.gateway(upstream, start=False, server=server | {"tls": tls}) as secure,
    ):
        secure.start(ready=False)
        try:
            poll("the gateway's readiness", lambda: is_ready(secure, context))
            with (
                silence.Silent(plain.port, 2 * LIMIT) as silent,
                silence.Silent(secure.port, 2 * LIMIT, silence.HALF_A_HELLO) as half,
                ThreadPoolExecutor(2) as pool,
            ):
                questions = [
                    pool.submit(silence.slowest, plain.port, plain.key, SECONDS),
                    pool.submit(silence.slowest, secure.port, secure.key, SECONDS, context),
                ]
                worst = [question.result() for question in questions]
            figure(f"plain {worst[0]}, TLS {worst[1]}; renewed {silent.renewed} and {half.renewed} times")
            assert all(seconds < 1 for times in worst for seconds in times.values()), worst
            # They were closed for others, and not let be.
            assert silent.renewed > LIMIT and half.renewed > LIMIT
            assert displaced(plain) > LIMIT
        finally:
            secure.process.stop()


def displaced(gateway) -> float:
    return gateway.metric("http_server_connections_displaced_total")


def is_ready(gateway, context) -> bool:
    try:
        return silence.ask(gateway.port, "/readyz", None, context) == "HTTP/1.1 200 OK"
    except OSError:
        return False


def test_a_caller_keeps_its_connection_and_a_request_under_way_is_never_cut(upstream):
    """A caller that waits for a change, and one that is idle between requests, outlast the silent ones."""
    limit = 32
    with servers.gateway(upstream, server={"maximumConnections": limit}) as small:
        export = small.create(bodies.goals())
        with (
            socket.create_connection(("127.0.0.1", small.port), 30) as waiting,
            socket.create_connection(("127.0.0.1", small.port), 30) as idle,
        ):
            head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {small.key}\r\n"
            waiting.sendall(f"GET /exports/{export['id']} {head}Prefer: wait=3\r\n\r\n".encode())
            idle.sendall(f"GET /exports?limit=1 {head}\r\n".encode())
            assert idle.recv(4096).startswith(b"HTTP/1.1 200 ")
            with silence.Silent(small.port, 2 * limit):
                poll("many silent connections that were closed", lambda: displaced(small) > 4 * limit)
                idle.sendall(f"GET /livez {head}\r\n".encode())
                assert idle.recv(4096).startswith(b"HTTP/1.1 200 ")
                assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_operations_have_a_listener_of_their_own(upstream):
    port = servers.free_port()
    address = f"http://127.0.0.1:{port}"
    server = {"operations": {"host": "127.0.0.1", "port": port}}
    with servers.gateway(upstream, server=server) as gateway:
        for path in ("/livez", "/readyz", "/metrics"):
            assert call(address, "GET", path).status == 200
            head = call(address, "HEAD", path)
            assert head.status == 200 and head.body == b""
        for path in ("/exports", "/providers", "/openapi.yaml", "/"):
            assert call(address, "GET", path, {"Authorization": f"Bearer {gateway.key}"}).problem(404, "not-found")
        for path in ("/livez", "/readyz"):
            assert gateway.get(path).status == 200
        gateway.get("/metrics").problem(404, "not-found")
        assert b"http_server_requests_total" in call(address, "GET", "/metrics").body
