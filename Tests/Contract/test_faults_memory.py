"""Fault D5: what clients can make the process hold is counted, all of it, by one budget (`server.memory`)."""

import hashlib
import secrets
import socket
from contextlib import contextmanager, suppress

import pytest

import bodies
import evidence
import raw_client
import servers
from client import call, poll

MEBIBYTE = 1 << 20

BUDGET = 64 * MEBIBYTE

HEAD = 60_000
BODY = 262_144


class Gateway:
    """A gateway with a small budget, two callers, and one export whose file can be downloaded."""

    def __init__(self, gateway: servers.Gateway, other: str, export: dict, running: list[dict]):
        self.gateway = gateway
        self.other = other
        self.export = export
        # One of each caller's, that never ends.
        self.running = running

    def begin(self, count: int) -> list[socket.socket]:
        """So many connections that have had an answer and are idle; the memory from here on is what their clients take besides."""
        question = self.head("GET", f"/exports/{self.export['id']}", self.gateway.key)
        wires = [self.connect(question) for _ in range(count)]
        for wire in wires:
            assert status(wire) == 200
        self.ask()
        self.idle = self.gateway.process.resident_bytes()
        self.gateway.process.reset_peak()
        return wires

    def growth(self) -> int:
        return self.gateway.process.peak_bytes() - self.idle

    def reserved(self, kind: str) -> float:
        return self.gateway.metric("export_gateway_memory_reserved_bytes", kind=kind)

    def refused(self, kind: str, reason: str) -> float:
        return self.gateway.metric("export_gateway_memory_reservations_refused_total", kind=kind, reason=reason)

    def ask(self) -> None:
        """What others do meanwhile."""
        assert call(self.gateway.address, "GET", "/livez", timeout=10).status == 200
        assert self.gateway.export(self.export)["status"] == "succeeded"
        assert self.gateway.download(f"{self.export['href']}/content").status == 200

    def connect(self, sent: bytes) -> socket.socket:
        """A connection on which so much was sent."""
        wire = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=30)
        wire.sendall(sent)
        return wire

    def head(self, method: str, path: str, key: str, *lines: str) -> bytes:
        fields = [f"{method} {path} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {key}", *lines]
        return "\r\n".join(fields).encode() + b"\r\n\r\n"


@contextmanager
def small_gateway(upstream, connections: int, **server):
    other = "key-" + secrets.token_hex(16)
    evidence.keep_secrets([other])
    server |= {"memory": BUDGET, "maximumConnections": connections + 100}
    with servers.gateway(upstream, start=False, server=server, log={"level": "info"}) as gateway:
        keys = gateway.configuration["server"]["apiKeys"]
        digest = hashlib.sha256(other.encode()).hexdigest()
        gateway.reconfigure({"server": {"apiKeys": [*keys, {"id": "other", "sha256": digest}]}})
        gateway.start()
        export = gateway.succeeded(gateway.create(bodies.report()))
        upstream.rule("power-bi.start", {"kind": "stuck"})
        running = [gateway.call("POST", "/exports", {"Authorization": f"Bearer {key}"}, bodies.report("Endless"))
                   for key in (gateway.key, other)]
        poll("two jobs", lambda: upstream.account() and gateway.metric("export_gateway_exports_unfinished") == 2)
        gateway.watch(running[0].json, lambda export: export["status"] == "running")
        upstream.remove_rules()
        assert gateway.metric("export_gateway_memory_limit_bytes") == BUDGET
        yield Gateway(gateway, other, export, [answer.json for answer in running])


def send(wire: socket.socket, sent: bytes) -> None:
    """As much of it as the other end takes before it is done with us."""
    with suppress(OSError):
        wire.sendall(sent)


def close(wires) -> None:
    for wire in wires:
        wire.close()


def status(wire: socket.socket) -> int:
    """That of an answer that has come."""
    return int(wire.recv(4096).split()[1])


def answered(wires) -> list[socket.socket]:
    """Those on which something has come: an answer, or the end."""
    found = []
    for wire in wires:
        wire.setblocking(False)
        with suppress(BlockingIOError):
            try:
                wire.recv(1, socket.MSG_PEEK)
            except ConnectionResetError:
                pass
            found.append(wire)
        wire.setblocking(True)
    return found


