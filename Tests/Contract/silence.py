"""Clients that connect and say nothing, and how long everybody else waits meanwhile."""

import contextlib
import selectors
import socket
import ssl
import threading
import time

# The beginning of a TLS ClientHello, which never goes on.
HALF_A_HELLO = bytes.fromhex("1603010200010001fc0303")


class Silent:
    """Connections that say nothing more than `hello`, each made anew as soon as it is closed."""

    WORKERS = 4

    def __init__(self, port: int, number: int, hello: bytes = b""):
        self.port = port
        self.hello = hello
        self.renewed = 0
        self._ends = threading.Event()
        share = number // self.WORKERS
        self._threads = [threading.Thread(target=self._hold, args=(share,), daemon=True) for _ in range(self.WORKERS)]

    def __enter__(self) -> "Silent":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _hold(self, number: int) -> None:
        with selectors.DefaultSelector() as selector:
            for _ in range(number):
                self._open(selector)
            while not self._ends.is_set():
                for key, events in selector.select(0.1):
                    self._look(selector, key.fileobj, events)
            for key in list(selector.get_map().values()):
                key.fileobj.close()

    def _open(self, selector) -> None:
        wire = socket.socket()
        wire.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            wire.connect(("127.0.0.1", self.port))
        selector.register(wire, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.hello else 0))

    def _look(self, selector, wire: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                wire.send(self.hello)
                selector.modify(wire, selectors.EVENT_READ)
            if not events & selectors.EVENT_READ or wire.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        selector.unregister(wire)
        wire.close()
        self.renewed += 1
        self._open(selector)


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
