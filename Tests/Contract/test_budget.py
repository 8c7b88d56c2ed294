"""Memory for downloads: what is beyond it is refused at once, and what ends gives it back, however it ends."""

import http.client
import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

import bodies
import servers
from client import ended_deliveries, poll

MEBIBYTE = 1 << 20


class OpenDownload:
    """A download whose head was read, and no more."""

    def __init__(self, gateway, path: str, accept: str = "*/*"):
        address = urlsplit(gateway.address)
        self.socket = socket.socket()
        # What the two kernels hold between the gateway and this is far less than the file.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        self.socket.settimeout(60)
        self.socket.connect((address.hostname, address.port))
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nAccept: {accept}\r\n\r\n"
        self.socket.sendall(head.encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.socket.recv(1)
        self.status = int(received.split()[1])

    def read(self) -> int:
        """Everything until the connection ends, in whatever way; how many bytes."""
        total = 0
        try:
            while block := self.socket.recv(1 << 16):
                total += len(block)
        except ConnectionResetError:
            pass
        return total

    def close(self):
        self.socket.close()


def large(gateway, upstream) -> str:
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": 64 * MEBIBYTE, "content": "random"})
    export = gateway.succeeded(gateway.create(bodies.paginated_csv("Large")))
    upstream.remove_rules()
    return f"{export['href']}/content"


@pytest.mark.parametrize("accept", ["*/*", "application/zip"])
def test_a_caller_has_so_many_downloads_at_a_time(upstream, accept):
    with servers.gateway(upstream, downloads={"perCaller": 3}) as gateway, ExitStack() as stack:
        path = large(gateway, upstream)
        opened = [OpenDownload(gateway, path, accept) for _ in range(3)]
        for each in opened:
            stack.callback(each.close)
        assert [each.status for each in opened] == [200, 200, 200]
        assert gateway.metric("export_gateway_downloads_under_way") == 3
        calls = len(upstream.account()["calls"])

        answer = gateway.call("GET", path, {"Accept": accept})
        problem = answer.problem(429, "too-many-requests")
        assert problem["quota"] == {"name": "downloads-per-caller", "limit": 3, "unit": "concurrent-requests"}
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["ratelimit-policy"] == '"downloads-per-caller";q=3;qu="concurrent-requests"'
        assert answer.headers["ratelimit"] == '"downloads-per-caller";r=0;t=5'
        assert len(upstream.account()["calls"]) == calls, "the upstream was called for what was refused"
        # What sends no file takes no memory.
        head = gateway.call("HEAD", path, {"Accept": accept})
        assert head.status == 200
        assert gateway.call("GET", path, {"Accept": accept, "If-None-Match": "*"}).status == 304
        assert gateway.metric("export_gateway_downloads_refused_total", reason="caller-limit") == 1

        # One client leaves, one is served to its end; a third breaks upstream.
        opened[0].close()
        poll("reserved memory", lambda: gateway.metric("export_gateway_downloads_under_way") == 2)
        upstream.rule("power-bi.file", {"kind": "cutDownload", "afterBytes": 1000})
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            gateway.download(path, {"Accept": accept})
        upstream.remove_rules()
        poll("reserved memory", lambda: gateway.metric("export_gateway_downloads_under_way") == 2)
        assert gateway.download(path, {"Accept": accept}).status == 200
        opened[1].close()
        opened[2].close()
        poll("reserved memory", lambda: gateway.metric("export_gateway_downloads_under_way") == 0)
        poll("memory", lambda: gateway.metric("export_gateway_memory_reserved_bytes", kind="download") == 0)


def test_all_callers_share_the_memory(upstream):
    with servers.gateway(upstream, server={"memory": 16 * MEBIBYTE}) as gateway, ExitStack() as stack:
        path = large(gateway, upstream)
        statuses = []
        # All but what is kept for the other kinds: three times a thirty-second.
        for _ in range(16 * MEBIBYTE * 29 // 32 // (128 << 10)):
            each = OpenDownload(gateway, path)
            stack.callback(each.close)
            statuses.append(each.status)
        assert set(statuses) == {200}
        problem = gateway.call("GET", path).problem(429, "too-many-requests")
        assert problem["quota"]["name"] == "downloads" and problem["quota"]["limit"] == len(statuses)
        assert gateway.metric("export_gateway_downloads_refused_total", reason="memory-limit") == 1
        assert gateway.metric("export_gateway_memory_reservations_refused_total", kind="download", reason="memory-limit") == 1


def test_a_client_that_takes_too_little_is_cut(upstream):
    downloads = {"minimumRate": 1_000_000, "minimumRateWindow": "2s"}
    with servers.gateway(upstream, downloads=downloads) as gateway:
        path = large(gateway, upstream)
        stuck = OpenDownload(gateway, path)
        poll("the cut", lambda: gateway.metric("export_gateway_http_connections_closed_total", reason="slow-client") == 1)
        poll("reserved memory", lambda: gateway.metric("export_gateway_downloads_under_way") == 0)
        assert stuck.read() < 64 * MEBIBYTE
        stuck.close()
        (delivery,) = ended_deliveries(lambda: gateway.get(path.replace("/content", "/deliveries")))
        assert delivery["outcome"] == "abandoned" and delivery["bytesSent"] < 64 * MEBIBYTE
        # One that is slow, and not too slow, is not.
        began = time.monotonic()
        got = gateway.download(path, pace=lambda read: time.sleep(max(0, read / 16e6 - (time.monotonic() - began))))
        assert got.size == 64 * MEBIBYTE and time.monotonic() - began > 4
        assert gateway.metric("export_gateway_http_connections_closed_total", reason="slow-client") == 1
