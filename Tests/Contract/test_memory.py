"""Memory is a constant: of one very large download, and of very many slow ones."""

import hashlib
import select
import socket
import time
from urllib.parse import urlsplit

import pytest

import bodies
import servers

pytestmark = pytest.mark.alone

KIBIBYTE = 1 << 10
MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30

LARGE = 4 * GIBIBYTE
LARGE_GROWTH = 16 * MEBIBYTE

CLIENTS = 500
RATE = 64 * KIBIBYTE
SECONDS = 20
CLIENTS_GROWTH = 64 * MEBIBYTE


def export_of(upstream, gateway, size: int, content: str) -> tuple[dict, str]:
    """An export with one file of this size, and the file's digest by the sandbox's word."""
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": size, "content": content})
    export = gateway.succeeded(gateway.create(bodies.paginated_csv(f"{size} bytes")))
    upstream.remove_rules()
    (file,) = [job["files"][0] for job in upstream.jobs() if job["files"][0]["size"] == size]
    return export, file["sha256"]


def test_a_very_large_download_takes_no_more_memory_than_a_small_one(figure):
    with servers.sandbox() as upstream, servers.gateway(upstream, log={"level": "info"}) as gateway:
        small, _ = export_of(upstream, gateway, 8 * MEBIBYTE, "random")
        large, digest = export_of(upstream, gateway, LARGE, "random")
        gateway.download(f"{small['href']}/content")  # Idle means: has served, and serves nobody.

        idle = gateway.process.resident_bytes()
        gateway.process.reset_peak()
        began = time.monotonic()
        got = gateway.download(f"{large['href']}/content", timeout=60)
        seconds = time.monotonic() - began
        growth = gateway.process.peak_bytes() - idle
        figure(f"{got.size} bytes in {seconds:.1f} s; {idle / MEBIBYTE:.1f} MiB idle, {growth / MEBIBYTE:.1f} MiB more")
        assert got.size == LARGE
        assert got.sha256 == digest
        assert growth <= LARGE_GROWTH


def test_five_hundred_slow_clients_share_little_memory(figure):
    size = RATE * SECONDS
    with servers.sandbox() as upstream, servers.gateway(upstream, log={"level": "info"}) as gateway:
        export, digest = export_of(upstream, gateway, size, "random")
        gateway.download(f"{export['href']}/content")

        idle = gateway.process.resident_bytes()
        gateway.process.reset_peak()
        began = time.monotonic()
        clients = [SlowClient(gateway, f"{export['href']}/content") for _ in range(CLIENTS)]
        at_once = read_slowly(clients, began)
        seconds = time.monotonic() - began
        growth = gateway.process.peak_bytes() - idle
        exact = sum(client.is_whole(size, digest) for client in clients)
        figure(
            f"{exact} of {CLIENTS} exact in {seconds:.1f} s, {at_once} at once; {idle / MEBIBYTE:.1f} MiB idle, "
            f"{growth / MEBIBYTE:.1f} MiB more, {growth / CLIENTS / KIBIBYTE:.0f} KiB for each"
        )
        assert exact == CLIENTS
        # Nobody was done early, out of a buffer of the kernel's: all of them were there all the time.
        assert at_once == CLIENTS and seconds >= SECONDS * 0.9
        assert growth <= CLIENTS_GROWTH


class SlowClient:
    """A reader of one file who takes so many bytes each second, and whose own system holds little for it."""

    def __init__(self, gateway, path: str):
        address = urlsplit(gateway.address)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * KIBIBYTE)
        self.socket.settimeout(60)
        self.socket.connect((address.hostname, address.port))
        key = f"Authorization: Bearer {gateway.key}\r\n" if gateway.key else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{key}Connection: close\r\n\r\n".encode())
        self.socket.setblocking(False)
        self.head = b""
        self.digest = hashlib.sha256()
        self.size = 0
        self.is_over = False

    def read(self, most: int) -> None:
        try:
            block = self.socket.recv(most)
        except BlockingIOError:
            return
        if not block:
            self.is_over = True
            self.socket.close()
            return
        if b"\r\n\r\n" not in self.head:
            self.head, _, block = (self.head + block).partition(b"\r\n\r\n")
            self.head += b"\r\n\r\n"
        self.digest.update(block)
        self.size += len(block)

    def is_whole(self, size: int, digest: str) -> bool:
        return self.head.startswith(b"HTTP/1.1 200 ") and self.size == size and self.digest.hexdigest() == digest


def read_slowly(clients: list[SlowClient], began: float, within: float = 60) -> int:
    """Reads all of them to their ends, each at its pace; gives the most that were under way at one time."""
    most = 0
    while waiting := [client for client in clients if not client.is_over]:
        passed = time.monotonic() - began
        assert passed < within, f"{len(waiting)} clients are not done after {within} s"
        most = max(most, sum(client.size > 0 for client in waiting))
        due = [client for client in waiting if client.size < passed * RATE]
        ready, _, _ = select.select([], [], [], 0.05) if not due else poll(due)
        for client in ready:
            client.read(int(min(16 * KIBIBYTE, max(1, passed * RATE - client.size))))
    return most


def poll(clients: list[SlowClient]):
    """Those of the clients that have something to read; `select` itself takes no more than 1024 descriptors."""
    poller = select.poll()
    by_descriptor = {client.socket.fileno(): client for client in clients}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poller.poll(50)], [], []
