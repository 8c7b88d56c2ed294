"""A request that asks for another protocol is answered, and the connection goes on: Java's `HttpClient` and `curl --http2` send
one with each request in plain HTTP."""

import socket
import subprocess

import pytest

import bodies

UPGRADES = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    "websocket": "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "tls": "Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n",
}


class Conversation:
    """Several requests on one connection."""

    def __init__(self, address: str):
        host, _, port = address.removeprefix("http://").partition(":")
        self.connection = socket.create_connection((host, int(port)), timeout=10)
        self.file = self.connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, *requests: str) -> None:
        self.connection.sendall("".join(requests).encode())

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next one; status 0 where none comes."""
        try:
            status = self.file.readline().split()
            fields = {}
            while line := self.file.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                fields[name.lower()] = value.strip()
            return (int(status[1]) if status else 0), fields, self.file.read(int(fields.get("content-length", 0)))
        except TimeoutError:
            return 0, {}, b"silence"


def request(path: str, fields: str, body: str | None = None) -> str:
    length = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\n{fields}{length}\r\n{body or ''}"


@pytest.mark.parametrize("kind", UPGRADES)
@pytest.mark.parametrize("server", ["gateway", "sandbox"])
def test_the_connection_goes_on(upstream, gateway, server, kind):
    address, path = (gateway.address, "/livez") if server == "gateway" else (upstream.api, "/_sandbox/account")
    with Conversation(address) as conversation:
        for _ in range(3):
            conversation.send(request(path, UPGRADES[kind]))
            status, fields, body = conversation.answer()
            assert status == 200, (server, body)
            assert "close" not in fields.get("connection", "") and "upgrade" not in fields
        conversation.send(request(path, UPGRADES[kind]), request(path, ""))
        assert [conversation.answer()[0] for _ in range(2)] == [200, 200]


def test_with_a_body(gateway):
    """A POST, as Java sends it first of all; its body may come in pieces."""
    key = f"Authorization: Bearer {gateway.key}\r\n"
    body = '{"provider": "power-bi", "powerBI": {"reportId": "%s", "format": "PDF"}}' % bodies.REPORT
    with Conversation(gateway.address) as conversation:
        for _ in range(2):
            whole = request("/exports", UPGRADES["h2c"] + key, body)
            conversation.send(whole[:-20])
            conversation.send(whole[-20:], request("/exports?limit=1", UPGRADES["h2c"] + key))
            assert [conversation.answer()[0] for _ in range(2)] == [202, 200]


def test_curl_http2_with_two_addresses(gateway):
    """curl asks for h2c with the first request of a connection, and reuses the connection for the second."""
    address = gateway.address + "/exports?limit=1"
    arguments = ["--http2", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code} %{num_connects}\n"]
    command = gateway.curl(*arguments, address, "--output", "/dev/null", address)
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result
    assert result.stdout.split("\n")[:2] == ["200 1", "200 0"]