@pytest.mark.fault("D5")
def test_a_thousand_unfinished_heads(upstream, figure):
    """Of one field each, or of many: those that are unfinished for longest are closed."""
    count = 1000
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * HEAD
    many = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 250) for n in range(240))
    with small_gateway(upstream, count) as small:
        wires = small.begin(count)
        for number, wire in enumerate(wires):
            send(wire, many if number % 2 else one)
        poll("all heads", lambda: small.gateway.metric("export_gateway_http_connections_closed_total", reason="displaced") > count * 0.8)
        small.ask()
        # A long head that comes to its end, in parts, is answered.
        lines = f"X-A: {'a' * HEAD}"
        long = small.head("GET", f"/exports/{small.export['id']}", small.other, lines)
        wire = small.connect(long[: HEAD // 2])
        wire.sendall(long[HEAD // 2 :])
        assert status(wire) == 404
        figure(f"{count} heads of {HEAD} bytes: {small.growth() / MEBIBYTE:.1f} MiB more than idle connections; "
               f"{small.reserved('head') / MEBIBYTE:.1f} MiB reserved")
        assert 0 < small.reserved("head") <= BUDGET / 8
        assert small.growth() <= BUDGET
        close([*wires, wire])
        poll("reserved memory", lambda: small.reserved("head") == 0)


@pytest.mark.fault("D5")
def test_a_thousand_unfinished_bodies_of_one_caller(upstream, figure):
    count = 1000
    with small_gateway(upstream, count) as small:
        wires = small.begin(count)
        lines = ["Content-Type: application/json", f"Content-Length: {BODY}"]
        sent = small.head("POST", "/exports", small.gateway.key, *lines) + b" " * (BODY - 1)
        for wire in wires:
            send(wire, sent)
        poll("refusals", lambda: small.refused("body", "caller-limit") > count * 0.8)
        small.ask()
        # Another caller's body has its place.
        body = bodies.report("A long one") | {"name": "x" * 200}
        padded = servers.json.dumps(body).encode() + b" " * 100_000
        head = small.head("POST", "/exports", small.other, lines[0], f"Content-Length: {len(padded)}", "Connection: close")
        with small.connect(head + padded) as wire:
            assert raw_client.parse(*raw_client.read_all(wire, 10)).status == 202
        refused = [raw_client.parse(*raw_client.read_all(wire, 10)).status for wire in answered(wires)[:50]]
        # A client whose socket is closed in the middle of its upload may not get to read the answer.
        assert 429 in refused and set(refused) <= {429, None}, refused
        figure(f"{count} bodies of {BODY} bytes: {small.growth() / MEBIBYTE:.1f} MiB more than idle connections; "
               f"{small.reserved('body') / MEBIBYTE:.1f} MiB reserved")
        assert 0 < small.reserved("body") <= BUDGET / 8
        assert small.growth() <= BUDGET
        close(wires)
        poll("reserved memory", lambda: small.reserved("body") == 0)


@pytest.mark.fault("D5")
def test_what_comes_behind_bytes_that_are_no_request(upstream):
    """It is dropped, and takes no memory from others, whose heads are not closed for it."""
    with small_gateway(upstream, 100) as small:
        one = small.connect(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * HEAD)
        poll("a head", lambda: small.reserved("head") > 0)
        held = small.reserved("head")
        wires = [small.connect(b"NONSENSE\r\n\r\n") for _ in range(100)]
        for wire in wires:
            assert status(wire) == 400
            send(wire, b"a" * HEAD * 3)
        small.ask()
        assert small.reserved("head") == held
        one.sendall(b"\r\n\r\n")
        assert status(one) == 200
        close([*wires, one])


@pytest.mark.fault("D5")
def test_a_short_body_behind_much(upstream):
    """What was read ahead is used up by requests that are answered; the body of the last one comes later, and is read."""
    with small_gateway(upstream, 10) as small:
        path = f"/exports/{small.running[0]['id']}"
        wait = small.head("GET", path, small.gateway.key, "Prefer: wait=2")
        ask = small.head("GET", path, small.gateway.key, f"User-Agent: {'a' * 3600}")
        body = b'{"x":1234 }\n'
        lines = ["Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close"]
        with small.connect(wait) as wire:
            for _ in range(4):
                wire.sendall(ask)
            wire.sendall(ask + small.head("POST", "/exports", small.gateway.key, *lines))
            # The answers to the first six are there; then the body comes.
            seen = b""
            while seen.count(b"HTTP/1.1 200 ") < 6:
                seen += wire.recv(65_536)
            wire.sendall(body)
            rest, _ = raw_client.read_all(wire, 10)
        assert b"HTTP/1.1 422 " in seen + rest and b" 408 " not in seen + rest


@pytest.mark.fault("D5")
@pytest.mark.parametrize("direct", [
    pytest.param(True, id="on the event loop"), pytest.param(False, id="by tasks", marks=pytest.mark.alone),
])
def test_four_thousand_held_waits_of_one_caller(upstream, figure, direct):
    count = 4000
    with small_gateway(upstream, count, directAnswers=direct) as small:
        wires = small.begin(count)
        path = f"/exports/{small.running[0]['id']}"
        sent = small.head("GET", path, small.gateway.key, "Prefer: wait=60")
        # So many are held at most, and the others are answered at once. Tasks take memory until they have answered, and how many
        # do so at the same time depends on the machine: what is held is measured.
        most, portion = (BUDGET // 8 // (8 << 10), count) if direct else (BUDGET // 8 // (64 << 10), 500)
        for number, wire in enumerate(wires, 1):
            wire.sendall(sent)
            if number % portion == 0:
                poll("refusals", lambda: small.refused("wait", "caller-limit") >= number - most)
        small.ask()
        early = [raw_client.parse(wire.recv(16_384), "end") for wire in answered(wires)[:20]]
        assert early and {(seen.status, seen.fields.get("preference-applied")) for seen in early} == {(200, None)}
        # Another caller waits as it asked.
        other = small.connect(small.head("GET", f"/exports/{small.running[1]['id']}", small.other, "Prefer: wait=1"))
        assert raw_client.parse(other.recv(16_384), "end").fields.get("preference-applied") == "wait=1"
        held = small.reserved("wait")
        figure(f"{count} waits: {small.growth() / MEBIBYTE:.1f} MiB more than idle connections; "
               f"{held / MEBIBYTE:.1f} MiB reserved")
        assert 0 < held <= BUDGET / 8
        assert small.growth() <= BUDGET
        close([*wires, other])
        poll("reserved memory", lambda: small.reserved("wait") == 0)
