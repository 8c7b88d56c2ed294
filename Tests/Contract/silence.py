"""Clients that connect and say nothing, and how long everybody else waits meanwhile."""

import contextlib
import selectors
import socket
import ssl
import subprocess
import sys
import time

# The beginning of a TLS ClientHello, which never goes on.
HALF_A_HELLO = bytes.fromhex("1603010200010001fc0303")


class Silent:
    """Connections that say nothing more than `hello`, each made again as soon as it is closed.

    They are held by a process of their own, so that they take no time from who measures how long others wait. `renewed`, how many
    were closed, is known at the end.
    """

    def __init__(self, port: int, number: int, hello: bytes = b""):
        self._arguments = [sys.executable, __file__, str(port), str(number), hello.hex()]
        self.renewed = 0

    def __enter__(self) -> "Silent":
        self._process = subprocess.Popen(self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_) -> None:
        self.renewed = int(self._process.communicate()[0])


def hold(port: int, number: int, hello: bytes) -> int:
    """Holds so many connections until standard input ends. How many were closed and made again."""
    renewed = 0
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for _ in range(number):
            connect(selector, port, hello)
        while True:
            for key, events in selector.select():
                if key.fileobj is sys.stdin:
                    return renewed
                if is_closed(selector, key.fileobj, events, hello):
                    renewed += 1
                    connect(selector, port, hello)


def connect(selector, port: int, hello: bytes) -> None:
    wire = socket.socket()
    wire.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        wire.connect(("127.0.0.1", port))
    selector.register(wire, selectors.EVENT_READ | (selectors.EVENT_WRITE if hello else 0))


def is_closed(selector, wire: socket.socket, events: int, hello: bytes) -> bool:
    """Whether the other end is done with a connection; it is let go of then."""
    try:
        if events & selectors.EVENT_WRITE:
            wire.send(hello)
            selector.modify(wire, selectors.EVENT_READ)
        if not events & selectors.EVENT_READ or wire.recv(4096):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    selector.unregister(wire)
    wire.close()
    return True


def ask(port: int, path: str, key: str | None, context: ssl.SSLContext | None = None, within: float = 5) -> str:
    """The status line of the answer to one request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=within) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") if context else contextlib.nullcontext(plain) as wire:
            credential = f"Authorization: Bearer {key}\r\n" if key else ""
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{credential}Connection: close\r\n\r\n".encode())
            return wire.recv(4096).split(b"\r\n")[0].decode()


def slowest(port: int, key: str, seconds: float, context: ssl.SSLContext | None = None) -> dict[str, float]:
    """How long `/livez` and a caller's own question take at most, asked over and over for so many seconds."""
    worst = {"/livez": 0.0, "/exports?limit=1": 0.0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in worst:
            began = time.monotonic()
            try:
                line = ask(port, path, key if path != "/livez" else None, context)
            except OSError as error:
                line = f"{type(error).__name__}: {error}"
            worst[path] = max(worst[path], time.monotonic() - began)
            assert line == "HTTP/1.1 200 OK", f"{path} after {worst[path]:.1f} s: {line}"
        time.sleep(0.05)
    return worst


if __name__ == "__main__":
    print(hold(int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])))
